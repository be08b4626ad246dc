/// Whose turn it is: who had what a turn gives waits until others of its user have had theirs.
///
///     turns.spend(42, connection, of: user)
///     while turns.isWaiting(connection) { … serve others …; turns.nextRound() }
///
/// Work is counted in actions of the router. A connection that has spent a turn's worth goes to the
/// end of its user's queue, and goes on once its work is paid for. Each round pays the same for
/// each user with somebody in the queue, so that neither a frame that is cheap to send nor two
/// thousand connections of one user keep those waiting that ask for little.
public struct TurnAccounts: Sendable {
  /// What a connection may spend before it waits.
  public static let workPerTurn = 256
  /// What each round pays for the connections of one user that wait.
  public static let workPerRound = 512

  private struct Account {
    var owed = 0
    var isWaiting = false
  }

  private var accounts: [ConnectionID: Account] = [:]
  private var queues: [UInt32: [ConnectionID]] = [:]

  /// Nobody has spent anything.
  public init() {}

  /// Whether somebody waits, so that rounds are to go on.
  public var isAnybodyWaiting: Bool { !queues.isEmpty }

  /// Whether this connection has spent its turn.
  public func isWaiting(_ connection: ConnectionID) -> Bool {
    accounts[connection]?.isWaiting ?? false
  }

  /// Notes the work that a connection has caused.
  public mutating func spend(_ work: Int, _ connection: ConnectionID, of user: UInt32) {
    guard work > 0 else { return }
    var account = accounts[connection] ?? Account()
    account.owed += work
    if account.owed >= Self.workPerTurn, !account.isWaiting {
      account.isWaiting = true
      queues[user, default: []].append(connection)
    }
    accounts[connection] = account
  }

  /// Everybody had the chance of a turn: pays for those who wait, the first ones first.
  public mutating func nextRound() {
    for (user, queue) in queues {
      var left = Self.workPerRound
      var rest = queue[...]
      while left > 0, let connection = rest.first {
        let owed = accounts[connection]?.owed ?? 0
        accounts[connection]?.owed -= min(left, owed)
        if owed > left { break }
        left -= owed
        accounts[connection] = nil
        rest.removeFirst()
      }
      queues[user] = rest.isEmpty ? nil : Array(rest)
    }
  }

  /// The connection has ended; what it owes its user's others still wait for, or whoever connects
  /// anew each time would owe nothing.
  public mutating func end(_ connection: ConnectionID) {
    if accounts[connection]?.isWaiting == false { accounts[connection] = nil }
  }
}
