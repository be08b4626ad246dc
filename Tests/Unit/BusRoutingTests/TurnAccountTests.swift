import BusRouting
import Testing

@Suite("Whose turn it is")
struct TurnAccountTests {
  private static let (user, other) = (1000 as UInt32, 2000 as UInt32)
  private static let turn = TurnAccounts.workPerTurn
  private static let round = TurnAccounts.workPerRound

  /// Those of these connections that may go now, each in its order.
  private static func going(
    _ turns: inout TurnAccounts, _ numbers: ClosedRange<UInt64>, of user: UInt32 = user
  ) -> [UInt64] {
    numbers.filter { turns.mayGo(ConnectionID($0), of: user) }
  }

  @Test("while a user's connections spend little none of them waits")
  func spending() {
    var turns = TurnAccounts()
    for number in 1...100 as ClosedRange<UInt64> {
      #expect(Self.going(&turns, number...number) == [number])
      turns.spend(Self.round / 100, ConnectionID(number), of: Self.user)
    }
    #expect(!turns.isAnybodyWaiting)
    turns.nextRound(wasComplete: true)
    #expect(Self.going(&turns, 1...100).count == 100)
  }

  @Test("who had much waits, and with it all others of its user, until it is paid; nobody else")
  func paying() {
    var turns = TurnAccounts()
    #expect(Self.going(&turns, 1...1) == [1])
    turns.spend(5 * Self.round, ConnectionID(1), of: Self.user)
    for round in 1...5 {
      #expect(Self.going(&turns, 1...2).isEmpty, "round \(round)")
      #expect(Self.going(&turns, 9...9, of: Self.other) == [9], "round \(round)")
      #expect(turns.isAnybodyWaiting)
      turns.nextRound(wasComplete: true)
    }
    #expect(Self.going(&turns, 1...2) == [1, 2] && !turns.isAnybodyWaiting)
  }

  @Test("a thousand connections of one user that come at once go on in their order, a few a round")
  func users() {
    var turns = TurnAccounts()
    var order: [UInt64] = []
    for _ in 0..<700 {
      // All of them have something to do all the time, each time something dear.
      for number in Self.going(&turns, 1...1000) where turns.mayGo(ConnectionID(number), of: 1000) {
        order.append(number)
        turns.spend(Self.round, ConnectionID(number), of: Self.user)
      }
      #expect(Self.going(&turns, 5000...5000, of: Self.other) == [5000])
      turns.nextRound(wasComplete: true)
    }
    #expect(order.count >= 650 && order == order.sorted() && Set(order).count == order.count)
  }

  @Test("who ends has not paid: the others of its user wait for it as if it were there")
  func ending() {
    var turns = TurnAccounts()
    turns.spend(3 * Self.round, ConnectionID(1), of: Self.user)
    #expect(Self.going(&turns, 2...3).isEmpty)
    turns.end(ConnectionID(1))
    turns.end(ConnectionID(2))
    for _ in 0..<3 {
      #expect(Self.going(&turns, 3...3).isEmpty)
      turns.nextRound(wasComplete: true)
    }
    #expect(Self.going(&turns, 3...3) == [3] && !turns.isAnybodyWaiting)
  }

  @Test("who was called and did little has had its turn all the same")
  func littleTurns() {
    var turns = TurnAccounts()
    turns.spend(2 * Self.round, ConnectionID(5000), of: Self.user)
    #expect(Self.going(&turns, 1...400).isEmpty)
    for _ in 0..<400 {
      turns.nextRound(wasComplete: true)
      for number in Self.going(&turns, 1...400) { turns.spend(1, ConnectionID(number), of: 1000) }
    }
    // All of them want much now: together they get no more than one would.
    var work = 0
    for _ in 0..<50 {
      for number in Self.going(&turns, 1...400) where turns.mayGo(ConnectionID(number), of: 1000) {
        turns.spend(250, ConnectionID(number), of: Self.user)
        work += 250
      }
      turns.nextRound(wasComplete: true)
    }
    #expect(work <= 51 * (Self.round + 3 * 250), "\(work)")
  }

  @Test("who is called and does nothing has had its turn: none are saved up")
  func unused() {
    var turns = TurnAccounts()
    turns.spend(2 * Self.round, ConnectionID(5000), of: Self.user)
    #expect(Self.going(&turns, 1...400).isEmpty)
    for _ in 0..<400 { turns.nextRound(wasComplete: true) }
    turns.spend(2 * Self.round, ConnectionID(5000), of: Self.user)
    #expect(Self.going(&turns, 1...400).isEmpty)
  }

  @Test("who is called in a round that did not come to all is called until one has")
  func incomplete() {
    var turns = TurnAccounts()
    turns.spend(2 * Self.round, ConnectionID(5000), of: Self.user)
    #expect(Self.going(&turns, 1...2).isEmpty)
    for _ in 0..<3 { turns.nextRound(wasComplete: false) }
    turns.spend(2 * Self.round, ConnectionID(5000), of: Self.user)
    #expect(Self.going(&turns, 1...3) == [1, 2])
  }
}
