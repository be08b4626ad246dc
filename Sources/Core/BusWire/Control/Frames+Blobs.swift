/// Hands in a sealed blob, which comes with it.
///
/// Answer: done or error. After a restart of the router its maker hands it in again.
public struct AddBlobFrame: Hashable, Sendable {
  /// What opens it: 128 random bits.
  public var token: BusUUID
  /// Size of the memfd in bytes.
  public var segmentBytes: UInt64
  /// Bytes of the payload in it.
  public var payloadBytes: UInt64
  /// For how many milliseconds from now on it may be opened, even when its maker leaves.
  public var keepMs: UInt32

  /// Takes the fields in the order of the wire.
  public init(token: BusUUID, segmentBytes: UInt64, payloadBytes: UInt64, keepMs: UInt32) {
    self.token = token
    self.segmentBytes = segmentBytes
    self.payloadBytes = payloadBytes
    self.keepMs = keepMs
  }
}

extension AddBlobFrame: ControlBody {
  init(from reader: inout ControlReader) throws(ControlError) {
    token = try reader.uuid()
    segmentBytes = try reader.u64()
    payloadBytes = try reader.u64()
    keepMs = try reader.u32()
  }

  func write(to writer: inout ControlWriter) {
    writer.uuid(token)
    writer.u64(segmentBytes)
    writer.u64(payloadBytes)
    writer.u32(keepMs)
  }
}

/// Asks for a blob.
///
/// Answer: blob, with its descriptor, or error.
public struct OpenBlobFrame: Hashable, Sendable {
  /// What opens it.
  public var token: BusUUID
  /// Whose it is.
  public var maker: Incarnation

  /// Takes the fields in the order of the wire.
  public init(token: BusUUID, maker: Incarnation) {
    self.token = token
    self.maker = maker
  }
}

extension OpenBlobFrame: ControlBody {
  init(from reader: inout ControlReader) throws(ControlError) {
    token = try reader.uuid()
    maker = Incarnation(try reader.u64())
  }

  func write(to writer: inout ControlWriter) {
    writer.uuid(token)
    writer.u64(maker.value)
  }
}

/// The maker of a blob holds it no more; has no answer.
public struct DropBlobFrame: Hashable, Sendable {
  /// Which one.
  public var token: BusUUID
  /// False: it may be opened until the time it is kept for is over.
  public var now: Bool

  /// Takes the fields in the order of the wire.
  public init(token: BusUUID, now: Bool) {
    self.token = token
    self.now = now
  }
}

extension DropBlobFrame: ControlBody {
  init(from reader: inout ControlReader) throws(ControlError) {
    token = try reader.uuid()
    now = try reader.flag()
  }

  func write(to writer: inout ControlWriter) {
    writer.uuid(token)
    writer.flag(now)
  }
}

/// A blob, whose descriptor comes with it.
public struct BlobFrame: Hashable, Sendable {
  /// What opens it.
  public var token: BusUUID
  /// Size of the memfd in bytes.
  public var segmentBytes: UInt64
  /// Bytes of the payload in it.
  public var payloadBytes: UInt64

  /// Takes the fields in the order of the wire.
  public init(token: BusUUID, segmentBytes: UInt64, payloadBytes: UInt64) {
    self.token = token
    self.segmentBytes = segmentBytes
    self.payloadBytes = payloadBytes
  }
}

extension BlobFrame: ControlBody {
  init(from reader: inout ControlReader) throws(ControlError) {
    token = try reader.uuid()
    segmentBytes = try reader.u64()
    payloadBytes = try reader.u64()
  }

  func write(to writer: inout ControlWriter) {
    writer.uuid(token)
    writer.u64(segmentBytes)
    writer.u64(payloadBytes)
  }
}
