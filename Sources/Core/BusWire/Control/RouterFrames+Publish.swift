/// Answers addLog and restoreLog.
public struct LogAddedFrame: Hashable, Sendable {
  /// The stream.
  public var stream: StreamID
  /// Which log of the stream: 0 for the first, +1 per rotation.
  public var generation: UInt32
  /// Lossless readers that start at position 0; only for generation 0.
  public var expected: [AttachmentID]
  /// The router's word that the stream is this publisher's, for a later restoreLog.
  public var proof: ControlTicket

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
  init(from reader: inout ControlReader) throws(ControlError) {
    stream = StreamID(try reader.u64())
    generation = try reader.u32()
    expected = try reader.list(AttachmentID.init(from:))
    proof = try reader.ticket()
  }

  func write(to writer: inout ControlWriter) {
    writer.u64(stream.value)
    writer.u32(generation)
    writer.list(expected) { $0.u64($1.value) }
    writer.ticket(proof)
  }
}

/// Tells a publisher of a reader; the reader's segment comes with it.
public struct JoinFrame: Hashable, Sendable {
  /// The attachment.
  public var attachment: AttachmentID
  /// The stream.
  public var stream: StreamID
  /// The reader's incarnation.
  public var readerIncarnation: Incarnation
  /// What is special about it.
  public var flags: JoinFlags
  /// The cursor slot in the reader's segment.
  public var slot: UInt16
  /// The epoch line of the reader's thread.
  public var epoch: UInt16

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
  init(from reader: inout ControlReader) throws(ControlError) {
    attachment = AttachmentID(try reader.u64())
    stream = StreamID(try reader.u64())
    readerIncarnation = Incarnation(try reader.u64())
    flags = JoinFlags(rawValue: try reader.u8())
    slot = try reader.u16()
    epoch = try reader.u16()
  }

  func write(to writer: inout ControlWriter) {
    writer.u64(attachment.value)
    writer.u64(stream.value)
    writer.u64(readerIncarnation.value)
    writer.u8(flags.rawValue)
    writer.u16(slot)
    writer.u16(epoch)
  }
}

/// Tells a publisher that a reader left.
public struct LeaveFrame: Hashable, Sendable {
  /// The attachment.
  public var attachment: AttachmentID

  /// Takes the fields in the order of the wire.
  public init(attachment: AttachmentID) {
    self.attachment = attachment
  }
}

extension LeaveFrame: ControlBody {
  init(from reader: inout ControlReader) throws(ControlError) {
    attachment = AttachmentID(try reader.u64())
  }

  func write(to writer: inout ControlWriter) {
    writer.u64(attachment.value)
  }
}

/// Tells publishers that every attachment of this incarnation left.
public struct AgentGoneFrame: Hashable, Sendable {
  /// Who is gone.
  public var incarnation: Incarnation

  /// Takes the fields in the order of the wire.
  public init(incarnation: Incarnation) {
    self.incarnation = incarnation
  }
}

extension AgentGoneFrame: ControlBody {
  init(from reader: inout ControlReader) throws(ControlError) {
    incarnation = Incarnation(try reader.u64())
  }

  func write(to writer: inout ControlWriter) {
    writer.u64(incarnation.value)
  }
}
