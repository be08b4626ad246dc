// The one file of BusWire that touches raw memory: bytes become integers and back.
import CBusPlatform

#if _endian(big)
  #error("the wire is little-endian, and so must the host be")
#endif

extension RawSpan {
  /// Reads a little-endian integer that may lie at any address.
  ///
  /// The caller has checked that its bytes are there; the load never reads outside the span.
  @inlinable @inline(__always)
  func load<T: FixedWidthInteger & BitwiseCopyable>(_ offset: Int, as type: T.Type) -> T {
    unsafe unsafeLoadUnaligned(fromByteOffset: offset, as: type)
  }

  /// Reads the eight words of a header; the caller has checked that 64 bytes are there.
  @inlinable @inline(__always)
  func loadHeaderWords() -> HeaderWords {
    // Word by word, so that the check works in registers.
    HeaderWords(
      load(0, as: UInt64.self), load(8, as: UInt64.self), load(16, as: UInt64.self),
      load(24, as: UInt64.self), load(32, as: UInt64.self), load(40, as: UInt64.self),
      load(48, as: UInt64.self), load(56, as: UInt64.self))
  }

  /// A copy of the bytes.
  package var copied: [UInt8] { unsafe withUnsafeBytes { unsafe [UInt8]($0) } }

  /// The bytes as text, nil when they are not UTF-8.
  var text: String? {
    unsafe withUnsafeBytes { unsafe String(validating: $0, as: UTF8.self) }
  }

  /// True when a byte of this value is among the bytes.
  func contains(_ byte: UInt8) -> Bool { unsafe withUnsafeBytes { unsafe $0.contains(byte) } }

  /// Continues a CRC32C over the bytes with the CPU's own instruction.
  func crc32cByHardware(continuing crc: UInt32) -> UInt32 {
    unsafe withUnsafeBytes { unsafe plat_crc32c(crc, $0.baseAddress, $0.count) }
  }
}

extension OutputRawSpan {
  /// Appends an integer in little-endian order; the caller has checked that there is room.
  @inlinable @inline(__always)
  @_lifetime(self: copy self)
  mutating func append<T: FixedWidthInteger & BitwiseCopyable>(word value: T) {
    unsafe append(value, as: T.self)
  }

  /// Appends the eight words of a header; the caller has checked that there is room.
  @inlinable @inline(__always)
  @_lifetime(self: copy self)
  mutating func append(words: HeaderWords) { unsafe append(words, as: HeaderWords.self) }

  /// Appends zero bytes; the caller has checked that there is room.
  @_lifetime(self: copy self)
  mutating func append(zeros count: Int) {
    unsafe append(repeating: 0, count: count, as: UInt8.self)
  }

  /// Appends a copy of the bytes; the caller has checked that there is room.
  @_lifetime(self: copy self)
  mutating func append(copying bytes: [UInt8]) {
    unsafe withUnsafeMutableBytes { room, filled in
      unsafe UnsafeMutableRawBufferPointer(rebasing: room[filled...]).copyBytes(from: bytes)
      filled += bytes.count
    }
  }
}

extension [UInt8] {
  /// Makes an array of at most `capacity` bytes by writing it in place.
  init(capacity: Int, writing write: (inout OutputRawSpan) -> Void) {
    unsafe self.init(unsafeUninitializedCapacity: capacity) { room, filled in
      var out = unsafe OutputRawSpan(
        buffer: UnsafeMutableRawBufferPointer(room), initializedCount: 0)
      write(&out)
      filled = out.byteCount
    }
  }

  /// Lends the bytes as a span.
  func withRawSpan<R, E: Error>(_ body: (RawSpan) throws(E) -> R) throws(E) -> R {
    try unsafe body(span.bytes)
  }
}
