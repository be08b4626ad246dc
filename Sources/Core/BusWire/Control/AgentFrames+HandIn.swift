/// Hands a log in after a restart; the log comes with it.
///
/// Answer: logAdded or error.
public struct RestoreLogFrame: Hashable, Sendable {
  /// The stream.
  public var stream: StreamID
  /// The channel of the stream.
  public var channel: String
  /// Which log of the stream: 0 for the first, +1 per rotation.
  public var generation: UInt32
  /// Ring bytes, a power of two.
  public var capacity: UInt64
  /// Size of the memfd in bytes.
  public var segmentBytes: UInt64
  /// Whether the publisher writes it now.
  public var current: Bool
  /// Whether the publisher has moved on from it.
  public var retired: Bool
  /// The word of the router that gave the stream its number.
  public var proof: ControlTicket

  /// Takes the fields in the order of the wire.
  public init(
    stream: StreamID, channel: String, generation: UInt32, capacity: UInt64, segmentBytes: UInt64,
    current: Bool, retired: Bool, proof: ControlTicket
  ) {
    self.stream = stream
    self.channel = channel
    self.generation = generation
    self.capacity = capacity
    self.segmentBytes = segmentBytes
    self.current = current
    self.retired = retired
    self.proof = proof
  }
}

extension RestoreLogFrame: ControlBody {
  init(from reader: inout ControlReader) throws(ControlError) {
    stream = StreamID(try reader.u64())
    channel = try reader.text()
    generation = try reader.u32()
    capacity = try reader.u64()
    segmentBytes = try reader.u64()
    current = try reader.flag()
    retired = try reader.flag()
    proof = try reader.ticket()
  }

  func write(to writer: inout ControlWriter) {
    writer.u64(stream.value)
    writer.text(channel)
    writer.u32(generation)
    writer.u64(capacity)
    writer.u64(segmentBytes)
    writer.flag(current)
    writer.flag(retired)
    writer.ticket(proof)
  }
}

/// Hands in a reader that is in this publisher's window.
public struct RestoreReaderFrame: Hashable, Sendable {
  /// The stream.
  public var stream: StreamID
  /// The attachment.
  public var attachment: AttachmentID
  /// The reader's incarnation.
  public var readerIncarnation: Incarnation

  /// Takes the fields in the order of the wire.
  public init(stream: StreamID, attachment: AttachmentID, readerIncarnation: Incarnation) {
    self.stream = stream
    self.attachment = attachment
    self.readerIncarnation = readerIncarnation
  }
}

extension RestoreReaderFrame: ControlBody {
  init(from reader: inout ControlReader) throws(ControlError) {
    stream = StreamID(try reader.u64())
    attachment = AttachmentID(try reader.u64())
    readerIncarnation = Incarnation(try reader.u64())
  }

  func write(to writer: inout ControlWriter) {
    writer.u64(stream.value)
    writer.u64(attachment.value)
    writer.u64(readerIncarnation.value)
  }
}

/// Hands in what this agent reads.
public struct RestoreAttachmentFrame: Hashable, Sendable {
  /// The attachment.
  public var attachment: AttachmentID
  /// The agent's own number of the subscription.
  public var subscription: UInt32
  /// The stream.
  public var stream: StreamID
  /// The publisher's incarnation.
  public var publisherIncarnation: Incarnation
  /// The publisher's name.
  public var publisherName: String
  /// The publisher's UUID.
  public var publisher: BusUUID
  /// The channel of the stream.
  public var channel: String
  /// The cursor slot in the reader's segment.
  public var slot: UInt16
  /// Whether the publisher has answered the join.
  public var joined: Bool

  /// Takes the fields in the order of the wire.
  public init(
    attachment: AttachmentID, subscription: UInt32, stream: StreamID,
    publisherIncarnation: Incarnation, publisherName: String, publisher: BusUUID,
    channel: String, slot: UInt16, joined: Bool
  ) {
    self.attachment = attachment
    self.subscription = subscription
    self.stream = stream
    self.publisherIncarnation = publisherIncarnation
    self.publisherName = publisherName
    self.publisher = publisher
    self.channel = channel
    self.slot = slot
    self.joined = joined
  }
}

extension RestoreAttachmentFrame: ControlBody {
  init(from reader: inout ControlReader) throws(ControlError) {
    attachment = AttachmentID(try reader.u64())
    subscription = try reader.u32()
    stream = StreamID(try reader.u64())
    publisherIncarnation = Incarnation(try reader.u64())
    publisherName = try reader.text()
    publisher = try reader.uuid()
    channel = try reader.text()
    slot = try reader.u16()
    joined = try reader.flag()
  }

  func write(to writer: inout ControlWriter) {
    writer.u64(attachment.value)
    writer.u32(subscription)
    writer.u64(stream.value)
    writer.u64(publisherIncarnation.value)
    writer.text(publisherName)
    writer.uuid(publisher)
    writer.text(channel)
    writer.u16(slot)
    writer.flag(joined)
  }
}
