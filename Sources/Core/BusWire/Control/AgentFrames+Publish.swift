/// Hands in a log, which comes with it.
///
/// Answer: logAdded or error.
public struct AddLogFrame: Hashable, Sendable {
  /// The stream; 0 asks for a new one.
  public var stream: StreamID
  /// The channel of the stream.
  public var channel: String
  /// Which log of the stream: 0 for the first, +1 per rotation.
  public var generation: UInt32
  /// Ring bytes, a power of two.
  public var capacity: UInt64
  /// Size of the memfd in bytes.
  public var segmentBytes: UInt64

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
  init(from reader: inout ControlReader) throws(ControlError) {
    stream = StreamID(try reader.u64())
    channel = try reader.text()
    generation = try reader.u32()
    capacity = try reader.u64()
    segmentBytes = try reader.u64()
  }

  func write(to writer: inout ControlWriter) {
    writer.u64(stream.value)
    writer.text(channel)
    writer.u32(generation)
    writer.u64(capacity)
    writer.u64(segmentBytes)
  }
}

/// The publisher has moved on from this log.
public struct RetireLogFrame: Hashable, Sendable {
  /// The stream.
  public var stream: StreamID
  /// Which log of the stream: 0 for the first, +1 per rotation.
  public var generation: UInt32

  /// Takes the fields in the order of the wire.
  public init(stream: StreamID, generation: UInt32) {
    self.stream = stream
    self.generation = generation
  }
}

extension RetireLogFrame: ControlBody {
  init(from reader: inout ControlReader) throws(ControlError) {
    stream = StreamID(try reader.u64())
    generation = try reader.u32()
  }

  func write(to writer: inout ControlWriter) {
    writer.u64(stream.value)
    writer.u32(generation)
  }
}

/// The publisher appended its CLOSED record.
public struct CloseStreamFrame: Hashable, Sendable {
  /// The stream.
  public var stream: StreamID

  /// Takes the fields in the order of the wire.
  public init(stream: StreamID) {
    self.stream = stream
  }
}

extension CloseStreamFrame: ControlBody {
  init(from reader: inout ControlReader) throws(ControlError) {
    stream = StreamID(try reader.u64())
  }

  func write(to writer: inout ControlWriter) {
    writer.u64(stream.value)
  }
}

/// Where a reader starts: from the publisher to the router, and on to the reader.
public struct JoinedFrame: Hashable, Sendable {
  /// The attachment.
  public var attachment: AttachmentID
  /// Which log of the stream: 0 for the first, +1 per rotation.
  public var generation: UInt32
  /// Stream position from which the reader reads.
  public var startPosition: UInt64
  /// Messages committed before the start position.
  public var startSequence: UInt64
  /// How many lossless readers had left this publisher's window when this one came in.
  public var departed: UInt64

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
  init(from reader: inout ControlReader) throws(ControlError) {
    attachment = AttachmentID(try reader.u64())
    generation = try reader.u32()
    startPosition = try reader.u64()
    startSequence = try reader.u64()
    departed = try reader.u64()
  }

  func write(to writer: inout ControlWriter) {
    writer.u64(attachment.value)
    writer.u32(generation)
    writer.u64(startPosition)
    writer.u64(startSequence)
    writer.u64(departed)
  }
}

/// The publisher cannot take this reader.
public struct JoinRefusedFrame: Hashable, Sendable {
  /// The attachment.
  public var attachment: AttachmentID
  /// Why, one sentence.
  public var reason: String

  /// Takes the fields in the order of the wire.
  public init(attachment: AttachmentID, reason: String) {
    self.attachment = attachment
    self.reason = reason
  }
}

extension JoinRefusedFrame: ControlBody {
  init(from reader: inout ControlReader) throws(ControlError) {
    attachment = AttachmentID(try reader.u64())
    reason = try reader.text()
  }

  func write(to writer: inout ControlWriter) {
    writer.u64(attachment.value)
    writer.text(reason)
  }
}

/// The publisher dropped this reader from its window.
public struct EvictFrame: Hashable, Sendable {
  /// The attachment.
  public var attachment: AttachmentID
  /// Why, one sentence.
  public var reason: String

  /// Takes the fields in the order of the wire.
  public init(attachment: AttachmentID, reason: String) {
    self.attachment = attachment
    self.reason = reason
  }
}

extension EvictFrame: ControlBody {
  init(from reader: inout ControlReader) throws(ControlError) {
    attachment = AttachmentID(try reader.u64())
    reason = try reader.text()
  }

  func write(to writer: inout ControlWriter) {
    writer.u64(attachment.value)
    writer.text(reason)
  }
}
