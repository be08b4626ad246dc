/// Tells a reader that a stream that one of its subscriptions should read was not handed over.
///
/// Messages of that publisher on that channel do not reach the subscription: it is for the program
/// to decide what that means. News of the router, so never an answer; the same stream is not named
/// twice for one subscription.
public struct MissedFrame: Hashable, Sendable {
  /// The agent's own number of the subscription.
  public var subscription: UInt32 = 0
  /// The stream; 0: others than were named, whose publishers and channels are not told.
  public var stream = StreamID(0)
  /// The name of the publisher.
  public var publisherName = ""
  /// The channel of the stream.
  public var channel = ""
  /// Why, as a `BusErrorCode`.
  public var code: UInt16 = 0
  /// Why, and what to do, one sentence.
  public var text = ""

  init() {}

  /// Takes the fields in the order of the wire.
  public init(
    subscription: UInt32, stream: StreamID, publisherName: String, channel: String, code: UInt16,
    text: String
  ) {
    self.subscription = subscription
    self.stream = stream
    self.publisherName = publisherName
    self.channel = channel
    self.code = code
    self.text = text
  }
}

extension MissedFrame: ControlBody {
  mutating func code(_ coder: inout some FieldCoder) throws(ControlError) {
    try coder.u32(&subscription)
    try coder.number(&stream)
    try coder.text(&publisherName)
    try coder.text(&channel)
    try coder.u16(&code)
    try coder.text(&text)
  }
}
