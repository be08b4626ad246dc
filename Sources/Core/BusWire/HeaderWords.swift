public import CBusABI

/// The 64-byte header as the eight little-endian words that lie in memory.
///
/// This is the form for the hot path: one load, a check of four compares, fields by shift and
/// mask. Nothing here is validated until ``check()``.
///
///     word 0  magic 32 | version 16 | type 16        word 4  source, bytes 8-15
///     word 1  length 32 | priority 8 | hops 8 |      word 5  destination, bytes 0-7
///             extension length 16                    word 6  destination, bytes 8-15
///     word 2  timestamp                              word 7  flags 32 | correlation id 32
///     word 3  source, bytes 0-7
@frozen
public struct HeaderWords: Equatable, Sendable, BitwiseCopyable {
  /// Magic, version and type.
  public var word0: UInt64
  /// Length, priority, hops and extension length.
  public var word1: UInt64
  /// Timestamp.
  public var word2: UInt64
  /// Source, first half.
  public var word3: UInt64
  /// Source, second half.
  public var word4: UInt64
  /// Destination, first half; 0 when the message goes to a topic.
  public var word5: UInt64
  /// Destination, second half, or the topic id.
  public var word6: UInt64
  /// Flags and correlation id.
  public var word7: UInt64

  /// Words as they were read from memory.
  @inlinable
  public init(
    _ word0: UInt64, _ word1: UInt64, _ word2: UInt64, _ word3: UInt64,
    _ word4: UInt64, _ word5: UInt64, _ word6: UInt64, _ word7: UInt64
  ) {
    self.word0 = word0
    self.word1 = word1
    self.word2 = word2
    self.word3 = word3
    self.word4 = word4
    self.word5 = word5
    self.word6 = word6
    self.word7 = word7
  }

  /// The words of a header.
  @inlinable public init(_ header: MessageHeader) { self = header.words }

  /// The word at an index from 0 to 7; other indexes give the last word.
  @inlinable
  public func word(_ index: Int) -> UInt64 {
    switch index {
    case 0: word0
    case 1: word1
    case 2: word2
    case 3: word3
    case 4: word4
    case 5: word5
    case 6: word6
    default: word7
    }
  }

  /// Must be 0xAF42CAFE.
  @inlinable public var magic: UInt32 { UInt32(truncatingIfNeeded: word0) }
  /// Must be 1.
  @inlinable public var version: UInt16 { UInt16(truncatingIfNeeded: word0 &>> 32) }
  /// The type's bit, or a record type of the log itself.
  @inlinable public var typeBits: UInt16 { UInt16(truncatingIfNeeded: word0 &>> 48) }
  /// Bytes of the payload.
  @inlinable public var length: UInt32 { UInt32(truncatingIfNeeded: word1) }
  /// 0 = not set, else 1 + level.
  @inlinable public var priorityByte: UInt8 { UInt8(truncatingIfNeeded: word1 &>> 32) }
  /// Hops taken so far.
  @inlinable public var hops: UInt8 { UInt8(truncatingIfNeeded: word1 &>> 40) }
  /// Bytes of the header extension.
  @inlinable public var extensionLength: UInt16 { UInt16(truncatingIfNeeded: word1 &>> 48) }

  /// True when the words are a valid header.
  @inline(always)
  public var isValid: Bool {
    let expected = UInt64(BUS_WIRE_MAGIC) | UInt64(BUS_WIRE_VERSION) &<< 32
    let type = word0 &>> 48
    return word0 & 0x0000_FFFF_FFFF_FFFF == expected
      && type &- 1 < UInt64(BUS_TYPE_BROADCAST) && type & (type &- 1) == 0
      && length <= UInt32(BUS_PAYLOAD_BYTES_MAX)
      && UInt32(priorityByte) <= UInt32(BUS_PRIORITY_LEVELS)
      && extensionLength & 7 == 0
  }

  /// Throws the first thing that is wrong: magic, version, type, length, priority, extension.
  @inline(always)
  public func check() throws(WireError) {
    guard isValid else { throw firstError }
  }

  @usableFromInline
  @inline(never)
  var firstError: WireError {
    if magic != BUS_WIRE_MAGIC { return .magic(magic) }
    if UInt32(version) != BUS_WIRE_VERSION { return .version(version) }
    if MessageType(rawValue: typeBits) == nil { return .type(typeBits) }
    if length > UInt32(BUS_PAYLOAD_BYTES_MAX) { return .payloadLength(Int(length)) }
    if UInt32(priorityByte) > BUS_PRIORITY_LEVELS { return .priority(UInt32(priorityByte)) }
    return .extensionLength(Int(extensionLength))
  }
}
