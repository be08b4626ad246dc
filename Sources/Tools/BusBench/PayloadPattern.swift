/// What a payload of the benchmark holds: every byte is written by the publisher and follows from
/// the first word, so that the reader can check every byte.
///
/// ```
/// word 0  identity: publisher, number, last
/// word 1  where times are measured: the counter when the message was, or should have been, sent
/// word i  key + i, key = identity × an odd number; of the last word perhaps the low bytes only
/// ```
public enum PayloadPattern {
  /// Bytes of the shortest payload: the identity.
  public static let bytesLeast = 8
  /// Bytes of the shortest payload with a time in it.
  public static let stampedBytesLeast = 16

  /// Writes a payload in place.
  ///
  /// - Parameters:
  ///   - identity: what the first word states.
  ///   - stamp: the counter reading for the second word; nil: the pattern goes there, too.
  ///   - bytes: the length of the payload; nothing is written where the room is shorter.
  ///   - out: where to write.
  @inline(__always)
  public static func write(
    _ identity: MessageIdentity, stamp: UInt64?, bytes: Int, to out: inout OutputRawSpan
  ) {
    unsafe out.withUnsafeMutableBytes { room, count in
      guard let base = room.baseAddress, room.count >= bytes, bytes >= bytesLeast else { return }
      let key = identity.word &* multiplier
      let words = bytes >> 3
      unsafe base.storeBytes(of: identity.word, as: UInt64.self)
      var word = 1
      if let stamp, words > 1 {
        unsafe base.storeBytes(of: stamp, toByteOffset: 8, as: UInt64.self)
        word = 2
      }
      while word < words {
        unsafe base.storeBytes(
          of: key &+ UInt64(truncatingIfNeeded: word), toByteOffset: word &* 8, as: UInt64.self)
        word &+= 1
      }
      for index in words &* 8..<bytes {
        let byte = UInt8(truncatingIfNeeded: tail(key, words) >> UInt64((index & 7) &* 8))
        unsafe base.storeBytes(of: byte, toByteOffset: index, as: UInt8.self)
      }
      count = bytes
    }
  }

  /// Writes a payload over a buffer of its length.
  ///
  /// - Parameters:
  ///   - identity: what the first word states.
  ///   - stamp: the counter reading for the second word.
  ///   - buffer: as long as the payload.
  public static func write(_ identity: MessageIdentity, stamp: UInt64?, to buffer: inout [UInt8]) {
    unsafe buffer.withUnsafeMutableBytes { room in
      var out = unsafe OutputRawSpan(buffer: room, initializedCount: 0)
      write(identity, stamp: stamp, bytes: room.count, to: &out)
      _ = unsafe out.finalize(for: room)
    }
  }

  /// Reads the first word of a payload; nil when it is not `bytes` long or too short for one.
  @inline(__always)
  public static func identity(_ payload: RawSpan, bytes: Int) -> MessageIdentity? {
    guard payload.byteCount == bytes, bytes >= bytesLeast else { return nil }
    return unsafe MessageIdentity(
      word: payload.unsafeLoadUnaligned(fromUncheckedByteOffset: 0, as: UInt64.self))
  }

  /// Reads the time of a payload with one; nil when it is too short.
  @inline(__always)
  public static func stamp(_ payload: RawSpan) -> UInt64? {
    guard payload.byteCount >= stampedBytesLeast else { return nil }
    return unsafe payload.unsafeLoadUnaligned(fromUncheckedByteOffset: 8, as: UInt64.self)
  }

  /// True when every byte behind the identity, and the time if there is one, is the pattern's.
  @inline(__always)
  public static func isIntact(
    _ payload: RawSpan, _ identity: MessageIdentity, isStamped: Bool
  ) -> Bool {
    let bytes = payload.byteCount
    let key = identity.word &* multiplier
    let words = bytes >> 3
    var difference: UInt64 = 0
    var word = isStamped ? 2 : 1
    // Offsets stay below `byteCount`: `words` is its eighth, rounded down.
    while word < words {
      let found = unsafe payload.unsafeLoadUnaligned(
        fromUncheckedByteOffset: word &* 8, as: UInt64.self)
      difference |= found ^ (key &+ UInt64(truncatingIfNeeded: word))
      word &+= 1
    }
    for index in words &* 8..<bytes {
      let found = unsafe payload.unsafeLoadUnaligned(
        fromUncheckedByteOffset: index, as: UInt8.self)
      let wanted = UInt8(truncatingIfNeeded: tail(key, words) >> UInt64((index & 7) &* 8))
      difference |= UInt64(found ^ wanted)
    }
    return difference == 0
  }

  // 2^64 divided by the golden ratio: spreads neighbouring numbers over all bits.
  private static let multiplier: UInt64 = 0x9E37_79B9_7F4A_7C15

  @inline(__always)
  private static func tail(_ key: UInt64, _ words: Int) -> UInt64 {
    key &+ UInt64(truncatingIfNeeded: words)
  }
}
