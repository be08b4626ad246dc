import DequeModule

/// Whose turn it is: a user whose connections have caused much work waits until others had theirs.
///
///     while turns.mayGo(connection, of: user) { turns.spend(42, connection, of: user) }
///     … serve others …
///     turns.nextRound(wasComplete: true)
///
/// Work is counted in units of about one action of the router. In each round a connection may cause
/// ``workPerTurn``, and those of one user together ``workPerRound``. Whoever comes when that is
/// spent stands in the user's queue; when what the user owes is paid, which each round does with as
/// much, those in the queue go on in their order, a few in a round. So neither a frame that is
/// cheap to send nor two thousand connections of one user keep those waiting who ask for little.
public struct TurnAccounts: Sendable {
  /// What the connections of one user may spend in a round, and what a round pays.
  public static let workPerRound = 512
  /// What a connection may spend in a round, and what one that goes on is reckoned to.
  public static let workPerTurn = 256

  private struct Account {
    var owed = 0
    var queue: Deque<ConnectionID> = []
  }

  private var accounts: [UInt32: Account] = [:]
  private var waiting: Set<ConnectionID> = []
  /// Those who have waited and have not had their turn since.
  private var called: Set<ConnectionID> = []
  private var spentInRound: [ConnectionID: Int] = [:]
  /// Those who have had a turn: while others of their user wait they go behind them.
  private var served: Set<ConnectionID> = []

  /// Nobody has spent anything.
  public init() {}

  /// Whether somebody waits, so that rounds are to go on.
  public var isAnybodyWaiting: Bool { !waiting.isEmpty }

  /// Whether this connection stands in its user's queue.
  public func isWaiting(_ connection: ConnectionID) -> Bool { waiting.contains(connection) }

  /// Whether a connection that has something to do may do it now; otherwise it is in the queue.
  public mutating func mayGo(_ connection: ConnectionID, of user: UInt32) -> Bool {
    guard !waiting.contains(connection) else { return false }
    guard let account = accounts[user] else { return true }
    let hasSpent = spentInRound[connection] ?? 0 >= Self.workPerTurn
    if !hasSpent {
      guard !called.contains(connection) else { return true }
      let isBehind = served.contains(connection) && !account.queue.isEmpty
      guard isBehind || account.owed >= Self.workPerRound else { return true }
    }
    waiting.insert(connection)
    accounts[user]?.queue.append(connection)
    return false
  }

  /// Notes the work that a connection has caused.
  public mutating func spend(_ work: Int, _ connection: ConnectionID, of user: UInt32) {
    spend(work, of: user)
    let spent = (spentInRound[connection] ?? 0) + work
    spentInRound[connection] = spent
    if spent >= Self.workPerTurn {
      called.remove(connection)
      served.insert(connection)
    }
  }

  /// Notes work of a user's connection that is no more.
  public mutating func spend(_ work: Int, of user: UInt32) {
    guard work > 0 else { return }
    accounts[user, default: Account()].owed += work
  }

  /// Everybody had the chance of a turn: pays for each user, and calls the first of its queue.
  ///
  /// `wasComplete`: every connection with something to do was told of in this round. A call lapses
  /// then that was not used: turns are not saved up.
  public mutating func nextRound(wasComplete: Bool) {
    // Whoever was called and has done something has had its turn, however small.
    if wasComplete { called = [] } else { called.subtract(spentInRound.keys) }
    spentInRound = [:]
    for user in Array(accounts.keys) { pay(user) }
    if accounts.isEmpty { served = [] }
  }

  private mutating func pay(_ user: UInt32) {
    // Taken out, so that its queue is changed in place.
    guard var account = accounts.removeValue(forKey: user) else { return }
    account.owed = max(0, account.owed - Self.workPerRound)
    var room = Self.workPerRound - account.owed
    while room > 0, let connection = account.queue.popFirst() {
      // One that has ended meanwhile is passed over.
      guard waiting.remove(connection) != nil else { continue }
      called.insert(connection)
      served.remove(connection)
      room -= Self.workPerTurn
    }
    if account.owed > 0 || !account.queue.isEmpty { accounts[user] = account }
  }

  /// The connection has ended; what it has spent its user owes all the same, or whoever connects
  /// anew each time would owe nothing.
  public mutating func end(_ connection: ConnectionID) {
    waiting.remove(connection)
    called.remove(connection)
    spentInRound[connection] = nil
    served.remove(connection)
  }
}
