import BinaryComm
import BusTestSupport
import BusWire
import Testing

@Suite("Lost hand-overs")
struct LostHandOverTests {
  private static func key(_ stream: UInt64, _ subscription: UInt32 = 1) -> LostHandOvers.Key {
    LostHandOvers.Key(subscription: subscription, stream: StreamID(stream))
  }

  @Test("each is told once, asked for after longer and longer pauses, and not for ever")
  func tries() {
    var lost = LostHandOvers()
    var nowNs: UInt64 = 5_000_000_000
    let isNews = lost.lost(Self.key(1), nowNs: nowNs)
    #expect(isNews)
    var pauses: [UInt64] = []
    while let dueNs = lost.dueNs {
      let tooEarly = lost.drainDue(nowNs: dueNs - 1)
      #expect(tooEarly.isEmpty)
      pauses.append(dueNs - nowNs)
      nowNs = dueNs
      let due = lost.drainDue(nowNs: nowNs)
      #expect(due == [Self.key(1)])
      // Lost again while it is asked for: that is known.
      if !lost.isEmpty {
        let isNewsAgain = lost.lost(Self.key(1), nowNs: nowNs)
        #expect(!isNewsAgain)
      }
    }
    #expect(pauses.count == LostHandOvers.triesMax)
    #expect(pauses == pauses.sorted() && pauses.first == 100_000_000)
    #expect(pauses.last == 30_000_000_000)
    let isNewsLater = lost.lost(Self.key(1), nowNs: nowNs)
    #expect(isNewsLater, "what was given up and is lost again is news")
  }

  @Test("what arrived, and what nobody reads any more, is not asked for")
  func settled() {
    var lost = LostHandOvers()
    for (stream, subscription) in [(1, 1), (2, 1), (1, 2), (3, 2)] as [(UInt64, UInt32)] {
      let isNews = lost.lost(Self.key(stream, subscription), nowNs: 0)
      #expect(isNews)
    }
    lost.settle(Self.key(1))
    lost.forget(subscription: 2)
    let due = lost.drainDue(nowNs: .max)
    #expect(due == [Self.key(2)])
  }

  @Test("while there is no descriptor nothing is asked for, and no try is spent")
  func postponed() {
    var lost = LostHandOvers()
    _ = lost.lost(Self.key(1), nowNs: 0)
    for second in 1...1000 as ClosedRange<UInt64> {
      lost.postpone(nowNs: second * 1_000_000_000)
      #expect(lost.dueNs == (second + 1) * 1_000_000_000)
    }
    var tries = 0
    while let dueNs = lost.dueNs { tries += lost.drainDue(nowNs: dueNs).count }
    #expect(tries == LostHandOvers.triesMax)
  }

  @Test("of very many lost ones all are told, and some are asked for")
  func bound() {
    var lost = LostHandOvers()
    for stream in 0..<UInt64(LostHandOvers.keptMax + 100) {
      let isNews = lost.lost(Self.key(stream), nowNs: 0)
      #expect(isNews)
    }
    let due = lost.drainDue(nowNs: .max)
    #expect(due.count == LostHandOvers.keptMax)
  }
}
