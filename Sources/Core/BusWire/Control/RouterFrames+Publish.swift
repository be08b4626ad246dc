/// Answers addLog and restoreLog.
public struct LogAddedFrame: Hashable, Sendable {
  /// The stream.
  public var stream = StreamID(0)
  /// Which log of the stream: 0 for the first, +1 per rotation.
  public var generation: UInt32 = 0
  /// Lossless readers that start at position 0; only for generation 0.
  public var expected: [AttachmentID] = []
  /// The router's word that the stream is this publisher's, for a later restoreLog.
  public var proof: ControlTicket = .none

  init() {}

  /// Takes the fields in the order of the wire.
  public init(
    stream: StreamID, generation: UInt32, expected: [AttachmentID], proof: ControlTicket
  ) {
    self.stream = stream
    self.generation = generation
    self.proof = proof
    self.expected = expected
  }
}

extension LogAddedFrame: ControlBody {
  mutating func code(_ coder: inout some FieldCoder) throws(ControlError) {
    try coder.number(&stream)
    try coder.u32(&generation)
    try coder.list(&expected, of: AttachmentID(0)) { item, coder throws(ControlError) in
      try coder.number(&item)
    }
    try coder.ticket(&proof)
  }
}

/// Tells a publisher of a reader; the reader's segment comes with it.
public struct JoinFrame: Hashable, Sendable {
  /// The attachment.
  public var attachment = AttachmentID(0)
  /// The stream.
  public var stream = StreamID(0)
  /// The reader's incarnation.
  public var readerIncarnation = Incarnation(0)
  /// What is special about it.
  public var flags: JoinFlags = []
  /// The cursor slot in the reader's segment.
  public var slot: UInt16 = 0
  /// The epoch line of the reader's thread.
  public var epoch: UInt16 = 0

  init() {}

  /// Takes the fields in the order of the wire.
  public init(
    attachment: AttachmentID, stream: StreamID, readerIncarnation: Incarnation, flags: JoinFlags,
    slot: UInt16, epoch: UInt16
  ) {
    self.attachment = attachment
    self.stream = stream
    self.readerIncarnation = readerIncarnation
    self.flags = flags
    self.slot = slot
    self.epoch = epoch
  }
}

extension JoinFrame: ControlBody {
  mutating func code(_ coder: inout some FieldCoder) throws(ControlError) {
    try coder.number(&attachment)
    try coder.number(&stream)
    try coder.number(&readerIncarnation)
    try coder.choice(&flags)
    try coder.u16(&slot)
    try coder.u16(&epoch)
  }
}

/// Tells a publisher that a reader left.
public struct LeaveFrame: Hashable, Sendable {
  /// The attachment.
  public var attachment = AttachmentID(0)

  init() {}

  /// Takes the fields in the order of the wire.
  public init(attachment: AttachmentID) {
    self.attachment = attachment
  }
}

extension LeaveFrame: ControlBody {
  mutating func code(_ coder: inout some FieldCoder) throws(ControlError) {
    try coder.number(&attachment)
  }
}

/// Tells publishers that every attachment of this incarnation left.
public struct AgentGoneFrame: Hashable, Sendable {
  /// Who is gone.
  public var incarnation = Incarnation(0)

  init() {}

  /// Takes the fields in the order of the wire.
  public init(incarnation: Incarnation) {
    self.incarnation = incarnation
  }
}

extension AgentGoneFrame: ControlBody {
  mutating func code(_ coder: inout some FieldCoder) throws(ControlError) {
    try coder.number(&incarnation)
  }
}
