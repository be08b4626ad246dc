import BinaryComm
import BusLog
import BusTestSupport
import BusWire
import ProcessSupport
import Testing

@Suite("Lossy readers, wildcards and growth")
struct ReaderModeTests {
  @Test("lossy: what was received and the gaps are what was published")
  func lossy() throws {
    try Watchdog.bounding("lossy", seconds: 60) {
      let bus = try ClientBus()
      let writer = try bus.agent("writer")
      let listener = try bus.agent("listener")
      var reader = try listener.reader("ticks", mode: .lossy)
      var publisher = try writer.publisher(on: "ticks", options: smallLog)
      try reader.meet()
      for value in 0..<5000 { try publisher.publish("ticks", numbered(value)) }
      let messages = try reader.drain()
      let seen = reader.statistics
      #expect(seen.received + seen.gaps == 5000)
      #expect(seen.received > 0 && seen.gaps > 0)
      #expect(messages.reduce(0) { $0 + $1.gapBefore } == seen.gaps)
      #expect(messages.last.map { number($0.payload) } == 4999)
      #expect(messages.allSatisfy { $0.sequence == UInt64(number($0.payload)) })
    }
  }

  @Test("lossy while the publisher goes on: each message is whole, later, and counted")
  func lossyRace() throws {
    try Watchdog.bounding("lossy race", seconds: 60) {
      let bus = try ClientBus()
      let writer = try bus.agent("writer")
      let listener = try bus.agent("listener")
      var reader = try listener.reader("ticks", mode: .lossy)
      let met = Flag()
      let worker = Worker {
        var publisher = try writer.publisher(on: "ticks", options: smallLog)
        met.wait()
        for value in 0..<200_000 { try publisher.publish("ticks", numbered(value, bytes: 40)) }
        publisher.close()
        return 200_000
      }
      try reader.meet()
      met.raise()
      var last = -1
      var wrong = 0
      while reader.statistics.ended == 0 {
        _ = try reader.poll { message in
          let value = number(message.payload)
          if value <= last || value != Int(message.sequence) { wrong += 1 }
          last = value
        }
      }
      let sent = try worker.join()
      let seen = reader.statistics
      #expect(wrong == 0)
      #expect(seen.received + seen.gaps == UInt64(sent))
    }
  }

  @Test("latest: the newest message of each topic, the others are counted")
  func latest() throws {
    try Watchdog.bounding("latest", seconds: 60) {
      let bus = try ClientBus()
      let writer = try bus.agent("writer")
      let listener = try bus.agent("listener")
      var reader = try listener.reader("state.>", mode: .latest)
      var publisher = try writer.publisher(
        on: "state", options: PublisherOptions(firstLogBytes: 1 << 20))
      try reader.meet()
      for round in 0..<100 {
        for part in 0..<5 { try publisher.publish("state.part\(part)", numbered(round)) }
      }
      var newest: [String: Int] = [:]
      for message in try reader.drain() { newest[message.topic] = number(message.payload) }
      #expect(newest.count == 5 && newest.values.allSatisfy { $0 == 99 })
      let seen = reader.statistics
      #expect(seen.received + seen.gaps + seen.superseded == 500)
      #expect(seen.superseded > 0)
    }
  }

  @Test("growth: a payload larger than a quarter of the first log is accepted")
  func largePayload() throws {
    try Watchdog.bounding("large payload", seconds: 60) {
      let bus = try ClientBus()
      let writer = try bus.agent("writer")
      let listener = try bus.agent("listener")
      var reader = try listener.reader("bulk", mode: .lossless)
      var publisher = try writer.publisher(
        on: "bulk", options: PublisherOptions(firstLogBytes: 64 << 10))
      let sizes = [8, 8, 20_000, 8, 300_000, 8, 20_000]
      for (value, size) in sizes.enumerated() {
        try publisher.publish("bulk", numbered(value, bytes: size))
      }
      var messages: [ReceivedMessage] = []
      while messages.count < sizes.count { messages += try reader.drain() }
      let sent = sizes.enumerated().map { numbered($0.offset, bytes: $0.element) }
      #expect(messages.map(\.payload) == sent)
      #expect(reader.statistics.gaps == 0)
    }
  }

  @Test("growth: a slow reader of a small log gets everything in order")
  func slowReader() throws {
    try Watchdog.bounding("slow reader", seconds: 120) {
      let bus = try ClientBus()
      let writer = try bus.agent("writer")
      let listener = try bus.agent("listener")
      var reader = try listener.reader("bulk", mode: .lossless)
      let worker = Worker {
        var publisher = try writer.publisher(
          on: "bulk", options: PublisherOptions(firstLogBytes: 64 << 10))
        for value in 0..<20_000 { try publisher.publish("bulk", numbered(value, bytes: 1000)) }
        publisher.close()
        return 20_000
      }
      var next = 0
      var wrong = 0
      var rounds = 0
      while reader.statistics.ended == 0 {
        let taken = try reader.poll(limit: 16) { message in
          if number(message.payload) != next || message.payload.byteCount != 1000 { wrong += 1 }
          next += 1
        }
        rounds += 1
        if taken == 0 || rounds % 100 == 0 { breathe() }
      }
      #expect(try worker.join() == next)
      #expect(wrong == 0)
    }
  }

  @Test("* is one token and > is one or more")
  func wildcards() throws {
    try Watchdog.bounding("wildcards", seconds: 60) {
      let bus = try ClientBus()
      let writer = try bus.agent("writer")
      let listener = try bus.agent("listener")
      var one = try listener.reader("alerts.*", mode: .lossless)
      var more = try listener.reader("alerts.>", mode: .lossless)
      var inner = try listener.reader("alerts.*.full", mode: .lossless)
      var exact = try listener.reader("alerts.disk", mode: .lossless)
      var any = try listener.reader("*.disk", mode: .lossless)
      var publisher = try writer.publisher(on: "alerts")
      let topics = ["alerts", "alerts.disk", "alerts.cpu", "alerts.disk.full", "alerts.disk"]
      try one.meet()
      try more.meet()
      try inner.meet()
      try exact.meet()
      try any.meet()
      for topic in topics { try publisher.publish(topic, []) }
      #expect(try one.drain().map(\.topic) == ["alerts.disk", "alerts.cpu", "alerts.disk"])
      #expect(try more.drain().map(\.topic) == Array(topics.dropFirst()))
      #expect(try inner.drain().map(\.topic) == ["alerts.disk.full"])
      #expect(try exact.drain().map(\.topic) == ["alerts.disk", "alerts.disk"])
      #expect(try any.drain().map(\.topic) == ["alerts.disk", "alerts.disk"])
    }
  }

  @Test("a wildcard in the first token is lossy by default and never sees bcs.broadcast")
  func firstTokenWildcard() throws {
    try Watchdog.bounding("first token wildcard", seconds: 60) {
      let bus = try ClientBus(["--stall", "600"])
      let writer = try bus.agent("writer")
      let listener = try bus.agent("listener")
      var all = try listener.reader(">")
      var tail = try listener.reader("*.broadcast")
      var broadcasts = try listener.reader("bcs.broadcast")
      var shout = try writer.publisher(on: "bcs.broadcast")
      try shout.publish("bcs.broadcast", numbered(1))
      #expect(try broadcasts.take(1) == [1])
      var publisher = try writer.publisher(on: "ticks", options: smallLog)
      try all.meet()
      try tail.meet()
      for value in 0..<5000 { try publisher.tryPublish("ticks.broadcast", numbered(value)) }
      let topics = Set(try all.drain().map(\.topic) + tail.drain().map(\.topic))
      #expect(topics == ["ticks.broadcast"])
      #expect(all.statistics.gaps > 0 && all.statistics.streams == 1)
      #expect(tail.statistics.streams == 1)
    }
  }
}
