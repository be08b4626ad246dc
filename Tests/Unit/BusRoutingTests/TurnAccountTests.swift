import BusRouting
import Testing

@Suite("Whose turn it is")
struct TurnAccountTests {
  private static let (user, other) = (1000 as UInt32, 2000 as UInt32)
  private static let turn = TurnAccounts.workPerTurn

  @Test("who spends little never waits; who has had a turn waits for the next round")
  func spending() {
    var turns = TurnAccounts()
    let (small, large) = (ConnectionID(1), ConnectionID(2))
    turns.spend(Self.turn - 1, small, of: Self.user)
    turns.spend(Self.turn, large, of: Self.user)
    #expect(!turns.isWaiting(small) && turns.isWaiting(large) && turns.isAnybodyWaiting)
    turns.nextRound()
    #expect(!turns.isWaiting(large) && !turns.isAnybodyWaiting)
    // What was paid for is forgotten.
    turns.spend(1, large, of: Self.user)
    #expect(!turns.isWaiting(large))
  }

  @Test("what costs many turns waits for as many rounds, and those behind it in the queue with it")
  func paying() {
    var turns = TurnAccounts()
    let (greedy, next) = (ConnectionID(1), ConnectionID(2))
    turns.spend(5 * TurnAccounts.workPerRound, greedy, of: Self.user)
    turns.spend(Self.turn, next, of: Self.user)
    for round in 1...5 {
      #expect(turns.isWaiting(greedy), "round \(round)")
      turns.nextRound()
    }
    #expect(!turns.isWaiting(greedy) && turns.isWaiting(next))
    turns.nextRound()
    #expect(!turns.isAnybodyWaiting)
  }

  @Test("a thousand connections of one user get what one gets, in their order; another's as much")
  func users() {
    var turns = TurnAccounts()
    for number in 1...1000 as ClosedRange<UInt64> {
      turns.spend(Self.turn, ConnectionID(number), of: Self.user)
    }
    let elsewhere = ConnectionID(5000)
    turns.spend(Self.turn, elsewhere, of: Self.other)
    let perRound = UInt64(TurnAccounts.workPerRound / Self.turn)
    for round in 1...3 as ClosedRange<UInt64> {
      turns.nextRound()
      for number in 1...1000 as ClosedRange<UInt64> {
        #expect(turns.isWaiting(ConnectionID(number)) == (number > round * perRound))
      }
      #expect(!turns.isWaiting(elsewhere))
    }
  }

  @Test("who ends has not paid: the others of its user wait for it as if it were there")
  func ending() {
    var turns = TurnAccounts()
    let (ended, harmless, next) = (ConnectionID(1), ConnectionID(2), ConnectionID(3))
    turns.spend(3 * TurnAccounts.workPerRound, ended, of: Self.user)
    turns.spend(1, harmless, of: Self.user)
    turns.spend(Self.turn, next, of: Self.user)
    turns.end(ended)
    turns.end(harmless)
    for _ in 0..<3 {
      #expect(turns.isWaiting(next))
      turns.nextRound()
    }
    turns.nextRound()
    #expect(!turns.isAnybodyWaiting && !turns.isWaiting(next) && !turns.isWaiting(ended))
  }
}
