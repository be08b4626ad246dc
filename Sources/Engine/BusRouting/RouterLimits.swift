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
  public var logBytesMax: UInt64 = 64 << 20
  /// How long a lossless reader may hold its publisher back, in ms.
  public var stallMs: UInt32 = 5000
  /// How long a router that took over waits for the agents of the former one, in ns.
  public var graceNs: UInt64 = 2_000_000_000
  /// Connections altogether.
  public var connections = 4096
  /// Connections of one user.
  public var connectionsPerUser = 2048
  /// Connections of all users to whom the policy gives no name.
  public var connectionsOfStrangers = 64
  /// Living streams of one agent.
  public var streamsPerAgent = 4096
  /// Logs of one stream that are not freed.
  public var logsPerStream = 16
  /// Subscriptions of one agent.
  public var subscriptionsPerAgent = 256
  /// What one agent reads: the cursor slots of a reader segment.
  public var attachmentsPerAgent = 1984
  /// Readings of all agents.
  public var attachments = 131_072
  /// Readings of one stream: each costs its publisher something.
  public var readersPerStream = 2048
  /// Readings of one stream by one agent, through as many of its subscriptions.
  public var readingsPerStreamAndAgent = 64
  /// Places of a reader that a publisher gets in any case, for as long as there are free ones.
  public var attachmentsKeptPerPublisher = 2
  /// Streams without a place at their reader that are kept in mind for it.
  public var missedKeptPerAgent = 256
  /// Living streams of one agent on one channel.
  public var streamsPerChannel = 16
  /// Streams of one agent on a lane of another's inbox, those included that end and are still read.
  public var streamsPerLane = 2
  /// Attachments named in one logAdded, so that the frame stays within its limit.
  public var expectedMax = 1900
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
  public var blobsLeftMax = 1024
  /// For how long a blob is kept when its maker has left, at most, in ms.
  public var blobKeepMsMax: UInt32 = 3_600_000
  /// Segments that the router may have open; the owner of the sockets knows how many.
  public var descriptors = 65536
  /// Subscriptions of all agents.
  public var subscriptions = 65536
  /// Names that are answered or asked for, by all agents.
  public var names = 65536
  /// Blobs of all agents that are not dropped.
  public var blobs = 8192
  /// For how long readers of a stream that has ended hold its logs at its publisher's cost, in ms.
  public var drainMs: UInt32 = 15_000
  /// For how long readers of a stream that has ended hold a log that none of them has room for,
  /// when its publisher lacks the memory, in ms.
  public var unpaidMs: UInt32 = 30_000
  /// For how long a reader of a stream that has ended may stand still before it is evicted, in ms.
  public var standstillMs: UInt32 = 600_000
  /// Bytes of frames that may wait for all agents of one user, the router's own included.
  public var queuedBytesPerUser = 256 << 20
  /// For how long an agent may leave unread what fills its socket, in ms.
  public var unreadMs: UInt32 = 60_000
  /// Descriptors of one user that are no memory files and wait to be closed, and from how many on
  /// no more is taken from its agents.
  public var closingPerUser = 256
  /// Bytes of a category.
  public var categoryBytes = 64

  /// The values of the documentation.
  public init() {}

  /// What all agents of one user may take of something, but for the router's own user: half.
  public func share(of all: UInt64) -> UInt64 { all / 2 }
  /// The same for what is counted.
  public func share(of all: Int) -> Int { all / 2 }

  /// Which of the relations between the limits do not hold; each is needed by the code that it
  /// names.
  public var contradictions: [String] {
    let relations: [(String, Bool)] = [
      ("one agent fits into the arena", agentBytes <= arenaBytes),
      ("the first log of a stream is none that is too large", logBytesFirst <= logBytesMax),
      (
        "who may take no name leaves connections to those who may",
        connectionsOfStrangers <= share(of: connections)
      ),
      ("one user leaves connections to others", connectionsPerUser <= share(of: connections)),
      (
        "an agent's subscriptions are within its user's share",
        subscriptionsPerAgent <= share(of: subscriptions)
      ),
      (
        "an agent's names are within its user's share",
        answersPerAgent + interestsPerAgent <= share(of: names)
      ),
      ("an agent's blobs are within its user's share", blobsPerAgent <= share(of: blobs)),
      (
        "a service can answer as many requesters as can write to it",
        streamsPerAgent >= 2 * attachmentsPerAgent
      ),
      (
        "more than one publisher finds a place at a reader",
        2 * attachmentsKeptPerPublisher <= attachmentsPerAgent
      ),
      (
        "an agent's readings are within its user's share",
        attachmentsPerAgent <= share(of: attachments)
      ),
      (
        "an agent's readings of a stream are within its user's share",
        readingsPerStreamAndAgent <= share(of: readersPerStream)
      ),
      (
        "all who are expected may read a stream",
        expectedMax <= readersPerStream
      ),
      ("expected attachments fit into one frame", expectedMax * 8 + 64 <= 16 * 1024),
      (
        "a publisher can hand in every reader of one stream",
        handedInReadersPerAgent >= expectedMax
      ),
      ("a lane has a living stream and one that ends", streamsPerLane == 2),
      ("readers have longer than a stall to drain a log", drainMs >= stallMs),
      ("who stands still is charged before it is evicted", standstillMs >= drainMs),
      ("a log is taken from nobody who might still be charged", unpaidMs >= drainMs),
    ]
    return relations.filter { !$0.1 }.map(\.0)
  }
}

/// Who the router is and how it was started.
public struct RouterIdentity: Hashable, Sendable {
  /// Its process.
  public var pid: UInt32
  /// Its user, who may ask about everything.
  public var uid: UInt32
  /// The boot clock in ns at its start: every number it makes is larger.
  public var bootNs: UInt64
  /// Whose agents may come back.
  public var former: FormerRouter

  /// Takes what the start found out.
  public init(pid: UInt32, uid: UInt32, bootNs: UInt64, former: FormerRouter) {
    self.pid = pid
    self.uid = uid
    self.bootNs = bootNs
    self.former = former
  }
}

/// The router before this one, by what it left: the key of the tickets that it gave.
public enum FormerRouter: Hashable, Sendable, CaseIterable {
  /// No key was found: whoever says that it comes back cannot prove it.
  case unknown
  /// It ended in order and had no agents: nobody comes back.
  case empty
  /// It ended in order: its agents may come back, and nobody waits before one does.
  case stopped
  /// It was killed: its agents are waited for.
  case killed
}
