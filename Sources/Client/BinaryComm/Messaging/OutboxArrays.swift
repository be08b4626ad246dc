import BusWire

// The same calls for payloads that lie in arrays.

extension Outbox {
  /// See ``request(_:_:_:)-(_,RawSpan,_)``.
  public mutating func request(
    _ recipient: Recipient, _ payload: [UInt8], _ options: SendOptions = SendOptions()
  ) throws(BusError) -> UInt32 {
    try request(recipient, payload.span.rawBytes, options)
  }

  /// See ``scatter(_:_:_:)-(_,RawSpan,_)``.
  public mutating func scatter(
    _ recipient: Recipient, _ payload: [UInt8], _ options: SendOptions = SendOptions()
  ) throws(BusError) -> [UInt32] {
    try scatter(recipient, payload.span.rawBytes, options)
  }

  /// See ``reply(to:_:more:)-(_,RawSpan,_)``.
  public mutating func reply(
    to request: InboxMessage, _ payload: [UInt8], more: Bool = false
  ) throws(BusError) {
    try reply(to: request, payload.span.rawBytes, more: more)
  }

  /// See ``send(_:_:_:)-(_,RawSpan,_)``.
  @discardableResult
  public mutating func send(
    _ recipient: Recipient, _ payload: [UInt8], _ options: SendOptions = SendOptions()
  ) throws(BusError) -> Int {
    try send(recipient, payload.span.rawBytes, options)
  }

  /// See ``deliver(_:_:_:)-(_,RawSpan,_)``.
  public mutating func deliver(
    _ recipient: Recipient, _ payload: [UInt8], _ options: SendOptions = SendOptions()
  ) throws(BusError) -> Delivery {
    try deliver(recipient, payload.span.rawBytes, options)
  }

  /// See ``command(_:_:_:)-(_,RawSpan,_)``.
  @discardableResult
  public mutating func command(
    _ recipient: Recipient, _ payload: [UInt8], _ options: SendOptions = SendOptions()
  ) throws(BusError) -> Int {
    try command(recipient, payload.span.rawBytes, options)
  }
}
