/// What one agent counts, at one moment.
public struct AgentCounters: Equatable, Sendable {
  /// The agent's name.
  public var name: String
  /// Its category; may be empty.
  public var category: String
  /// Its process.
  public var pid: UInt32
  /// Its user.
  public var uid: UInt32
  /// Which life of the agent it is.
  public var incarnation: UInt64
  /// Whether it has ended: its counts are the last it left.
  public var hasEnded: Bool
  /// Why its counters cannot be read; nil when they can.
  public var fault: String?
  /// Its rows.
  public var rows: [CounterReading]

  /// Takes what was seen of an agent.
  public init(
    name: String, category: String = "", pid: UInt32 = 0, uid: UInt32 = 0, incarnation: UInt64,
    hasEnded: Bool = false, fault: String? = nil, rows: [CounterReading] = []
  ) {
    self.name = name
    self.category = category
    self.pid = pid
    self.uid = uid
    self.incarnation = incarnation
    self.hasEnded = hasEnded
    self.fault = fault
    self.rows = rows
  }
}
