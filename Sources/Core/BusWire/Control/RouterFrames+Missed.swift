/// Tells a reader that a stream that one of its subscriptions should read was not handed over.
///
/// Messages of that publisher on that channel do not reach the subscription: it is for the program
/// to decide what that means. News of the router, so never an answer; the same stream is not named
/// twice for one subscription.
public struct MissedFrame: Hashable, Sendable {
  /// The agent's own number of the subscription.
  public var subscription: UInt32
  /// The name of the publisher.
  public var publisherName: String
  /// The channel of the stream.
  public var channel: String
  /// Why, as a `BusErrorCode`.
  public var code: UInt16
  /// Why, and what to do, one sentence.
  public var text: String

  /// Takes the fields in the order of the wire.
  public init(
    subscription: UInt32, publisherName: String, channel: String, code: UInt16, text: String
  ) {
    self.subscription = subscription
    self.publisherName = publisherName
    self.channel = channel
    self.code = code
    self.text = text
  }
}

extension MissedFrame: ControlBody {
  init(from reader: inout ControlReader) throws(ControlError) {
    subscription = try reader.u32()
    publisherName = try reader.text()
    channel = try reader.text()
    code = try reader.u16()
    text = try reader.text()
  }

  func write(to writer: inout ControlWriter) {
    writer.u32(subscription)
    writer.text(publisherName)
    writer.text(channel)
    writer.u16(code)
    writer.text(text)
  }
}
