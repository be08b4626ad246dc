/// Hands a log in after a restart; the log comes with it.
///
/// Answer: logAdded or error.
public struct RestoreLogFrame: Hashable, Sendable {
  /// The stream.
  public var stream = StreamID(0)
  /// The channel of the stream.
  public var channel = ""
  /// Which log of the stream: 0 for the first, +1 per rotation.
  public var generation: UInt32 = 0
  /// Ring bytes, a power of two.
  public var capacity: UInt64 = 0
  /// Size of the memfd in bytes.
  public var segmentBytes: UInt64 = 0
  /// Whether the publisher writes it now.
  public var current = false
  /// Whether the publisher has moved on from it.
  public var retired = false
  /// The word of the router that gave the stream its number.
  public var proof: ControlTicket = .none

  init() {}

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
  mutating func code(_ coder: inout some FieldCoder) throws(ControlError) {
    try coder.number(&stream)
    try coder.text(&channel)
    try coder.u32(&generation)
    try coder.u64(&capacity)
    try coder.u64(&segmentBytes)
    try coder.flag(&current)
    try coder.flag(&retired)
    try coder.ticket(&proof)
  }
}

/// Hands in a reader that is in this publisher's window.
public struct RestoreReaderFrame: Hashable, Sendable {
  /// The stream.
  public var stream = StreamID(0)
  /// The attachment.
  public var attachment = AttachmentID(0)
  /// The reader's incarnation.
  public var readerIncarnation = Incarnation(0)

  init() {}

  /// Takes the fields in the order of the wire.
  public init(stream: StreamID, attachment: AttachmentID, readerIncarnation: Incarnation) {
    self.stream = stream
    self.attachment = attachment
    self.readerIncarnation = readerIncarnation
  }
}

extension RestoreReaderFrame: ControlBody {
  mutating func code(_ coder: inout some FieldCoder) throws(ControlError) {
    try coder.number(&stream)
    try coder.number(&attachment)
    try coder.number(&readerIncarnation)
  }
}

/// Hands in what this agent reads.
public struct RestoreAttachmentFrame: Hashable, Sendable {
  /// The attachment.
  public var attachment = AttachmentID(0)
  /// The agent's own number of the subscription.
  public var subscription: UInt32 = 0
  /// The stream.
  public var stream = StreamID(0)
  /// The publisher's incarnation.
  public var publisherIncarnation = Incarnation(0)
  /// The publisher's name.
  public var publisherName = ""
  /// The publisher's UUID.
  public var publisher = BusUUID(high: 0, low: 0)
  /// The channel of the stream.
  public var channel = ""
  /// The cursor slot in the reader's segment.
  public var slot: UInt16 = 0
  /// Whether the publisher has answered the join.
  public var joined = false
  /// Whether it was announced as one that reads from the stream's start.
  public var fromStart = false

  init() {}

  /// Takes the fields in the order of the wire.
  public init(
    attachment: AttachmentID, subscription: UInt32, stream: StreamID,
    publisherIncarnation: Incarnation, publisherName: String, publisher: BusUUID,
    channel: String, slot: UInt16, joined: Bool, fromStart: Bool = false
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
    self.fromStart = fromStart
  }
}

extension RestoreAttachmentFrame: ControlBody {
  mutating func code(_ coder: inout some FieldCoder) throws(ControlError) {
    try coder.number(&attachment)
    try coder.u32(&subscription)
    try coder.number(&stream)
    try coder.number(&publisherIncarnation)
    try coder.text(&publisherName)
    try coder.uuid(&publisher)
    try coder.text(&channel)
    try coder.u16(&slot)
    try coder.flag(&joined)
    try coder.flag(&fromStart)
  }
}
