import CBusABI

/// Which way the messages of a row went.
public enum CounterDirection: UInt8, Sendable, CaseIterable {
  /// Published by the agent.
  case sent = 1
  /// Read by the agent.
  case received = 2
}

/// What kind of log the messages of a row lie in.
public enum CounterKind: UInt8, Sendable, CaseIterable {
  /// One publisher's log on a channel.
  case topic = 1
  /// The log from one agent to one other.
  case pair = 2
}

/// Which lane of its log a row counts.
public enum CounterLane: UInt8, Sendable, CaseIterable {
  /// The only lane of a topic log, and the wide one of a pair log.
  case normal = 0
  /// The lane that is read first.
  case urgent = 1
}

/// How a reading treats a faster publisher, as a row says it.
public enum CounterMode: UInt8, Sendable, CaseIterable {
  /// No reading: a row of what was sent.
  case none = 0
  /// The publisher waits.
  case lossless = 1
  /// What is overwritten is lost and counted.
  case lossy = 2
  /// Only the newest message of each topic counts.
  case latest = 3
}

/// What a row counts.
///
/// The past of a channel is kept for each set of `direction`, `kind`, `lane`, `mode` and `channel`.
public struct CounterIdentity: Hashable, Sendable {
  /// Which way the messages went.
  public var direction: CounterDirection
  /// The kind of log.
  public var kind: CounterKind
  /// The lane of the log.
  public var lane: CounterLane
  /// How a reading treats a faster publisher.
  public var mode: CounterMode
  /// The channel of the stream; for a pair log the name of the inbox.
  public var channel: String
  /// The agent at the other end; empty when there is no single one.
  public var peer: String
  /// That agent's incarnation; 0 when there is no single one.
  public var peerIncarnation: UInt64
  /// The router's name for the stream; 0 while it is not known.
  public var stream: UInt64
  /// The router's name for the reading; 0 in a row of what was sent.
  public var attachment: UInt64

  /// What one agent publishes on a channel, or sends to one other.
  public static func sent(
    _ channel: String, kind: CounterKind = .topic, lane: CounterLane = .normal,
    to peer: String = "",
    peerIncarnation: UInt64 = 0, stream: UInt64 = 0
  ) -> CounterIdentity {
    CounterIdentity(
      direction: .sent, kind: kind, lane: lane, mode: .none, channel: channel, peer: peer,
      peerIncarnation: peerIncarnation, stream: stream, attachment: 0)
  }

  /// What one agent reads of one publisher's stream.
  public static func received(
    _ channel: String, kind: CounterKind = .topic, lane: CounterLane = .normal,
    mode: CounterMode, from peer: String, peerIncarnation: UInt64, stream: UInt64,
    attachment: UInt64
  ) -> CounterIdentity {
    CounterIdentity(
      direction: .received, kind: kind, lane: lane, mode: mode, channel: channel, peer: peer,
      peerIncarnation: peerIncarnation, stream: stream, attachment: attachment)
  }

  /// The part of it by which the past is kept.
  var past: CounterIdentity {
    CounterIdentity(
      direction: direction, kind: kind, lane: lane, mode: mode, channel: channel, peer: "",
      peerIncarnation: 0, stream: 0, attachment: 0)
  }

  /// Most bytes of a channel's name in a row.
  static let channelBytesMax = 128
  /// Most bytes of a peer's name in a row.
  static let peerBytesMax = 80
}

/// Why a message was not handed over; see `BUS_DROP_*`.
public enum DropReason: Int, Sendable, CaseIterable {
  /// The reader was evicted before it took the message.
  case evicted = 0
  /// The reader left before it took the message.
  case left = 1
  /// The log could not be read on.
  case corrupt = 2
  /// The message claimed another source than the log's owner.
  case forged = 3
  /// A newer message of its topic came, and the reader wants the newest only.
  case superseded = 4
  /// The message is of the channel, but the reader's pattern does not want it.
  case filtered = 5
  /// Its deadline had passed.
  case expired = 6
  /// There was no right to it.
  case denied = 7
  /// The agent it was for is gone.
  case peerGone = 8
  /// The sender was over its rate.
  case rateLimited = 9
  /// The window stayed full.
  case queueFull = 10
  /// A response to a request that does not wait, or not for this peer.
  case unknownCorrelation = 11
  /// The agent it was for does not answer that name.
  case unknownName = 12
  /// Its extension breaks the format, or it is of a kind that does not belong there.
  case malformed = 13
  /// It was passed on too often.
  case tooManyHops = 14
  /// A request that was taken back before it was started.
  case cancelled = 15

  /// The stable name, as in JSON and in metrics.
  public var name: String {
    switch self {
    case .evicted: "evicted"
    case .left: "left"
    case .corrupt: "corrupt"
    case .forged: "forged"
    case .superseded: "superseded"
    case .filtered: "filtered"
    case .expired: "expired"
    case .denied: "denied"
    case .peerGone: "peer_gone"
    case .rateLimited: "rate_limited"
    case .queueFull: "queue_full"
    case .unknownCorrelation: "unknown_correlation"
    case .unknownName: "unknown_name"
    case .malformed: "malformed"
    case .tooManyHops: "too_many_hops"
    case .cancelled: "cancelled"
    }
  }

  /// Whether the message was no loss: the reader asked for less than everything, or the sender took
  /// it back.
  public var isWanted: Bool {
    self == .filtered || self == .superseded || self == .cancelled
  }
}
