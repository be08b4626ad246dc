public import BusCounters

/// What one agent did on one channel, one way: the unit of every listing.
public struct ChannelTraffic: Equatable, Sendable {
  /// Tells one from another, from look to look.
  public struct Key: Hashable, Sendable {
    /// Which life of which agent.
    public var incarnation: UInt64
    /// Which way.
    public var direction: CounterDirection
    /// Which kind of log.
    public var kind: CounterKind
    /// Which lane of it.
    public var lane: CounterLane
    /// How it reads.
    public var mode: CounterMode
    /// Which channel.
    public var channel: String

    init(_ incarnation: UInt64, _ identity: CounterIdentity) {
      self.incarnation = incarnation
      direction = identity.direction
      kind = identity.kind
      lane = identity.lane
      mode = identity.mode
      channel = identity.channel
    }
  }

  /// Which it is.
  public var key: Key
  /// The agent's name.
  public var agent: String
  /// The agent's category.
  public var category: String
  /// Whether the agent has ended.
  public var hasEnded: Bool
  /// How many streams it publishes or reads there now.
  public var streams: Int
  /// What was counted since the agent began.
  public var counts: CounterCounts
  /// Messages that wait: received: for this agent; sent: for the slowest of its readers.
  ///
  /// Nil when it is not known, because the other side cannot be watched.
  public var depth: UInt64?
  /// One-way times since the agent began; empty for what was sent.
  public var times: LatencyHistogram
  /// What was counted since the look before; nil at the first look.
  public var recent: Recent?

  /// What was counted between two looks.
  public struct Recent: Equatable, Sendable {
    /// Messages a second.
    public var messagesPerSecond: Double
    /// Bytes a second.
    public var bytesPerSecond: Double
    /// One-way times.
    public var times: LatencyHistogram
  }

  /// Messages that were lost to a reader against its will.
  public var lost: UInt64 {
    let drops = DropReason.allCases.filter { !$0.isWanted && $0 != .left }
    return counts.gapMessages &+ drops.reduce(0) { $0 &+ counts.dropped($1) }
  }

  /// Messages a second since the look before.
  public var rate: Double { recent?.messagesPerSecond ?? 0 }

  /// A percentile of the times since the look before, else since the agent began; nil: none yet.
  public func percentile(_ share: Double) -> UInt64? {
    recent?.times.percentile(share) ?? times.percentile(share)
  }
}
