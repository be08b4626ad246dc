/// Answers subscribe, after the announces.
public struct SubscribedFrame: Hashable, Sendable {
  /// The agent's own number of the subscription.
  public var subscription: UInt32 = 0
  /// How many streams were announced before this frame.
  public var streams: UInt32 = 0

  init() {}

  /// Takes the fields in the order of the wire.
  public init(subscription: UInt32, streams: UInt32) {
    self.subscription = subscription
    self.streams = streams
  }
}

extension SubscribedFrame: ControlBody {
  mutating func code(_ coder: inout some FieldCoder) throws(ControlError) {
    try coder.u32(&subscription)
    try coder.u32(&streams)
  }
}

/// Tells a reader of a log, which comes with it.
public struct AnnounceFrame: Hashable, Sendable {
  /// The agent's own number of the subscription.
  public var subscription: UInt32 = 0
  /// The attachment.
  public var attachment = AttachmentID(0)
  /// The stream.
  public var stream = StreamID(0)
  /// The publisher's incarnation.
  public var publisherIncarnation = Incarnation(0)
  /// The publisher's UUID.
  public var publisher = BusUUID(high: 0, low: 0)
  /// The publisher's name.
  public var publisherName = ""
  /// The channel of the stream.
  public var channel = ""
  /// Which log of the stream: 0 for the first, +1 per rotation.
  public var generation: UInt32 = 0
  /// Ring bytes, a power of two.
  public var capacity: UInt64 = 0
  /// Size of the memfd in bytes.
  public var segmentBytes: UInt64 = 0
  /// What is special about it.
  public var flags: AnnounceFlags = []
  /// Of a log in the agent's inbox: the services its publisher may send requests to, as patterns.
  public var mayCall: [String] = []

  init() {}

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
  mutating func code(_ coder: inout some FieldCoder) throws(ControlError) {
    try coder.u32(&subscription)
    try coder.number(&attachment)
    try coder.number(&stream)
    try coder.number(&publisherIncarnation)
    try coder.uuid(&publisher)
    try coder.text(&publisherName)
    try coder.text(&channel)
    try coder.u32(&generation)
    try coder.u64(&capacity)
    try coder.u64(&segmentBytes)
    try coder.choice(&flags)
    try coder.list(&mayCall, of: "") { item, coder throws(ControlError) in
      try coder.text(&item)
    }
  }
}

/// Tells a reader that nothing follows the final position.
public struct StreamEndedFrame: Hashable, Sendable {
  /// The stream.
  public var stream = StreamID(0)
  /// The end; 2^64-1 means: your mapping's commit.
  public var finalPosition: UInt64 = 0
  /// Why it ended.
  public var reason: StreamEndReason = .closed

  init() {}

  /// Takes the fields in the order of the wire.
  public init(stream: StreamID, finalPosition: UInt64, reason: StreamEndReason) {
    self.stream = stream
    self.finalPosition = finalPosition
    self.reason = reason
  }
}

extension StreamEndedFrame: ControlBody {
  mutating func code(_ coder: inout some FieldCoder) throws(ControlError) {
    try coder.number(&stream)
    try coder.u64(&finalPosition)
    try coder.choice(&reason)
  }
}

/// Tells a reader that its publisher dropped it.
public struct EvictedFrame: Hashable, Sendable {
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

extension EvictedFrame: ControlBody {
  mutating func code(_ coder: inout some FieldCoder) throws(ControlError) {
    try coder.number(&attachment)
    try coder.text(&reason)
  }
}

/// Brackets a snapshot, at its begin and at its end.
public struct SnapshotFrame: Hashable, Sendable {
  /// Which snapshot, counted per connection.
  public var generation: UInt64 = 0

  init() {}

  /// Takes the fields in the order of the wire.
  public init(generation: UInt64) {
    self.generation = generation
  }
}

extension SnapshotFrame: ControlBody {
  mutating func code(_ coder: inout some FieldCoder) throws(ControlError) {
    try coder.u64(&generation)
  }
}
