extension Span<UInt8> {
  /// The same bytes without a type.
  @usableFromInline package var rawBytes: RawSpan {
    @_lifetime(copy self)
    get { unsafe self.bytes }
  }
}

extension [UInt8] {
  /// `count` bytes of which `body` writes a part; the rest is zero.
  init(unwritten count: Int, _ body: (inout OutputRawSpan) -> Void) {
    self = unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
      let room = UnsafeMutableRawBufferPointer(buffer)
      var out = unsafe OutputRawSpan(buffer: room, initializedCount: 0)
      body(&out)
      unsafe out.append(repeating: 0, count: count - out.byteCount, as: UInt8.self)
      initialized = count
    }
  }
}

extension RawSpan {
  /// The eight bytes at an offset, as a little-endian number; the caller has checked the count.
  @inline(__always)
  func word(at offset: Int) -> UInt64 {
    unsafe unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self)
  }
}

extension Span<UInt64> {
  /// The same numbers as bytes.
  var rawBytes: RawSpan {
    @_lifetime(copy self)
    get { unsafe self.bytes }
  }
}
