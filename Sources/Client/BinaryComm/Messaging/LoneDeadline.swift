import BusWire

/// The extension that holds a deadline and nothing else, as that of nearly every request does.
package struct LoneDeadline {
  private let words: InlineArray<2, UInt64>

  private static var head: UInt64 { UInt64(ItemKind.deadline.rawValue) | 8 << 16 }
  package static var byteCount: Int { 16 }

  /// An extension for the time that is left, in nanoseconds.
  package init(_ leftNs: UInt64) { words = [Self.head | leftNs &<< 32, leftNs &>> 32] }

  /// Its bytes, as they lie in a message.
  package var bytes: RawSpan {
    @_lifetime(borrow self)
    get { words.span.rawBytes }
  }

  /// The time left by an extension of this kind, nil for any other.
  ///
  /// Its bytes are read once.
  @inline(__always)
  package static func timeLeft(_ items: RawSpan) -> UInt64? {
    guard items.byteCount == byteCount else { return nil }
    let low = items.word(at: 0)
    let high = items.word(at: 8)
    guard low & 0xFFFF_FFFF == head else { return nil }
    return low &>> 32 | high &<< 32
  }
}
