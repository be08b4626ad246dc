/// Hands in a sealed blob, which comes with it.
///
/// Answer: done or error. After a restart of the router its maker hands it in again.
public struct AddBlobFrame: Hashable, Sendable {
  /// What opens it: 128 random bits.
  public var token = BusUUID(high: 0, low: 0)
  /// Size of the memfd in bytes.
  public var segmentBytes: UInt64 = 0
  /// Bytes of the payload in it.
  public var payloadBytes: UInt64 = 0
  /// For how many milliseconds from now on it may be opened, even when its maker leaves.
  public var keepMs: UInt32 = 0

  init() {}

  /// Takes the fields in the order of the wire.
  public init(token: BusUUID, segmentBytes: UInt64, payloadBytes: UInt64, keepMs: UInt32) {
    self.token = token
    self.segmentBytes = segmentBytes
    self.payloadBytes = payloadBytes
    self.keepMs = keepMs
  }
}

extension AddBlobFrame: ControlBody {
  mutating func code(_ coder: inout some FieldCoder) throws(ControlError) {
    try coder.uuid(&token)
    try coder.u64(&segmentBytes)
    try coder.u64(&payloadBytes)
    try coder.u32(&keepMs)
  }
}

/// Asks for a blob.
///
/// Answer: blob, with its descriptor, or error.
public struct OpenBlobFrame: Hashable, Sendable {
  /// What opens it.
  public var token = BusUUID(high: 0, low: 0)
  /// Whose it is.
  public var maker = Incarnation(0)

  init() {}

  /// Takes the fields in the order of the wire.
  public init(token: BusUUID, maker: Incarnation) {
    self.token = token
    self.maker = maker
  }
}

extension OpenBlobFrame: ControlBody {
  mutating func code(_ coder: inout some FieldCoder) throws(ControlError) {
    try coder.uuid(&token)
    try coder.number(&maker)
  }
}

/// The maker of a blob holds it no more; has no answer.
public struct DropBlobFrame: Hashable, Sendable {
  /// Which one.
  public var token = BusUUID(high: 0, low: 0)
  /// False: it may be opened until the time it is kept for is over.
  public var now = false

  init() {}

  /// Takes the fields in the order of the wire.
  public init(token: BusUUID, now: Bool) {
    self.token = token
    self.now = now
  }
}

extension DropBlobFrame: ControlBody {
  mutating func code(_ coder: inout some FieldCoder) throws(ControlError) {
    try coder.uuid(&token)
    try coder.flag(&now)
  }
}

/// A blob, whose descriptor comes with it.
public struct BlobFrame: Hashable, Sendable {
  /// What opens it.
  public var token = BusUUID(high: 0, low: 0)
  /// Size of the memfd in bytes.
  public var segmentBytes: UInt64 = 0
  /// Bytes of the payload in it.
  public var payloadBytes: UInt64 = 0

  init() {}

  /// Takes the fields in the order of the wire.
  public init(token: BusUUID, segmentBytes: UInt64, payloadBytes: UInt64) {
    self.token = token
    self.segmentBytes = segmentBytes
    self.payloadBytes = payloadBytes
  }
}

extension BlobFrame: ControlBody {
  mutating func code(_ coder: inout some FieldCoder) throws(ControlError) {
    try coder.uuid(&token)
    try coder.u64(&segmentBytes)
    try coder.u64(&payloadBytes)
  }
}
