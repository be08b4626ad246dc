/// A UUID (RFC 9562) of an agent, or a topic id in the place of one; 16 bytes.
///
/// The two words are the bytes as they lie in memory, so two UUIDs are equal by two compares.
/// ``high`` and ``low`` are the same bytes read as numbers, most significant byte first.
@frozen
public struct BusUUID: Hashable, Sendable, BitwiseCopyable {
  /// Bytes 0-7, as a little-endian word.
  public var word0: UInt64
  /// Bytes 8-15, as a little-endian word.
  public var word1: UInt64

  /// A UUID of the two words as they lie in memory.
  @inlinable
  public init(word0: UInt64, word1: UInt64) {
    self.word0 = word0
    self.word1 = word1
  }

  /// A UUID of its two halves, each read most significant byte first.
  @inlinable
  public init(high: UInt64, low: UInt64) {
    self.init(word0: high.byteSwapped, word1: low.byteSwapped)
  }

  /// The destination of a message to a topic: eight zero bytes and the topic's id.
  @inlinable public init(topicId: UInt64) { self.init(word0: 0, word1: topicId) }

  /// The first 16 bytes; throws `tooShort`.
  public init(decoding bytes: RawSpan) throws(WireError) {
    guard bytes.byteCount >= 16 else {
      throw .tooShort(.uuid, needed: 16, present: bytes.byteCount)
    }
    self.init(word0: bytes.load(0, as: UInt64.self), word1: bytes.load(8, as: UInt64.self))
  }

  /// All bytes zero: nobody, and also the topic with the id 0.
  @inlinable public static var zero: BusUUID { BusUUID(word0: 0, word1: 0) }

  /// Bytes 0-7 as a number.
  @inlinable public var high: UInt64 { word0.byteSwapped }
  /// Bytes 8-15 as a number.
  @inlinable public var low: UInt64 { word1.byteSwapped }

  /// True when this can name an agent: the first eight bytes are not all zero.
  @inlinable public var isAgent: Bool { word0 != 0 }
  /// The topic id, nil when this names an agent.
  @inlinable public var topicId: UInt64? { word0 == 0 ? word1 : nil }

  /// The 16 bytes in RFC 9562 order.
  public var bytes: [UInt8] {
    (0..<16).map { index in
      UInt8(truncatingIfNeeded: (index < 8 ? word0 : word1) >> UInt64(index % 8 * 8))
    }
  }

  /// A random UUID, version 4, from the system's generator.
  public static func random() -> BusUUID {
    BusUUID(
      high: .random(in: .min ... .max) & ~0xF000 | 0x4000,
      low: .random(in: .min ... .max) & 0x3FFF_FFFF_FFFF_FFFF | 0x8000_0000_0000_0000)
  }
}

extension BusUUID: LosslessStringConvertible {
  /// Parses `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx`, either case; nil for anything else.
  public init?(_ description: String) {
    let text = Array(description.utf8)
    guard text.count == 36 else { return nil }
    var halves: (high: UInt64, low: UInt64) = (0, 0)
    var digits = 0
    for (index, character) in text.enumerated() {
      if index == 8 || index == 13 || index == 18 || index == 23 {
        guard character == UInt8(ascii: "-") else { return nil }
        continue
      }
      guard let digit = hexDigit(character) else { return nil }
      if digits < 16 {
        halves.high = halves.high << 4 | digit
      } else {
        halves.low = halves.low << 4 | digit
      }
      digits += 1
    }
    self.init(high: halves.high, low: halves.low)
  }

  /// The lower-case form with four hyphens, as RFC 9562 writes it.
  public var description: String {
    let first = hexText(high)
    let second = hexText(low)
    return "\(first.prefix(8))-\(first.dropFirst(8).prefix(4))-\(first.suffix(4))"
      + "-\(second.prefix(4))-\(second.suffix(12))"
  }
}

/// The value of one hexadecimal digit of either case.
func hexDigit(_ character: UInt8) -> UInt64? {
  switch character {
  case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt64(character - UInt8(ascii: "0"))
  case UInt8(ascii: "a")...UInt8(ascii: "f"): UInt64(character - UInt8(ascii: "a")) + 10
  case UInt8(ascii: "A")...UInt8(ascii: "F"): UInt64(character - UInt8(ascii: "A")) + 10
  default: nil
  }
}
