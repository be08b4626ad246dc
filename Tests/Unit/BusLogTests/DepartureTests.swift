import BusLog
import CBusABI
import CBusPlatform
import Testing

@Suite("Who has left a publisher's window")
struct DepartureTests {
  @Test("only as many names are kept as a log holds, however many leave")
  func bounded() {
    var departures = Departures()
    for attachment in UInt64(1)...100_000 { departures.add(attachment) }
    #expect(departures.count == 100_000)
    let kept = (0..<departures.count).compactMap { departures.name($0) }
    #expect(kept == Array(99_993...100_000), "the last ones, in the order of their going")
    var few = Departures()
    for attachment in UInt64(1)...3 { few.add(attachment) }
    #expect((0..<3).map { few.name($0) } == [1, 2, 3])
  }

  @Test(
    "a reader among many that left while nothing was written is evicted", arguments: [0, 7, 8, 20])
  func amongMany(later: Int) throws {
    let stage = try Stage()
    let pen = try Pen(stage, capacity: 16384)
    // Both sides count the departures before it, though the log does not say them yet.
    for attachment in UInt64(100)..<104 {
      let (_, slot) = try stage.join(attachment, lossless: true)
      stage.gate.leave(attachment)
      stage.segment.give(back: slot)
    }
    let reader = try Subject(stage, .lossless, attachment: 1)
    #expect(stage.gate.leave(1), "the router says so, and the reader has not heard of it yet")
    for attachment in UInt64(200)..<200 + UInt64(later) {
      let (_, slot) = try stage.join(attachment, lossless: true)
      stage.gate.leave(attachment)
      stage.segment.give(back: slot)
    }
    // Nobody holds the publisher back: it goes once around.
    for number in UInt64(0)..<4 { #expect(pen.send(number, count: 960)) }
    let read = reader.drain()
    #expect(read == Array(0..<UInt64(read.count)))
    for number in UInt64(4)..<40 { #expect(pen.send(number, count: 960)) }
    #expect(reader.drain() == [])
    #expect(reader.state == .evicted)
  }

  @Test("a reader that finds as many departures as the list holds trusts no name of it")
  func fullList() throws {
    let identity = try Stage.identity(capacity: 16384)
    let forged = try ForgedLog(identity: identity, records: [Stage.agent, Stage.agent])
    let segment = try ReaderSegment(agent: Stage.agent, incarnation: 7)
    let slot = try #require(segment.takeSlot())
    slot.open(attachment: 1)
    let start = FlowControl.Start(generation: 0, position: 0, sequence: 0)
    let reader = Subject(
      try LogReader(try forged.peer(), mode: .lossless, start: start, slot: slot))
    // Its own name stood in the place that is written over by the next, which counts only then.
    for place in 0..<Int(BUS_HOT_DEPARTED_ENTRIES) {
      forged.store(900, at: forged.hot + Int(BUS_HOT_DEPARTED_LIST) + place * 8)
    }
    forged.store(UInt64(BUS_HOT_DEPARTED_ENTRIES), at: forged.hot + Int(BUS_HOT_DEPARTED))
    #expect(reader.poll(limit: 1) { _ in } == 1)
    forged.store(1 << 20, at: forged.hot + Int(BUS_HOT_RESERVE))
    _ = reader.drain()
    #expect(reader.state == .evicted)
  }
}
