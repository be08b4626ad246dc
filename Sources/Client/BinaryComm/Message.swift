public import BusLog
public import BusWire

/// A message lent to a closure: it cannot be kept, copy what you need.
///
/// In a lossless reader ``payload`` is the publisher's own memory, read in place. Its bytes were
/// whole when they were lent; a hostile publisher may change them later, so take each decision on
/// a copy, and never read the same byte twice for one.
@frozen @safe
public struct Message: ~Copyable, ~Escapable {
  /// The header's eight words; validated, a private copy.
  public let words: HeaderWords
  /// Header extension: items, see `ExtensionReader`.
  public let items: RawSpan
  /// Payload bytes.
  public let payload: RawSpan
  /// Messages of the publisher's stream before this one.
  public let sequence: UInt64
  /// Messages of that stream that were lost directly before this one; always 0 when lossless.
  public let gapBefore: UInt64
  @usableFromInline let topics: Unmanaged<StreamTopics>

  @inlinable @inline(__always)
  @_lifetime(copy record)
  init(_ record: borrowing Record, _ topics: Unmanaged<StreamTopics>) {
    words = record.header
    items = record.items
    payload = record.payload
    sequence = record.sequence
    gapBefore = record.gapBefore
    unsafe self.topics = topics
  }

  /// When it was published, nanoseconds since the Unix epoch.
  @inlinable public var timestampNs: UInt64 { words.word2 }
  /// The publisher's UUID; checked against the log it came from.
  @inlinable public var source: BusUUID { BusUUID(word0: words.word3, word1: words.word4) }
}
