public import BusWire

/// A message of one's own, copied out of the log.
public struct ReceivedMessage: Sendable, Equatable {
  /// The topic.
  public var topic: String
  /// Payload bytes.
  public var payload: [UInt8]
  /// The header.
  public var header: MessageHeader
  /// The publisher's name, from the router.
  public var publisher: String
  /// The publisher's stream that it came from.
  public var stream: StreamID
  /// Messages of the publisher's stream before this one.
  public var sequence: UInt64
  /// Messages of that stream that were lost directly before this one.
  public var gapBefore: UInt64

  /// The blob that the message stands for, nil for an ordinary payload; see ``Blob``.
  public var blobReference: BlobReference? { BlobReference(payload) }
}
