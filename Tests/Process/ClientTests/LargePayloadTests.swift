import BinaryComm
import BusLog
import BusTestSupport
import BusWire
import Foundation
import Glibc
import ProcessSupport
import Synchronization
import Testing

@Suite("Large payloads on topics", .serialized)
struct LargePayloadTests {
  @Test(
    "written in place and read in place, between small ones, all in order",
    arguments: [1 << 20, LargePayload.most])
  func inPlace(bytes: Int) throws {
    try Watchdog.bounding("large payloads in place", seconds: 120) {
      let bus = try ClientBus()
      let writer = try bus.agent("writer")
      let listener = try bus.agent("listener")
      var reader = try listener.reader("frames", mode: .lossless)
      let worker = Worker {
        var publisher = try writer.publisher(on: "frames")
        let topic = try publisher.topic("frames")
        for value in 0..<24 {
          let count = value % 3 == 1 ? 8 : bytes
          try publisher.publish(topic, count: count) { LargePayload.write(value, to: &$0) }
        }
        publisher.close()
        return 24
      }
      var next = 0
      var faults: [String] = []
      while reader.statistics.ended == 0 {
        let taken = try reader.poll { message in
          let count = next % 3 == 1 ? 8 : bytes
          if let fault = LargePayload.fault(message.payload, next, count: count) {
            faults.append(fault)
          }
          next += 1
        }
        if taken == 0 { breathe() }
      }
      #expect(try worker.join() == next)
      #expect(faults == [])
      #expect(reader.statistics.gaps == 0)
    }
  }

  @Test(
    "a lossy reader gets whole payloads or an exact gap",
    arguments: [1 << 20, LargePayload.most])
  func lossy(bytes: Int) throws {
    try Watchdog.bounding("large payloads, lossy", seconds: 120) {
      let bus = try ClientBus()
      let writer = try bus.agent("writer")
      let listener = try bus.agent("listener")
      var reader = try listener.reader("frames", mode: .lossy)
      var publisher = try writer.publisher(on: "frames")
      let topic = try publisher.topic("frames")
      try publisher.publish(topic, count: bytes) { LargePayload.write(0, to: &$0) }
      try reader.meet()
      var numbers: [Int] = []
      var faults: [String] = []
      func look(limit: Int) throws {
        _ = try reader.poll(limit: limit) { message in
          let number = Int(message.sequence)
          numbers.append(number)
          if let fault = LargePayload.fault(message.payload, number, count: bytes) {
            faults.append(fault)
          }
        }
      }
      // Twice over the whole ring before the reader looks: it must notice.
      for value in 1..<9 {
        try publisher.publish(topic, count: bytes) { LargePayload.write(value, to: &$0) }
      }
      try look(limit: 1)
      var moved: Publisher? = consume publisher
      let held = Held(moved.take())
      let worker = Worker {
        guard var publisher = held.take() else { return 0 }
        for value in 9..<40 {
          try publisher.publish(topic, count: bytes) { LargePayload.write(value, to: &$0) }
        }
        publisher.close()
        return 40
      }
      while reader.statistics.ended == 0 { try look(limit: 1) }
      #expect(try worker.join() == 40)
      let seen = reader.statistics
      #expect(faults == [])
      #expect(numbers == numbers.sorted() && Set(numbers).count == numbers.count)
      #expect(seen.gaps > 0 && seen.received > 0)
      #expect(seen.received + seen.gaps == 40 && seen.received == UInt64(numbers.count))
    }
  }

  @Test("latest hands over the newest large payload of a topic")
  func latest() throws {
    try Watchdog.bounding("large payloads, latest", seconds: 60) {
      let bus = try ClientBus()
      let writer = try bus.agent("writer")
      let listener = try bus.agent("listener")
      var reader = try listener.reader("frames.>", mode: .latest)
      var publisher = try writer.publisher(on: "frames")
      let topic = try publisher.topic("frames.left")
      for value in 0..<5 {
        try publisher.publish(topic, count: LargePayload.most) {
          LargePayload.write(value, to: &$0)
        }
      }
      var newest: [UInt8] = []
      while newest.isEmpty {
        for message in try reader.drain() where message.sequence == 4 { newest = message.payload }
      }
      let fault = LargePayload.fault(newest, 4, count: LargePayload.most)
      #expect(fault == nil)
    }
  }

  @Test("one byte more than 16 MiB is refused with the limit in the text, and nothing is lost")
  func tooLarge() throws {
    try Watchdog.bounding("too large", seconds: 60) {
      let bus = try ClientBus()
      let writer = try bus.agent("writer")
      let listener = try bus.agent("listener")
      var reader = try listener.reader("frames", mode: .lossless)
      var publisher = try writer.publisher(on: "frames")
      let topic = try publisher.topic("frames")
      #expect(publisher.payloadBytesMax == LargePayload.most)
      try publisher.publish(topic, numbered(0).raw)
      let refused = BusError.payloadTooLarge(bytes: LargePayload.most + 1, limit: LargePayload.most)
      let over = [UInt8](repeating: 7, count: LargePayload.most + 1)
      let waiting = failure { () throws(BusError) in try publisher.publish(topic, over.raw) }
      #expect(waiting == refused)
      let trying = failure { () throws(BusError) in try publisher.tryPublish(topic, over.raw) }
      #expect(trying == refused)
      let inPlace = failure { () throws(BusError) in
        try publisher.publish(topic, count: over.count) { _ in }
      }
      #expect(inPlace == refused)
      #expect(refused.description.contains("16777216"))
      try publisher.publish(topic, numbered(1).raw)
      #expect(try reader.take(2) == [0, 1])
      #expect(reader.statistics.gaps == 0)
    }
  }

  @Test("--log-most is a limit for payloads, too")
  func logMax() throws {
    try Watchdog.bounding("log most", seconds: 60) {
      let bus = try ClientBus(["--log-most", "4MiB"])
      let writer = try bus.agent("writer")
      var publisher = try writer.publisher(on: "frames")
      let most = publisher.payloadBytesMax
      #expect(most > 1 << 20 && most < 2 << 20)
      try publisher.publish("frames", LargePayload.bytes(0, count: 1 << 20))
      let error = failure { () throws(BusError) in
        try publisher.publish("frames", [UInt8](repeating: 0, count: 2 << 20))
      }
      #expect(error == .payloadTooLarge(bytes: 2 << 20, limit: most))
    }
  }

  @Test("a quota that is used up refuses the payload, not the stream, and only while it is")
  func quota() throws {
    try Watchdog.bounding("quota of large payloads", seconds: 60) {
      let bus = try ClientBus(["--agent-quota", "100MiB"])
      let writer = try bus.agent("writer")
      let listener = try bus.agent("listener")
      var reader = try listener.reader("second", mode: .lossless)
      let large = LargePayload.bytes(3, count: LargePayload.most)
      var first = try writer.publisher(on: "first")
      try first.publish("first", large)
      var second = try writer.publisher(on: "second")
      try second.publish("second", numbered(0))
      for _ in 0..<3 {
        let error = failure { () throws(BusError) in try second.publish("second", large) }
        #expect(error?.code == .resourceExhausted)
        #expect(
          error.map { "\($0)".contains("--agent-quota") } == true, "\(String(describing: error))")
      }
      // What needs less memory still gets it.
      try second.publish("second", LargePayload.bytes(1, count: 1 << 20))
      first.close()
      while failure({ () throws(BusError) in try second.publish("second", large) }) != nil {
        breathe()
      }
      var messages: [ReceivedMessage] = []
      while messages.count < 3 { messages += try reader.drain() }
      #expect(messages.map(\.payload.count) == [8, 1 << 20, LargePayload.most])
      #expect(messages[2].payload == large)
      #expect(reader.statistics.gaps == 0)
    }
  }

  @Test("full windows make logs of up to 4 MiB, also where records fill the ring to its last line")
  func windows() throws {
    try Watchdog.bounding("growth by full windows", seconds: 120) {
      let bus = try ClientBus()
      let writer = try bus.agent("writer")
      let listener = try bus.agent("listener")
      var reader = try listener.reader("ticks", mode: .lossless)
      let count = 20_000
      let isSeen = Flag()
      let worker = Worker {
        var publisher = try writer.publisher(on: "ticks")
        for value in 0..<count { try publisher.publish("ticks", numbered(value, bytes: 4032)) }
        isSeen.wait()
        return count
      }
      var taken = 0
      var rounds = 0
      while taken < count {
        let now = try reader.poll(limit: 16) { _ in }
        taken += now
        rounds += 1
        if now == 0 || rounds % 20 == 0 { breathe() }
      }
      #expect(try capacity(of: "ticks", in: bus) == 4 << 20)
      isSeen.raise()
      #expect(try worker.join() == taken)
    }
  }

  @Test(
    "of a publisher that is killed within a large payload readers see whole payloads, then its end")
  func killed() throws {
    try Watchdog.bounding("a publisher of large payloads is killed", seconds: 120) {
      let bus = try ClientBus()
      let home = try TemporaryDirectory("large")
      let file = home.file("payload")
      try Data(LargePayload.bytes(7, count: LargePayload.most)).write(to: URL(filePath: file))
      let listener = try bus.agent("listener")
      var reader = try listener.reader("frames", mode: .lossless)
      let arguments = [
        "pub", "frames", "--raw", "--file", file, "--count", "1000000", "--dir", bus.directory,
      ]
      let child = try Child.start(try Programs.path("bcs"), arguments)
      defer { child.kill() }
      var faults: [String] = []
      var taken = 0
      func look() throws -> Int {
        try reader.poll(limit: 1) { message in
          let fault = LargePayload.fault(message.payload, 7, count: LargePayload.most)
          if let fault { faults.append(fault) }
          taken += 1
        }
      }
      while taken < 20 { if try look() == 0 { breathe() } }
      // It does nothing but write payloads, so that it almost surely dies within one.
      child.kill()
      while reader.statistics.ended == 0 { if try look() == 0 { breathe() } }
      #expect(faults == [])
      #expect(taken >= 20 && taken <= 24)
      #expect(reader.statistics.gaps == 0 && reader.statistics.received == UInt64(taken))
    }
  }

  @Test("a stream in a large ring outlives its router, and a newcomer reads it from the next one")
  func restart() throws {
    try Watchdog.bounding("large payloads and a new router", seconds: 120) {
      var bus = try ClientBus()
      let writer = try bus.agent("writer")
      let listener = try bus.agent("listener")
      var reader = try listener.reader("frames", mode: .lossless)
      var publisher = try writer.publisher(on: "frames")
      let topic = try publisher.topic("frames")
      func send(_ value: Int) throws {
        try publisher.publish(topic, count: LargePayload.most) {
          LargePayload.write(value, to: &$0)
        }
      }
      func expect(_ value: Int, at reader: inout Reader) throws {
        var fault: String? = "nothing came"
        while try reader.poll(
          limit: 1,
          { message in
            fault = LargePayload.fault(message.payload, value, count: LargePayload.most)
          }) == 0
        { breathe() }
        #expect(fault == nil)
      }
      try send(0)
      try bus.endRouter(SIGKILL)
      while writer.isConnected || listener.isConnected { breathe() }
      try send(1)
      try expect(0, at: &reader)
      try bus.startRouter()
      while !writer.isConnected || !listener.isConnected { breathe() }
      let newcomer = try bus.agent("newcomer")
      var late = try newcomer.reader("frames", mode: .lossless)
      try late.meet()
      try send(2)
      for value in 1...2 { try expect(value, at: &reader) }
      try expect(2, at: &late)
      #expect(try capacity(of: "frames", in: bus) == 64 << 20)
    }
  }

  /// The ring of the one stream on a channel, as `bcs channel` shows it.
  private func capacity(of channel: String, in bus: borrowing ClientBus) throws -> Int? {
    let result = try Child.run(
      try Programs.path("bcs"), ["channel", "--json", "--dir", bus.directory],
      timeout: .seconds(30))
    for line in result.stdout.split(separator: "\n") where line.contains("\"\(channel)\"") {
      guard let from = line.range(of: "\"capacity\":") else { continue }
      return Int(line[from.upperBound...].prefix { $0.isNumber })
    }
    return nil
  }
}

/// A publisher on its way to another thread.
private final class Held: Sendable {
  private let publisher: Mutex<Publisher?>

  init(_ publisher: consuming Publisher?) { self.publisher = Mutex(publisher) }

  func take() -> Publisher? { publisher.withLock { $0.take() } }
}
