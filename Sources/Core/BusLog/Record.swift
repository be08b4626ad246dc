public import BusWire

/// One message as it lies in a log, lent for the length of a closure.
///
/// In a lossless reader the spans point into the shared ring; a publisher that breaks the rules
/// may still change those bytes, so take decisions on a copy and never read the same byte twice
/// for one. In a lossy reader they point into a private, checked copy.
@frozen
public struct Record: ~Copyable, ~Escapable {
  /// The header; validated, a private copy.
  public let header: HeaderWords
  /// Header extension: zero or more items, not yet parsed.
  public let items: RawSpan
  /// Payload.
  public let payload: RawSpan
  /// Messages of the stream before this one.
  public let sequence: UInt64
  /// Messages of the stream that were lost to this reader directly before this one.
  public let gapBefore: UInt64

  @inlinable @inline(__always)
  @_lifetime(copy items, copy payload)
  init(
    header: HeaderWords, items: RawSpan, payload: RawSpan, sequence: UInt64, gapBefore: UInt64
  ) {
    self.header = header
    self.items = items
    self.payload = payload
    self.sequence = sequence
    self.gapBefore = gapBefore
  }
}
