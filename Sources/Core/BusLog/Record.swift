public import BusWire

/// One message as it lies in a log, lent for the length of a closure.
///
/// In a lossless reader the spans point into the shared ring; a publisher that breaks the rules
/// may still change those bytes, so take decisions on a copy and never read the same byte twice
/// for one. In a lossy reader they point into a private, checked copy.
@frozen @safe
public struct Record: ~Escapable, BitwiseCopyable {
  // Addresses, not the values: a struct of more than a few words that cannot escape is destroyed
  // through its type's witness table, two indirect calls for each message.
  @usableFromInline let words: UnsafePointer<HeaderWords>
  @usableFromInline let body: UnsafeRawPointer
  /// Messages of the stream before this one.
  public let sequence: UInt64
  /// Messages of the stream that were lost to this reader directly before this one.
  public let gapBefore: UInt64

  @inlinable @inline(__always)
  @_lifetime(immortal)  // what bounds it is the closure it is lent to
  init(
    header words: UnsafeMutablePointer<HeaderWords>, body: UnsafeRawPointer, sequence: UInt64,
    gapBefore: UInt64
  ) {
    unsafe self.words = UnsafePointer(words)
    unsafe self.body = body
    self.sequence = sequence
    self.gapBefore = gapBefore
  }

  /// The header; validated, a private copy.
  @inlinable @inline(__always)
  public var header: HeaderWords { unsafe words.pointee }

  /// Header extension: zero or more items, not yet parsed.
  @inlinable
  public var items: RawSpan {
    @_lifetime(copy self) @inline(__always)
    get {
      let span = unsafe RawSpan(_unsafeStart: body, byteCount: Int(header.extensionLength))
      return unsafe _overrideLifetime(span, copying: self)
    }
  }

  /// Payload.
  @inlinable
  public var payload: RawSpan {
    @_lifetime(copy self) @inline(__always)
    get {
      let start = unsafe body + Int(header.extensionLength)
      let span = unsafe RawSpan(_unsafeStart: start, byteCount: Int(header.length))
      return unsafe _overrideLifetime(span, copying: self)
    }
  }
}
