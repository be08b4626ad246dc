/// Answers subscribe, after the announces.
public struct SubscribedFrame: Hashable, Sendable {
  /// The agent's own number of the subscription.
  public var subscription: UInt32
  /// How many streams were announced before this frame.
  public var streams: UInt32

  /// Takes the fields in the order of the wire.
  public init(subscription: UInt32, streams: UInt32) {
    self.subscription = subscription
    self.streams = streams
  }
}

extension SubscribedFrame: ControlBody {
  init(from reader: inout ControlReader) throws(ControlError) {
    subscription = try reader.u32()
    streams = try reader.u32()
  }

  func write(to writer: inout ControlWriter) {
    writer.u32(subscription)
    writer.u32(streams)
  }
}

/// Tells a reader of a log, which comes with it.
public struct AnnounceFrame: Hashable, Sendable {
  /// The agent's own number of the subscription.
  public var subscription: UInt32
  /// The attachment.
  public var attachment: AttachmentID
  /// The stream.
  public var stream: StreamID
  /// The publisher's incarnation.
  public var publisherIncarnation: Incarnation
  /// The publisher's UUID.
  public var publisher: BusUUID
  /// The publisher's name.
  public var publisherName: String
  /// The channel of the stream.
  public var channel: String
  /// Which log of the stream: 0 for the first, +1 per rotation.
  public var generation: UInt32
  /// Ring bytes, a power of two.
  public var capacity: UInt64
  /// Size of the memfd in bytes.
  public var segmentBytes: UInt64
  /// What is special about it.
  public var flags: AnnounceFlags
  /// Of a log in the agent's inbox: the services its publisher may send requests to, as patterns.
  public var mayCall: [String]

  /// Takes the fields in the order of the wire.
  public init(
    subscription: UInt32, attachment: AttachmentID, stream: StreamID,
    publisherIncarnation: Incarnation, publisher: BusUUID, publisherName: String,
    channel: String, generation: UInt32, capacity: UInt64, segmentBytes: UInt64,
    flags: AnnounceFlags, mayCall: [String] = []
  ) {
    self.subscription = subscription
    self.attachment = attachment
    self.stream = stream
    self.publisherIncarnation = publisherIncarnation
    self.publisher = publisher
    self.publisherName = publisherName
    self.channel = channel
    self.generation = generation
    self.capacity = capacity
    self.segmentBytes = segmentBytes
    self.flags = flags
    self.mayCall = mayCall
  }
}

extension AnnounceFrame: ControlBody {
  init(from reader: inout ControlReader) throws(ControlError) {
    subscription = try reader.u32()
    attachment = AttachmentID(try reader.u64())
    stream = StreamID(try reader.u64())
    publisherIncarnation = Incarnation(try reader.u64())
    publisher = try reader.uuid()
    publisherName = try reader.text()
    channel = try reader.text()
    generation = try reader.u32()
    capacity = try reader.u64()
    segmentBytes = try reader.u64()
    flags = AnnounceFlags(rawValue: try reader.u8())
    mayCall = try reader.list { (reader) throws(ControlError) in try reader.text() }
  }

  func write(to writer: inout ControlWriter) {
    writer.u32(subscription)
    writer.u64(attachment.value)
    writer.u64(stream.value)
    writer.u64(publisherIncarnation.value)
    writer.uuid(publisher)
    writer.text(publisherName)
    writer.text(channel)
    writer.u32(generation)
    writer.u64(capacity)
    writer.u64(segmentBytes)
    writer.u8(flags.rawValue)
    writer.list(mayCall) { $0.text($1) }
  }
}

/// Tells a reader that nothing follows the final position.
public struct StreamEndedFrame: Hashable, Sendable {
  /// The stream.
  public var stream: StreamID
  /// The end; 2^64-1 means: your mapping's commit.
  public var finalPosition: UInt64
  /// Why it ended.
  public var reason: StreamEndReason

  /// Takes the fields in the order of the wire.
  public init(stream: StreamID, finalPosition: UInt64, reason: StreamEndReason) {
    self.stream = stream
    self.finalPosition = finalPosition
    self.reason = reason
  }
}

extension StreamEndedFrame: ControlBody {
  init(from reader: inout ControlReader) throws(ControlError) {
    stream = StreamID(try reader.u64())
    finalPosition = try reader.u64()
    reason = try reader.streamEndReason()
  }

  func write(to writer: inout ControlWriter) {
    writer.u64(stream.value)
    writer.u64(finalPosition)
    writer.u8(reason.rawValue)
  }
}

/// Tells a reader that its publisher dropped it.
public struct EvictedFrame: Hashable, Sendable {
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

extension EvictedFrame: ControlBody {
  init(from reader: inout ControlReader) throws(ControlError) {
    attachment = AttachmentID(try reader.u64())
    reason = try reader.text()
  }

  func write(to writer: inout ControlWriter) {
    writer.u64(attachment.value)
    writer.text(reason)
  }
}

/// Brackets a snapshot, at its begin and at its end.
public struct SnapshotFrame: Hashable, Sendable {
  /// Which snapshot, counted per connection.
  public var generation: UInt64

  /// Takes the fields in the order of the wire.
  public init(generation: UInt64) {
    self.generation = generation
  }
}

extension SnapshotFrame: ControlBody {
  init(from reader: inout ControlReader) throws(ControlError) {
    generation = try reader.u64()
  }

  func write(to writer: inout ControlWriter) {
    writer.u64(generation)
  }
}
