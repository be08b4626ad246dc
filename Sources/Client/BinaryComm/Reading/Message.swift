public import BusLog
public import BusWire

/// A message lent to a closure: it cannot be kept, copy what you need.
///
/// In a lossless reader ``payload`` is the publisher's own memory, read in place. Its bytes were
/// whole when they were lent; a hostile publisher may change them later, so take each decision on
/// a copy, and never read the same byte twice for one.
@frozen @safe
public struct Message: ~Escapable, BitwiseCopyable {
  @usableFromInline let record: Record
  @usableFromInline let topics: Unmanaged<StreamTopics>

  @inlinable @inline(__always)
  @_lifetime(copy record)
  init(_ record: borrowing Record, _ topics: StreamTopics) {
    self.record = copy record
    unsafe self.topics = Unmanaged.passUnretained(topics)
  }

  /// The header's eight words; validated, a private copy.
  @inlinable public var words: HeaderWords { record.header }
  /// When it was published, nanoseconds since the Unix epoch.
  @inlinable public var timestampNs: UInt64 { record.header.word2 }
  /// The publisher's UUID; checked against the log it came from.
  @inlinable public var source: BusUUID {
    BusUUID(word0: record.header.word3, word1: record.header.word4)
  }
  /// Messages of the publisher's stream before this one.
  @inlinable public var sequence: UInt64 { record.sequence }
  /// Messages of that stream that were lost directly before this one; always 0 when lossless.
  @inlinable public var gapBefore: UInt64 { record.gapBefore }

  /// Payload bytes.
  @inlinable
  public var payload: RawSpan {
    @_lifetime(copy self)
    get { record.payload }
  }

  /// Header extension: items, see `ExtensionReader`.
  @inlinable
  public var items: RawSpan {
    @_lifetime(copy self)
    get { record.items }
  }
}

extension Message {
  /// Looks into the stream's topics without a reference of its own, for they outlive the loan.
  @inline(__always)
  func withTopics<Result>(_ body: (StreamTopics) -> Result) -> Result {
    unsafe topics._withUnsafeGuaranteedRef(body)
  }

  /// The topic; empty when the publisher gave none that can be read.
  public var topic: String {
    withTopics { $0.name(words, items, sequence: sequence) }
  }

  /// The publisher's name, from the router.
  public var publisher: String {
    withTopics { $0.publisherName }
  }

  /// The publisher's stream that it came from.
  public var stream: StreamID {
    withTopics { $0.source.stream }
  }

  /// The channel of the publisher's stream: the topic, or what of it the policy makes a channel.
  package var channel: String {
    withTopics { $0.source.channel }
  }

  /// The header; an error's place is taken by an empty event, which validation excludes.
  public var header: MessageHeader {
    (try? MessageHeader(words))
      ?? MessageHeader(type: .event, source: .zero, destination: .zero)
  }

  /// A copy of the payload.
  public var bytes: [UInt8] { unsafe payload.withUnsafeBytes { unsafe Array($0) } }

  /// The blob that the message stands for, nil for an ordinary payload; see ``Blob``.
  public var blobReference: BlobReference? {
    guard payload.byteCount == BlobReference.encodedByteCount else { return nil }
    return BlobReference(bytes)
  }

  /// A copy that may be kept.
  public func copy() -> ReceivedMessage {
    ReceivedMessage(
      topic: topic, payload: bytes, header: header, publisher: publisher, stream: stream,
      sequence: sequence, gapBefore: gapBefore)
  }
}
