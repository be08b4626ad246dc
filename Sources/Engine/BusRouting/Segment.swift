public import BusPorts
public import BusWire

/// The identity of a log, from the router's own copy of its first bytes.
public struct LogShape: Hashable, Sendable {
  /// Size of the memfd in bytes, fully allocated.
  public var segmentBytes: UInt64
  /// Ring bytes, a power of two within the segment.
  public var capacity: UInt64
  /// The publisher that the log names.
  public var agent: BusUUID
  /// Its incarnation.
  public var incarnation: Incarnation
  /// Stream position of the log's first byte.
  public var basePosition: UInt64
  /// Messages committed before this log.
  public var baseSequence: UInt64
  /// Which log of its stream it is.
  public var generation: UInt32
  /// Where its hot block lies.
  public var hotOffset: Int
  /// The channel that the log names.
  public var channel: String

  /// Takes the checked values.
  public init(
    segmentBytes: UInt64, capacity: UInt64, agent: BusUUID, incarnation: Incarnation,
    basePosition: UInt64, baseSequence: UInt64, generation: UInt32, hotOffset: Int, channel: String
  ) {
    self.segmentBytes = segmentBytes
    self.capacity = capacity
    self.agent = agent
    self.incarnation = incarnation
    self.basePosition = basePosition
    self.baseSequence = baseSequence
    self.generation = generation
    self.hotOffset = hotOffset
    self.channel = channel
  }
}

/// The identity of a reader segment, from the router's own copy of its first bytes.
public struct ReaderShape: Hashable, Sendable {
  /// Size of the memfd in bytes, fully allocated.
  public var segmentBytes: UInt64
  /// The agent that the segment names.
  public var agent: BusUUID
  /// Its incarnation.
  public var incarnation: Incarnation

  /// Takes the checked values.
  public init(segmentBytes: UInt64, agent: BusUUID, incarnation: Incarnation) {
    self.segmentBytes = segmentBytes
    self.agent = agent
    self.incarnation = incarnation
  }
}

/// The identity of a segment of counters, from the router's own copy of its first bytes.
public struct CountersShape: Hashable, Sendable {
  /// Size of the memfd in bytes, fully allocated.
  public var segmentBytes: UInt64
  /// The agent that the segment names.
  public var agent: BusUUID
  /// Its incarnation.
  public var incarnation: Incarnation
  /// Which segment of the agent it is.
  public var part: UInt16

  /// Takes the checked values.
  public init(segmentBytes: UInt64, agent: BusUUID, incarnation: Incarnation, part: UInt16) {
    self.segmentBytes = segmentBytes
    self.agent = agent
    self.incarnation = incarnation
    self.part = part
  }
}

/// The identity of a blob, which cannot change any more.
public struct BlobShape: Hashable, Sendable {
  /// Size of the memfd in bytes, fully allocated.
  public var segmentBytes: UInt64
  /// Bytes of the payload in it.
  public var payloadBytes: UInt64
  /// What opens it.
  public var token: BusUUID

  /// Takes the checked values.
  public init(segmentBytes: UInt64, payloadBytes: UInt64, token: BusUUID) {
    self.segmentBytes = segmentBytes
    self.payloadBytes = payloadBytes
    self.token = token
  }
}

/// A descriptor that came with a frame, and what was found behind it.
public struct Segment: Hashable, Sendable {
  /// What a descriptor turned out to be.
  public enum Finding: Hashable, Sendable {
    /// A sealed, allocated log.
    case log(LogShape)
    /// A sealed, allocated reader segment.
    case reader(ReaderShape)
    /// A sealed, allocated segment of counters.
    case counters(CountersShape)
    /// A blob that nobody can write to any more.
    case blob(BlobShape)
    /// Anything else; the sentence says what is wrong and what to do.
    case unusable(String)
    /// The router has no room to look at it or keep it; the sentence says what to do.
    case noRoom(String)
    /// The router has no descriptor left to take it; the sentence says what to do.
    case noDescriptor(String)
  }

  /// The descriptor; the engine owns it from the event on.
  public let token: DescriptorToken
  /// What it is.
  public let finding: Finding

  /// Pairs the descriptor with what it is.
  public init(token: DescriptorToken, finding: Finding) {
    self.token = token
    self.finding = finding
  }
}
