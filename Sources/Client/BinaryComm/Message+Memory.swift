public import BusWire

extension Message {
  /// The topic; empty when the publisher gave none that can be read.
  public var topic: String {
    unsafe topics._withUnsafeGuaranteedRef { $0.name(words, items) }
  }

  /// The publisher's name, from the router.
  public var publisher: String {
    unsafe topics._withUnsafeGuaranteedRef { $0.publisherName }
  }

  /// The header; an error's place is taken by an empty event, which validation excludes.
  public var header: MessageHeader {
    (try? MessageHeader(words))
      ?? MessageHeader(type: .event, source: .zero, destination: .zero)
  }

  /// A copy that may be kept.
  public func copy() -> ReceivedMessage {
    let bytes = unsafe payload.withUnsafeBytes { unsafe Array($0) }
    return ReceivedMessage(
      topic: topic, payload: bytes, header: header, publisher: publisher, sequence: sequence,
      gapBefore: gapBefore)
  }
}

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
  /// Messages of the publisher's stream before this one.
  public var sequence: UInt64
  /// Messages of that stream that were lost directly before this one.
  public var gapBefore: UInt64
}
