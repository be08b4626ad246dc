import BusLog
import BusMemory
import BusTestSupport
import BusWire
import Glibc
import Testing

@Suite("Rules of a stream")
struct StreamTests {
  @Test("an evicted reader is told in the batch that became void, however many batches later")
  func evictedLate() throws {
    let stage = try Stage()
    let pen = try Pen(stage, capacity: 16384)
    let reader = try Subject(stage, .lossless, attachment: 1)
    var number: UInt64 = 0
    func write() -> Bool {
      defer { number += 1 }
      return pen.send(number, count: 960)
    }
    while pen.position < 8192 { #expect(write()) }
    stage.gate.leave(1)
    // The first batch after the departure is whole: the pen is far.
    #expect(reader.poll(limit: 1) { _ in } == 1)
    #expect(reader.state == .open)
    var wasCalled = false
    let taken = reader.poll(limit: 1) { _ in
      wasCalled = true
      for _ in 0..<12 { #expect(write()) }
    }
    #expect(wasCalled && taken == 0 && reader.state == .evicted)
    #expect(reader.poll { _ in Issue.record("a message after the eviction") } == 0)
  }

  @Test("a reader evicted before it opened the log is told, too")
  func evictedEarly() throws {
    let stage = try Stage()
    let pen = try Pen(stage, capacity: 16384)
    #expect(pen.send(0, count: 960))
    let (start, slot) = try stage.join(1, lossless: true)
    stage.gate.leave(1)
    for number in 1..<9 { #expect(pen.send(UInt64(number), count: 960)) }
    let reader = Subject(
      try LogReader(stage.logs[0], mode: .lossless, start: start, slot: slot))
    let taken = reader.poll(limit: 1) { _ in
      for number in 9..<20 { #expect(pen.send(UInt64(number), count: 960)) }
    }
    #expect(taken == 0 && reader.state == .evicted)
  }

  @Test("a void batch is found even when the closure throws")
  func thrownVoid() throws {
    struct Stop: Error {}
    let stage = try Stage()
    let pen = try Pen(stage, capacity: 16384)
    let reader = try Subject(stage, .lossless, attachment: 1)
    #expect(pen.send(0, count: 960))
    stage.gate.leave(1)
    #expect(throws: Stop.self) {
      _ = try reader.poll { (_) throws(Stop) in
        for number in 1..<20 { _ = pen.send(UInt64(number), count: 960) }
        throw Stop()
      }
    }
    #expect(reader.state == .evicted)
  }

  @Test("a blocked publisher that tries again and again evicts the reader, once, and goes on")
  func stall() throws {
    let stage = try Stage(stall: StallPolicy(stallNs: 20_000_000))
    let pen = try Pen(stage, capacity: 16384)
    let slow = try Subject(stage, .lossless, attachment: 1)
    let quick = try Subject(stage, .lossless, attachment: 2)
    var number: UInt64 = 0
    Watchdog.bounding("eviction of a reader that stalls", seconds: 60) {
      while number < 200 {
        if pen.send(number, count: 960) {
          number += 1
        } else {
          pen.writer.waitForRoom(recordBytes: 1024, timeoutNs: 5_000_000)
        }
        _ = quick.drain()
      }
    }
    #expect(stage.evictions.list == [1])
    #expect(slow.poll { _ in } == 0)
    #expect(slow.state == .evicted && quick.state == .open && quick.received == 200)
  }

  @Test("a publisher that only tries evicts too, and pauses between tries do not count in full")
  func triesOnly() throws {
    let stage = try Stage(stall: StallPolicy(stallNs: 40_000_000))
    let pen = try Pen(stage, capacity: 16384)
    let slow = try Subject(stage, .lossless, attachment: 1)
    var number: UInt64 = 0
    while pen.send(number, count: 960) { number += 1 }
    pen.writer.noteBlocked(recordBytes: 1024)
    usleep(200_000)
    pen.writer.noteBlocked(recordBytes: 1024)
    #expect(stage.evictions.list.isEmpty, "one pause of five times the limit, no waiting")
    Watchdog.bounding("eviction by tries", seconds: 60) {
      while !pen.send(number, count: 960) {
        pen.writer.noteBlocked(recordBytes: 1024)
        usleep(1000)
      }
    }
    #expect(stage.evictions.list == [1])
    _ = slow.drain()
    #expect(slow.state == .evicted)
  }

  @Test("a reader that joins while the stream rotates starts in the new log")
  func joinAtRotation() throws {
    let stage = try Stage()
    let pen = try Pen(stage, capacity: 16384)
    #expect(pen.send(0, count: 100))
    #expect(try pen.rotate(stage, capacity: 65536))
    let late = try Subject(stage, .lossless, attachment: 9)
    #expect(late.reader.identity.generation == 1)
    #expect(pen.send(1, count: 100))
    #expect(late.drain() == [1])
  }

  @Test("a gate without its writer lets nobody in")
  func gateAlone() throws {
    let stage = try Stage()
    var pen: Pen? = try Pen(stage, capacity: 16384)
    #expect(pen?.send(0, count: 10) == true)
    pen = nil
    let slot = try #require(stage.segment.takeSlot())
    slot.open(attachment: 1)
    let link = try #require(
      FlowControl.Link(segment: stage.peer, slot: slot.index, epoch: nil))
    #expect(throws: FlowControl.JoinRefusal.streamEnded) {
      try stage.gate.join(attachment: 1, link: link, lossless: true) {}
    }
  }

  @Test("the same question gets the same answer, and an expected reader begins at the start")
  func joinTwice() throws {
    let stage = try Stage()
    stage.gate.expect([5])
    let pen = try Pen(stage, capacity: 16384)
    for number in 0..<4 { #expect(pen.send(UInt64(number), count: 960)) }
    #expect(stage.gate.lowestCursor == 0, "nothing may be forgotten before it came")
    let (first, slot) = try stage.join(5, lossless: true)
    #expect(first == FlowControl.Start(generation: 0, position: 0, sequence: 0))
    let reader = Subject(
      try LogReader(stage.logs[0], mode: .lossless, start: first, slot: slot))
    #expect(reader.drain() == [0, 1, 2, 3])
    #expect(pen.send(4, count: 960))
    let other = try Subject(stage, .lossless, attachment: 6)
    let start = FlowControl.Start(
      generation: 0, position: other.reader.nextPosition, sequence: 5)
    for number in 5..<40 {
      #expect(pen.send(UInt64(number), count: 960))
      _ = reader.drain()
      _ = other.drain()
    }
    #expect(try stage.join(5, lossless: true).start == first)
    #expect(try stage.join(6, lossless: true).start == start)
    #expect(stage.gate.attachments.sorted() == [5, 6])
  }

  @Test("a window stays at the start until every expected reader has come or is gone")
  func expected() throws {
    let stage = try Stage()
    stage.gate.expect([5, 6])
    let pen = try Pen(stage, capacity: 16384)
    var number: UInt64 = 0
    while pen.send(number, count: 960) { number += 1 }
    #expect(number == 16)
    let reader = try Subject(stage, .lossless, attachment: 5)
    #expect(reader.drain().count == 16)
    #expect(!pen.send(number, count: 960), "the other one is still expected")
    stage.gate.leave(6)
    #expect(pen.send(number, count: 960))
  }

  @Test("a reader that cleared its ticket is told of once, by the look that finds it")
  func leftByItself() throws {
    let stage = try Stage()
    let pen = try Pen(stage, capacity: 16384)
    let (_, first) = try stage.join(1, lossless: true)
    let (_, second) = try stage.join(2, lossless: true)
    while pen.send(0, count: 960) {}
    #expect(stage.departures.list == [], "nobody has left")
    stage.segment.give(back: first)
    #expect(!pen.send(0, count: 960), "the other one still holds it")
    #expect(stage.departures.list == [1])
    #expect(!stage.gate.leave(1), "the router's word comes later")
    #expect(stage.gate.leave(2))
    #expect(pen.send(0, count: 960))
    stage.segment.give(back: second)
    #expect(stage.departures.list == [1] && stage.evictions.list == [])
  }

  @Test(
    "nothing that a publisher writes after its announced end is read", arguments: ReadMode.allCases)
  func afterEnd(mode: ReadMode) throws {
    let stage = try Stage()
    let pen = try Pen(stage, capacity: 65536)
    let reader = try Subject(stage, mode, attachment: 1)
    for number in 0..<3 { #expect(pen.send(UInt64(number), count: 10, topic: UInt64(number))) }
    let final = pen.position
    for number in 3..<6 { #expect(pen.send(UInt64(number), count: 10, topic: UInt64(number))) }
    reader.reader.end(at: final)
    #expect(reader.drain() == [0, 1, 2])
    #expect(reader.state == .ended)
  }

  @Test("an end announced before a rotation was seen holds for the log where the stream ends")
  func endAcrossRotation() throws {
    for final in [UInt64.max, 0] {
      let stage = try Stage()
      let pen = try Pen(stage, capacity: 16384)
      let reader = try Subject(stage, .lossless, attachment: 1)
      #expect(pen.send(0, count: 10))
      #expect(try pen.rotate(stage, capacity: 65536))
      #expect(pen.send(1, count: 10))
      reader.reader.end(at: final == 0 ? pen.position : final)
      #expect(reader.drain() == [0])
      #expect(reader.state == .rotated)
      try reader.reader.move(to: stage.logs[1])
      #expect(reader.drain() == [1])
      #expect(reader.state == .ended)
    }
  }

  @Test("the newest of each topic, at most as many as asked for, in order, with their numbers")
  func latest() throws {
    struct Stop: Error {}
    let stage = try Stage()
    let pen = try Pen(stage, capacity: 65536)
    let reader = try Subject(stage, .latest, attachment: 1)
    for number in 0..<30 { #expect(pen.send(UInt64(number), count: 10, topic: UInt64(number % 5))) }
    var seen: [UInt64] = []
    #expect(throws: Stop.self) {
      _ = try reader.poll(limit: 2) { (record) throws(Stop) in
        seen.append(record.sequence)
        throw Stop()
      }
    }
    #expect(reader.poll(limit: 2) { seen.append($0.sequence) } == 2)
    let hasNews = reader.reader.hasNews
    #expect(hasNews)
    #expect(pen.send(30, count: 10, topic: 4))
    #expect(reader.poll(limit: 9) { seen.append($0.sequence) } == 2)
    #expect(seen == [25, 26, 27, 28, 30])
    #expect(reader.reader.superseded == 26 && reader.gaps == 0)
  }

  @Test("a newest message that was overwritten before it was taken is counted as lost")
  func latestLost() throws {
    let stage = try Stage()
    let pen = try Pen(stage, capacity: 16384)
    let reader = try Subject(stage, .latest, attachment: 1)
    #expect(pen.send(0, count: 10, topic: 0))
    #expect(pen.send(1, count: 10, topic: 1))
    var number: UInt64 = 2
    let taken = reader.poll { _ in
      while number < 40 {
        #expect(pen.send(number, count: 960, topic: 7))
        number += 1
      }
    }
    #expect(taken == 1 && reader.gaps == 1)
    #expect(reader.drain() == [39])
    #expect(reader.received + reader.gaps + reader.reader.superseded == number)
  }

  @Test("a message that claims another sender is dropped and counted")
  func forged() throws {
    let stage = try Stage()
    let log = try stage.makeLog(capacity: 16384)
    let other = BusUUID(word0: 9, word1: 9)
    var raw = try Stage.identity(capacity: 16384)
    raw.agent = other
    #expect(log.identity.agent != raw.agent)
    let segment = try ForgedLog(identity: raw, records: [Stage.agent, other])
    let start = FlowControl.Start(generation: 0, position: 0, sequence: 0)
    for mode in ReadMode.allCases {
      let reader = Subject(try LogReader(segment.peer(), mode: mode, start: start, slot: nil))
      #expect(reader.poll { _ in } == 1)
      #expect(reader.reader.forged == 1 && reader.state == .open)
    }
  }

  @Test("a rotation to the log of another stream, or of the wrong generation, is refused")
  func wrongRotation() throws {
    let stage = try Stage()
    let pen = try Pen(stage, capacity: 16384)
    for (channel, generation) in [("stage", UInt32(0)), ("stage", 2), ("other", 1)] {
      var identity = try Stage.identity(capacity: 16384, generation: generation)
      identity.channel = channel
      let back = pen.writer.rotate(to: try NewLog(identity))
      let wasRefused = back != nil
      #expect(wasRefused, "\(channel) \(generation)")
    }
    #expect(pen.send(0, count: 10))
  }

  @Test("topics get numbers in order, keep them through a rotation, and end with the table")
  func topics() throws {
    let stage = try Stage()
    let pen = try Pen(stage, capacity: 16384)
    let long = String(repeating: "t", count: 1021)
    #expect(pen.writer.topic("a.b") == 0)
    #expect(pen.writer.topic("a.c") == 1)
    #expect(pen.writer.topic("a.b") == 0)
    #expect(pen.writer.topic(long + "1") == 2)
    #expect(pen.writer.topic(long + "2") == 3)
    #expect(pen.writer.topic(long + "3") == 4)
    #expect(pen.writer.topic(long + "4") == nil)
    #expect(try pen.rotate(stage, capacity: 16384))
    #expect(pen.writer.topic("a.c") == 1)
    #expect(pen.writer.topic("z") == 5)
    let old = unsafe UnsafeRawBufferPointer(start: stage.logs[0].lentBase + 4096, count: 3000)
    let new = unsafe UnsafeRawBufferPointer(start: stage.logs[1].lentBase + 4096, count: 3000)
    #expect(unsafe Array(old) == Array(new))
  }
}
