/// How much agents may ask of the router, so that a hostile one cannot fill its memory.
///
/// The largest snapshot of one agent has `attachmentsPerAgent` × `logsPerStream` announces, all
/// bounded here; a connection's queue is bounded by the owner of the socket.
public struct RouterLimits: Hashable, Sendable {
  /// Shared memory of all agents together, in bytes.
  public var arenaBytes: UInt64 = 1 << 30
  /// Shared memory of one agent in bytes, where the policy states no quota.
  public var agentBytes: UInt64 = 256 << 20
  /// Ring bytes of the first log of a stream.
  public var logBytesFirst: UInt64 = 64 << 10
  /// Ring bytes a log may grow to, where the policy states nothing for the channel.
  ///
  /// The largest payload, 16 MiB, needs a ring of four times its size.
  public var logBytesMost: UInt64 = 64 << 20
  /// How long a lossless reader may hold its publisher back, in ms.
  public var stallMs: UInt32 = 5000
  /// How long a router that took over waits for the agents of the former one, in ns.
  public var graceNs: UInt64 = 2_000_000_000
  /// Connections altogether.
  public var connections = 4096
  /// Connections of one user.
  public var connectionsPerUser = 2048
  /// Living streams of one agent.
  public var streamsPerAgent = 4096
  /// Logs of one stream that are not freed.
  public var logsPerStream = 16
  /// Subscriptions of one agent.
  public var subscriptionsPerAgent = 256
  /// What one agent reads: the cursor slots of a reader segment.
  public var attachmentsPerAgent = 1984
  /// Places of a reader that a publisher gets in any case, for as long as there are free ones.
  public var attachmentsKeptPerPublisher = 2
  /// Streams without a place at their reader that are kept in mind for it.
  public var missedKeptPerAgent = 64
  /// Living streams of one agent on one channel.
  public var streamsPerChannel = 16
  /// Streams of one agent on a lane of another's inbox, those included that end and are still read.
  public var streamsPerLane = 2
  /// Attachments named in one logAdded, so that the frame stays within its limit.
  public var expectedMost = 1900
  /// Readers that a returning publisher may name.
  public var handedInReadersPerAgent = 8192
  /// Names that one agent may answer.
  public var answersPerAgent = 256
  /// Names whose responders one agent may want to know.
  public var interestsPerAgent = 1024
  /// Segments of counters of one agent.
  public var countersPerAgent = 5
  /// Blobs of one agent that are not dropped.
  public var blobsPerAgent = 1024
  /// Blobs of agents that have left, altogether.
  public var blobsLeftMost = 1024
  /// For how long a blob is kept when its maker has left, at most, in ms.
  public var blobKeepMsMost: UInt32 = 3_600_000
  /// Bytes of a category.
  public var categoryBytes = 64

  /// The values of the documentation.
  public init() {}
}

/// Who the router is and how it was started.
public struct RouterIdentity: Hashable, Sendable {
  /// Its process.
  public var pid: UInt32
  /// Its user, who may ask about everything.
  public var uid: UInt32
  /// The boot clock in ns at its start: every number it makes is larger.
  public var bootNs: UInt64
  /// Whether agents of a former router may come back.
  public var tookOver: Bool

  /// Takes what the start found out.
  public init(pid: UInt32, uid: UInt32, bootNs: UInt64, tookOver: Bool) {
    self.pid = pid
    self.uid = uid
    self.bootNs = bootNs
    self.tookOver = tookOver
  }
}
