import BinaryComm
import BusTestSupport
import BusWire
import Testing

@Suite("The limiter of conversations")
struct ConversationLimiterTests {
  private let second: UInt64 = 1_000_000_000

  /// What becomes of a message: nil when it passes.
  private func pass(
    _ limiter: inout ConversationLimiter, _ conversation: BusUUID?, hops: UInt8 = 0,
    at nowNs: UInt64
  ) -> BusErrorCode? {
    do throws(BusError) {
      try limiter.pass(MessageContext(hops: hops, conversation: conversation), nowNs: nowNs)
      return nil
    } catch {
      return error.code
    }
  }

  @Test("a burst passes, then what time gives back; one that ran empty stays shut until reset")
  func bucket() {
    var limiter = ConversationLimiter(limit: ConversationLimit(messagesPerSecond: 10, burst: 3))
    let (loop, other) = (BusUUID.random(), BusUUID.random())
    let burst = (0..<3).map { _ in pass(&limiter, loop, at: second) }
    #expect(burst == [nil, nil, nil])
    // A tenth of a second gives one back, and no more than the burst is ever there.
    let later = [second + second / 10, second * 100].map { pass(&limiter, loop, at: $0) }
    let more = (0..<3).map { _ in pass(&limiter, loop, at: second * 100) }
    #expect(later == [nil, nil] && more == [nil, nil, .rateLimited])
    let afterAnHour = pass(&limiter, loop, at: second * 3600)
    #expect(afterAnHour == .rateLimited)
    #expect(limiter.tripped.map { [$0.sent, $0.refused] } == [[7, 2]])
    let beside = pass(&limiter, other, at: second * 100)
    let without = (0..<99).map { _ in pass(&limiter, nil, at: second) }
    #expect(beside == nil && !without.contains { $0 != nil })
    let resets = [limiter.reset(loop), limiter.reset(loop), limiter.reset(other)]
    let again = pass(&limiter, loop, at: second * 3600)
    #expect(resets == [true, false, false] && again == nil && limiter.tripped.isEmpty)
  }

  @Test("a clock that stands still or goes back gives nothing")
  func clock() {
    var limiter = ConversationLimiter(limit: ConversationLimit(messagesPerSecond: 1000, burst: 2))
    let loop = BusUUID.random()
    let found = [second, second / 2, 0].map { pass(&limiter, loop, at: $0) }
    #expect(found == [nil, nil, .rateLimited])
  }

  @Test("work that was passed on too often is refused, in or out of a conversation")
  func hops() {
    var limiter = ConversationLimiter(limit: ConversationLimit())
    let most = UInt8(WireLimit.hopsMax)
    let found = [nil, BusUUID.random()].flatMap { id in
      [most, most + 1].map { hops in pass(&limiter, id, hops: hops, at: second) }
    }
    #expect(found == [nil, .tooManyHops, nil, .tooManyHops])
  }

  @Test("conversations that rest are forgotten, those that were stopped are not")
  func forgets() {
    var limiter = ConversationLimiter(limit: ConversationLimit(messagesPerSecond: 1, burst: 1))
    let loop = BusUUID.random()
    let stopped = (0..<2).map { _ in pass(&limiter, loop, at: second) }
    #expect(stopped == [nil, .rateLimited])
    for number in 0..<UInt64(3 * ConversationLimiter.bucketsMax) {
      _ = pass(&limiter, BusUUID.random(), at: second * (2 + number / 1000))
    }
    #expect(limiter.count <= ConversationLimiter.bucketsMax + 1)
    #expect(limiter.tripped.map(\.conversation) == [loop])
  }
}
