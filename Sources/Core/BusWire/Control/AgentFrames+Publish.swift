/// Hands in a log, which comes with it.
///
/// Answer: logAdded or error.
public struct AddLogFrame: Hashable, Sendable {
  /// The stream; 0 asks for a new one.
  public var stream = StreamID(0)
  /// The channel of the stream.
  public var channel = ""
  /// Which log of the stream: 0 for the first, +1 per rotation.
  public var generation: UInt32 = 0
  /// Ring bytes, a power of two.
  public var capacity: UInt64 = 0
  /// Size of the memfd in bytes.
  public var segmentBytes: UInt64 = 0

  init() {}

  /// Takes the fields in the order of the wire.
  public init(
    stream: StreamID, channel: String, generation: UInt32, capacity: UInt64, segmentBytes: UInt64
  ) {
    self.stream = stream
    self.channel = channel
    self.generation = generation
    self.capacity = capacity
    self.segmentBytes = segmentBytes
  }
}

extension AddLogFrame: ControlBody {
  mutating func code(_ coder: inout some FieldCoder) throws(ControlError) {
    try coder.number(&stream)
    try coder.text(&channel)
    try coder.u32(&generation)
    try coder.u64(&capacity)
    try coder.u64(&segmentBytes)
  }
}

/// The publisher has moved on from this log.
public struct RetireLogFrame: Hashable, Sendable {
  /// The stream.
  public var stream = StreamID(0)
  /// Which log of the stream: 0 for the first, +1 per rotation.
  public var generation: UInt32 = 0

  init() {}

  /// Takes the fields in the order of the wire.
  public init(stream: StreamID, generation: UInt32) {
    self.stream = stream
    self.generation = generation
  }
}

extension RetireLogFrame: ControlBody {
  mutating func code(_ coder: inout some FieldCoder) throws(ControlError) {
    try coder.number(&stream)
    try coder.u32(&generation)
  }
}

/// The publisher appended its CLOSED record.
public struct CloseStreamFrame: Hashable, Sendable {
  /// The stream.
  public var stream = StreamID(0)

  init() {}

  /// Takes the fields in the order of the wire.
  public init(stream: StreamID) {
    self.stream = stream
  }
}

extension CloseStreamFrame: ControlBody {
  mutating func code(_ coder: inout some FieldCoder) throws(ControlError) {
    try coder.number(&stream)
  }
}

/// Where a reader starts: from the publisher to the router, and on to the reader.
public struct JoinedFrame: Hashable, Sendable {
  /// The attachment.
  public var attachment = AttachmentID(0)
  /// Which log of the stream: 0 for the first, +1 per rotation.
  public var generation: UInt32 = 0
  /// Stream position from which the reader reads.
  public var startPosition: UInt64 = 0
  /// Messages committed before the start position.
  public var startSequence: UInt64 = 0
  /// How many lossless readers had left this publisher's window when this one came in.
  public var departed: UInt64 = 0

  init() {}

  /// Takes the fields in the order of the wire.
  public init(
    attachment: AttachmentID, generation: UInt32, startPosition: UInt64, startSequence: UInt64,
    departed: UInt64
  ) {
    self.attachment = attachment
    self.generation = generation
    self.startPosition = startPosition
    self.startSequence = startSequence
    self.departed = departed
  }
}

extension JoinedFrame: ControlBody {
  mutating func code(_ coder: inout some FieldCoder) throws(ControlError) {
    try coder.number(&attachment)
    try coder.u32(&generation)
    try coder.u64(&startPosition)
    try coder.u64(&startSequence)
    try coder.u64(&departed)
  }
}

/// The publisher cannot take this reader.
public struct JoinRefusedFrame: Hashable, Sendable {
  /// The attachment.
  public var attachment = AttachmentID(0)
  /// Why, one sentence.
  public var reason = ""

  init() {}

  /// Takes the fields in the order of the wire.
  public init(attachment: AttachmentID, reason: String) {
    self.attachment = attachment
    self.reason = reason
  }
}

extension JoinRefusedFrame: ControlBody {
  mutating func code(_ coder: inout some FieldCoder) throws(ControlError) {
    try coder.number(&attachment)
    try coder.text(&reason)
  }
}

/// The publisher dropped this reader from its window.
public struct EvictFrame: Hashable, Sendable {
  /// The attachment.
  public var attachment = AttachmentID(0)
  /// Why, one sentence.
  public var reason = ""

  init() {}

  /// Takes the fields in the order of the wire.
  public init(attachment: AttachmentID, reason: String) {
    self.attachment = attachment
    self.reason = reason
  }
}

extension EvictFrame: ControlBody {
  mutating func code(_ coder: inout some FieldCoder) throws(ControlError) {
    try coder.number(&attachment)
    try coder.text(&reason)
  }
}
