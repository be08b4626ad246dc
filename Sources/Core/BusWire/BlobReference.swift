import CBusABI

/// Names a sealed blob: the payload of a message that stands for a larger one.
///
/// Whoever holds a reference may open the blob, and nobody else: its token is 128 random bits. So
/// a blob reaches exactly those who may read the message that carries its reference. Layout:
/// `bus_blob_reference` in `bus_wire.h`.
///
///     let reference = BlobReference(payload)  // nil: an ordinary payload
public struct BlobReference: Hashable, Sendable {
  /// What opens the blob.
  public let token: BusUUID
  /// Whose blob it is: under the same token another agent's bytes are another blob.
  public let maker: Incarnation
  /// Bytes of the blob's payload.
  public let byteCount: UInt64

  /// Bytes of a reference as a payload.
  public static let encodedByteCount = 48
  private static let checkedBytes = 40

  /// A reference to a blob of this token, maker and size.
  public init(token: BusUUID, maker: Incarnation, byteCount: UInt64) {
    self.token = token
    self.maker = maker
    self.byteCount = byteCount
  }

  /// Reads a payload; nil unless all of it is a reference, its checksum included.
  public init?(_ payload: [UInt8]) {
    guard payload.count == Self.encodedByteCount else { return nil }
    func word(_ at: Int, _ count: Int) -> UInt64 {
      (0..<count).reduce(0) { $0 | UInt64(payload[at + $1]) << UInt64(8 * $1) }
    }
    guard word(0, 8) == BUS_BLOB_REFERENCE_MAGIC, word(44, 4) == 0, word(32, 8) > 0,
      UInt32(word(40, 4)) == CRC32C.checksum(Array(payload[..<Self.checkedBytes]))
    else { return nil }
    token = BusUUID(word0: word(8, 8), word1: word(16, 8))
    maker = Incarnation(word(24, 8))
    byteCount = word(32, 8)
  }

  /// The reference as a payload.
  public var encoded: [UInt8] {
    var bytes: [UInt8] = []
    func append(_ value: UInt64, _ count: Int) {
      for place in 0..<count { bytes.append(UInt8(truncatingIfNeeded: value >> UInt64(8 * place))) }
    }
    append(BUS_BLOB_REFERENCE_MAGIC, 8)
    append(token.word0, 8)
    append(token.word1, 8)
    append(maker.value, 8)
    append(byteCount, 8)
    append(UInt64(CRC32C.checksum(bytes)), 4)
    append(0, 4)
    return bytes
  }
}
