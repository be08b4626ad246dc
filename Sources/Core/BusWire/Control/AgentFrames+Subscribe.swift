/// Asks to read; also hands a subscription in after a restart.
///
/// Answer: subscribed or error.
public struct SubscribeFrame: Hashable, Sendable {
  /// The agent's own number of the subscription.
  public var subscription: UInt32 = 0
  /// Which topics to read.
  public var pattern = ""
  /// Who waits, and what may be lost.
  public var mode: SubscribeMode = .lossy
  /// Whether the reader sleeps and must be woken.
  public var sleeps = false
  /// The epoch line of the reader's thread.
  public var epoch: UInt16 = 0

  init() {}

  /// Takes the fields in the order of the wire.
  public init(
    subscription: UInt32, pattern: String, mode: SubscribeMode, sleeps: Bool, epoch: UInt16
  ) {
    self.subscription = subscription
    self.pattern = pattern
    self.mode = mode
    self.sleeps = sleeps
    self.epoch = epoch
  }
}

extension SubscribeFrame: ControlBody {
  mutating func code(_ coder: inout some FieldCoder) throws(ControlError) {
    try coder.u32(&subscription)
    try coder.text(&pattern)
    try coder.choice(&mode)
    try coder.flag(&sleeps)
    try coder.u16(&epoch)
  }
}

/// Ends a subscription with all its attachments.
public struct UnsubscribeFrame: Hashable, Sendable {
  /// The agent's own number of the subscription.
  public var subscription: UInt32 = 0

  init() {}

  /// Takes the fields in the order of the wire.
  public init(subscription: UInt32) {
    self.subscription = subscription
  }
}

extension UnsubscribeFrame: ControlBody {
  mutating func code(_ coder: inout some FieldCoder) throws(ControlError) {
    try coder.u32(&subscription)
  }
}

/// The reader mapped the log and took a cursor slot; joined comes later.
public struct AttachFrame: Hashable, Sendable {
  /// The attachment.
  public var attachment = AttachmentID(0)
  /// The cursor slot in the reader's segment.
  public var slot: UInt16 = 0

  init() {}

  /// Takes the fields in the order of the wire.
  public init(attachment: AttachmentID, slot: UInt16) {
    self.attachment = attachment
    self.slot = slot
  }
}

extension AttachFrame: ControlBody {
  mutating func code(_ coder: inout some FieldCoder) throws(ControlError) {
    try coder.number(&attachment)
    try coder.u16(&slot)
  }
}

/// The reader drained, left or was evicted; its slot is free.
public struct DetachFrame: Hashable, Sendable {
  /// The attachment.
  public var attachment = AttachmentID(0)

  init() {}

  /// Takes the fields in the order of the wire.
  public init(attachment: AttachmentID) {
    self.attachment = attachment
  }
}

extension DetachFrame: ControlBody {
  mutating func code(_ coder: inout some FieldCoder) throws(ControlError) {
    try coder.number(&attachment)
  }
}

/// The reader has unmapped that log.
public struct ReleasedFrame: Hashable, Sendable {
  /// The attachment.
  public var attachment = AttachmentID(0)
  /// Which log of the stream: 0 for the first, +1 per rotation.
  public var generation: UInt32 = 0

  init() {}

  /// Takes the fields in the order of the wire.
  public init(attachment: AttachmentID, generation: UInt32) {
    self.attachment = attachment
    self.generation = generation
  }
}

extension ReleasedFrame: ControlBody {
  mutating func code(_ coder: inout some FieldCoder) throws(ControlError) {
    try coder.number(&attachment)
    try coder.u32(&generation)
  }
}

/// Asks for the logs of a stream again: their hand-over was lost for want of a descriptor.
///
/// Answer: announces, then done; or error, when there is no such stream for the subscription.
public struct ReannounceFrame: Hashable, Sendable {
  /// The agent's own number of the subscription.
  public var subscription: UInt32 = 0
  /// The stream.
  public var stream = StreamID(0)

  init() {}

  /// Takes the fields in the order of the wire.
  public init(subscription: UInt32, stream: StreamID) {
    self.subscription = subscription
    self.stream = stream
  }
}

extension ReannounceFrame: ControlBody {
  mutating func code(_ coder: inout some FieldCoder) throws(ControlError) {
    try coder.u32(&subscription)
    try coder.number(&stream)
  }
}
