import CBusABI

/// The counting words of a row, copied.
public struct CounterCounts: Equatable, Sendable {
  /// Received: messages of the stream before the next to take; in the past: messages that were
  /// accounted for.
  public var sequence: UInt64 = 0
  /// Received: where in the stream the reading began.
  public var start: UInt64 = 0
  /// Sent: the log's own count; received: messages handed over.
  public var messages: UInt64 = 0
  /// Bytes of their payloads.
  public var bytes: UInt64 = 0
  /// Calls that failed.
  public var errors: UInt64 = 0
  /// How often the reader was overtaken.
  public var gapEvents: UInt64 = 0
  /// Messages lost by that.
  public var gapMessages: UInt64 = 0
  /// How often a publisher found its window full.
  public var blocked: UInt64 = 0
  /// Messages not handed over, at the place of their ``DropReason``.
  public var drops = [UInt64](repeating: 0, count: DropReason.allCases.count)

  /// Nothing counted.
  public init() {}

  /// Messages dropped for a reason.
  public func dropped(_ reason: DropReason) -> UInt64 { drops[reason.rawValue] }

  /// Messages dropped for all reasons.
  public var droppedAll: UInt64 { drops.reduce(0, &+) }

  /// Received: messages of the stream that this row answers for.
  public var expected: UInt64 { sequence &- start }

  /// Received: messages it says what became of; equals ``expected`` in an honest agent's row.
  public var accounted: UInt64 { messages &+ gapMessages &+ droppedAll }

  /// Received: whether each message that the row answers for is somewhere, once.
  ///
  /// Nothing wraps, nor do sums of many rows: numbers that are too large to be true do not add up.
  public var addsUp: Bool {
    guard sequence >= start, sequence < 1 << 52 else { return false }
    var sum: UInt64 = 0
    for part in [messages, gapMessages] + drops {
      let (next, overflow) = sum.addingReportingOverflow(part)
      guard !overflow else { return false }
      sum = next
    }
    return sum == expected
  }

  /// Adds the counts of another row, as a row that ends is added to the past.
  public mutating func add(_ other: CounterCounts) {
    sequence &+= other.expected
    messages &+= other.messages
    bytes &+= other.bytes
    errors &+= other.errors
    gapEvents &+= other.gapEvents
    gapMessages &+= other.gapMessages
    blocked &+= other.blocked
    for place in drops.indices { drops[place] &+= other.drops[place] }
  }
}

/// One row of an agent's counters at one moment.
public struct CounterReading: Equatable, Sendable {
  /// Tells rows of one agent apart, also one that took the place of another.
  public struct Key: Hashable, Sendable {
    /// Which part.
    public let part: Int
    /// Which row of the part.
    public let row: Int
    /// How many rows have lain there.
    public let tenancy: UInt32

    /// Takes the place of a row.
    public init(part: Int, row: Int, tenancy: UInt32) {
      self.part = part
      self.row = row
      self.tenancy = tenancy
    }
  }

  /// Where a row is in its life.
  public enum State: UInt32, Sendable {
    /// It counts.
    case live = 1
    /// It has ended and its counts are in the past of its channel.
    case ended = 2
    /// It is the past of a channel: what the ended rows counted.
    case past = 3
  }

  /// Which row it is.
  public let key: Key
  /// Where it is in its life.
  public let state: State
  /// What it counts.
  public let identity: CounterIdentity
  /// What it has counted.
  public let counts: CounterCounts
  /// The one-way times of a channel's readings, live ones included; in rows of the past only.
  public let times: LatencyHistogram?
  /// False when the agent was caught, again and again, in the middle of changing the row.
  public internal(set) var isSettled: Bool

  /// The row of a reading that ended with its agent, which left so many messages unread.
  public func leaving(_ left: UInt64) -> CounterReading {
    var counts = counts
    counts.sequence &+= left
    counts.drops[DropReason.left.rawValue] &+= left
    return CounterReading(
      key: key, state: state, identity: identity, counts: counts, times: times,
      isSettled: isSettled)
  }

  /// Takes what was read.
  public init(
    key: Key, state: State, identity: CounterIdentity, counts: CounterCounts,
    times: LatencyHistogram? = nil, isSettled: Bool = true
  ) {
    self.key = key
    self.state = state
    self.identity = identity
    self.counts = counts
    self.times = times
    self.isSettled = isSettled
  }
}
