import BusCounters
import BusLog
import BusMemory
public import BusWire

extension MessengerContext {
  /// Answers a request; with `more`, another response to it follows.
  ///
  /// Throws `peerDied` when the requester has ended: the reply is dropped, nobody else may have it.
  public mutating func reply(
    to request: InboxMessage, _ payload: RawSpan, more: Bool = false
  ) throws(BusError) {
    try checkSize(payload)
    try respond(request, .response, more ? .streamed : [], payload)
    statistics.responsesSent &+= 1
  }

  /// See ``reply(to:_:more:)-(_,RawSpan,_)``.
  public mutating func reply(
    to request: InboxMessage, _ payload: [UInt8], more: Bool = false
  ) throws(BusError) {
    try reply(to: request, payload.span.rawBytes, more: more)
  }

  /// Answers a request with an error; the codes below 1000 are the bus's own.
  public mutating func fail(
    _ request: InboxMessage, code: UInt32, _ text: String
  ) throws(BusError) {
    let failure = RemoteFailure(code: code, text: text).encoded
    try respond(request, .error, [], failure.span.rawBytes)
    statistics.errorsSent &+= 1
  }

  /// Answers a request with what its handler threw.
  public mutating func fail(_ request: InboxMessage, _ error: BusError) throws(BusError) {
    let failure = RemoteFailure(error)
    try fail(request, code: failure.code, failure.text)
  }

  private mutating func respond(
    _ request: InboxMessage, _ type: MessageType, _ flags: MessageFlags, _ payload: RawSpan
  ) throws(BusError) {
    guard request.kind == .request else {
      throw .invalid("only a request can be answered; this message is \(request.kind)")
    }
    guard peers.has(request.peer) else {
      countUnsent(.peerGone, to: Self.forgottenName, request.lane)
      throw .peerDied("the requester has ended, its reply is dropped")
    }
    let header = OutboundHeader(
      type: type, recipient: nil, flags: flags, correlationId: request.correlationId,
      priority: request.lane == .urgent ? .critical : nil)
    try post(
      header, payload, to: request.peer.index, request.lane, now(),
      until: request.context.deadlineNs)
  }

  /// Sends a fact to an agent, or to every member of a team; returns to how many.
  ///
  /// 0 when the router has not said yet who all of them are (``knowsAll(of:)``): then it is sent
  /// when it does. A member that cannot be reached keeps it from no other; throws when none could
  /// be reached.
  @discardableResult
  public mutating func send(
    _ recipient: Recipient, _ payload: RawSpan, _ options: SendOptions = SendOptions()
  ) throws(BusError) -> Int {
    try deliver(recipient, payload, options).sent
  }

  /// See ``send(_:_:_:)-(_,RawSpan,_)``.
  @discardableResult
  public mutating func send(
    _ recipient: Recipient, _ payload: [UInt8], _ options: SendOptions = SendOptions()
  ) throws(BusError) -> Int {
    try send(recipient, payload.span.rawBytes, options)
  }

  /// Sends a fact to an agent, or to every member of a team; returns what became of it.
  ///
  /// Throws when none could be reached.
  public mutating func deliver(
    _ recipient: Recipient, _ payload: RawSpan, _ options: SendOptions = SendOptions()
  ) throws(BusError) -> Delivery {
    try sentToSome(tell(recipient, .event, payload, options))
  }

  /// See ``deliver(_:_:_:)-(_,RawSpan,_)``.
  public mutating func deliver(
    _ recipient: Recipient, _ payload: [UInt8], _ options: SendOptions = SendOptions()
  ) throws(BusError) -> Delivery {
    try deliver(recipient, payload.span.rawBytes, options)
  }

  /// Sends an order to an agent, or to every member of a team; returns to how many.
  @discardableResult
  public mutating func command(
    _ recipient: Recipient, _ payload: RawSpan, _ options: SendOptions = SendOptions()
  ) throws(BusError) -> Int {
    try sentToSome(tell(recipient, .command, payload, options)).sent
  }

  /// See ``command(_:_:_:)-(_,RawSpan,_)``.
  @discardableResult
  public mutating func command(
    _ recipient: Recipient, _ payload: [UInt8], _ options: SendOptions = SendOptions()
  ) throws(BusError) -> Int {
    try command(recipient, payload.span.rawBytes, options)
  }

  /// Throws why a message could be sent to none of those it is for.
  private func sentToSome(_ delivery: Delivery) throws(BusError) -> Delivery {
    if delivery.sent == 0, let first = delivery.failures.first { throw first.error }
    return delivery
  }

  /// The same for an event or a command; returns what became of it, also where it reached nobody.
  package mutating func deliver(
    _ recipient: Recipient, isCommand: Bool, _ payload: [UInt8], _ options: SendOptions
  ) throws(BusError) -> Delivery {
    try tell(recipient, isCommand ? .command : .event, payload.span.rawBytes, options)
  }

  private mutating func tell(
    _ recipient: Recipient, _ type: MessageType, _ payload: RawSpan, _ options: SendOptions
  ) throws(BusError) -> Delivery {
    try check(recipient, payload)
    let now = now()
    let header = OutboundHeader(
      type: type, recipient: recipient.index, priority: options.priority, context: options.context)
    let everyone = try everybody(recipient.index)
    guard !everyone.isEmpty || names.hasRoom(recipient.index) else { throw .wouldBlock }
    // Last, so that what is tried again does not count as sent.
    try pass(options.context, to: recipient, options.lane, nowNs: now.monotonicNs)
    guard !everyone.isEmpty else {
      keep(PendingMessage(header: header, payload: payload.copied), for: recipient.index)
      return Delivery()
    }
    var delivery = Delivery()
    for peer in everyone {
      do throws(BusError) {
        try post(header, payload, to: peer, options.lane, now)
        delivery.sent += 1
      } catch {
        delivery.failures.append(
          DeliveryFailure(agent: peers.name(peer) ?? Self.forgottenName, error: error))
      }
    }
    statistics.eventsSent &+= UInt64(delivery.sent)
    return delivery
  }

  /// Whether so much waits for a peer that further replies to it should pause.
  public func isCrowded(_ peer: PeerID, _ lane: Lane) -> Bool {
    peers.has(peer) && peers[LaneKey(peer: peer.index, lane: lane)].state.isCrowded
  }
}
