import BasicContainers
import BusCounters
import BusLog
import BusMemory
public import BusWire
import CBusABI
import Synchronization

/// How a message is sent.
public struct SendOptions: Sendable, Equatable {
  /// How long a request may take, in nanoseconds; a shorter time left in ``context`` holds.
  public var timeoutNs: UInt64
  /// Emergency and critical messages go through the urgent lane; nil: normal.
  public var priority: Priority?
  /// Of the message this one follows from.
  public var context: MessageContext

  /// Options; by default five seconds, normal priority, and work that starts here.
  public init(
    timeoutNs: UInt64 = 5_000_000_000, priority: Priority? = nil,
    context: MessageContext = MessageContext()
  ) {
    self.timeoutNs = timeoutNs
    self.priority = priority
    self.context = context
  }

  var lane: Lane { Lane(priority) }
}

extension Lane {
  /// The lane of a priority.
  init(_ priority: Priority?) {
    switch priority {
    case .emergency, .critical: self = .urgent
    default: self = .normal
    }
  }
}

extension MessengerContext {
  /// Sends a request to one agent that answers the recipient's name, each in turn.
  ///
  /// Returns the id under which responses and failures come. Throws `wouldBlock` while every
  /// responder has as many requests in flight as it has credit, and while 64 MiB wait for the one
  /// whose turn it is, `noResponders` when nobody
  /// answers the name, `rateLimited` and `tooManyHops` for conversations that run in circles,
  /// `invalid` for a timeout of 0, `timeout` when no time is left.
  public mutating func request(
    _ recipient: Recipient, _ payload: RawSpan, _ options: SendOptions = SendOptions()
  ) throws(BusError) -> UInt32 {
    let (header, now) = try requestHeader(recipient, payload, options)
    let peer = try pick(recipient.index)
    guard mayWait(for: peer, recipient, options.lane) else { throw .wouldBlock }
    try pass(header.context, to: recipient, options.lane, nowNs: now.monotonicNs)
    return try send(header, payload, to: recipient.index, peer, now)
  }

  /// See ``request(_:_:_:)-(_,RawSpan,_)``.
  public mutating func request(
    _ recipient: Recipient, _ payload: [UInt8], _ options: SendOptions = SendOptions()
  ) throws(BusError) -> UInt32 {
    try request(recipient, payload.span.rawBytes, options)
  }

  /// Sends a request to every agent that answers the recipient's name.
  ///
  /// Returns the ids; a responder to whom nothing can be sent shows as the failure of its id, and
  /// holds up no other. Throws before anything is sent: `wouldBlock` while the router has not said
  /// who all of them are (``knowsAll(of:)``), while too few places for requests are free, and while
  /// 64 MiB wait for each of them, `resourceExhausted` for more responders than there are places.
  public mutating func scatter(
    _ recipient: Recipient, _ payload: RawSpan, _ options: SendOptions = SendOptions()
  ) throws(BusError) -> [UInt32] {
    let (header, now) = try requestHeader(recipient, payload, options)
    let everyone = try everybody(recipient.index)
    guard everyone.count <= requests.capacity else {
      throw .resourceExhausted(
        "\(everyone.count) agents answer, and this messenger has places for "
          + "\(requests.capacity) requests: give it a larger requestsMax")
    }
    guard everyone.contains(where: { mayWait(for: $0, recipient, options.lane) }),
      everyone.count <= requests.capacity - requests.count
    else { throw .wouldBlock }
    try pass(header.context, to: recipient, options.lane, nowNs: now.monotonicNs)
    var ids: [UInt32] = []
    for peer in everyone { ids.append(try part(header, payload, to: recipient.index, peer, now)) }
    return ids
  }

  /// See ``scatter(_:_:_:)-(_,RawSpan,_)``.
  public mutating func scatter(
    _ recipient: Recipient, _ payload: [UInt8], _ options: SendOptions = SendOptions()
  ) throws(BusError) -> [UInt32] {
    try scatter(recipient, payload.span.rawBytes, options)
  }

  /// One request of several: what keeps it from being sent becomes its failure.
  private mutating func part(
    _ header: OutboundHeader, _ payload: RawSpan, to recipient: Int, _ peer: Int, _ now: HostTime
  ) throws(BusError) -> UInt32 {
    do throws(BusError) {
      return try send(header, payload, to: recipient, peer, now)
    } catch {
      // Under an id of its own: a place was free before.
      guard let id = requests.passId() else { throw .wouldBlock }
      failures.append(
        RequestFailure(correlationId: id, responder: peers.name(peer), error: error))
      return id
    }
  }

  /// Whether there is memory for one more request that cannot go out at once.
  private mutating func mayWait(for peer: Int?, _ recipient: Recipient, _ lane: Lane) -> Bool {
    guard let peer else { return names.hasMemory(recipient.index) }
    return !peers.has(peer)
      || !peers.places[peer].lanes[LaneKey(peer: peer, lane: lane).place].state.isOutOfMemory
  }

  private mutating func requestHeader(
    _ recipient: Recipient, _ payload: RawSpan, _ options: SendOptions
  ) throws(BusError) -> (OutboundHeader, HostTime) {
    guard options.timeoutNs > 0 else {
      throw .invalid("a timeout of 0 leaves no time to answer; give at least a millisecond")
    }
    try check(recipient, payload)
    let now = now()
    var context = options.context
    context.deadlineNs = try context.deadline(after: options.timeoutNs, from: now.monotonicNs)
    let header = OutboundHeader(
      type: .request, recipient: recipient.index, flags: .replyExpected,
      priority: options.priority, context: context)
    return (header, now)
  }

  mutating func check(_ recipient: Recipient, _ payload: RawSpan) throws(BusError) {
    guard names.indices.contains(recipient.index) else {
      throw .invalid("the recipient was resolved by another messenger; resolve it with this one")
    }
    try checkSize(payload)
    use(recipient.index)
  }

  // Mutating, like all that a message passes through: to lend the context to a method that is not,
  // the compiler copies all of it.
  mutating func checkSize(_ payload: RawSpan) throws(BusError) {
    let limit = payloadBytesMax
    guard payload.byteCount <= limit else {
      throw .payloadTooLarge(bytes: payload.byteCount, limit: limit)
    }
  }

  private mutating func send(
    _ unnumbered: OutboundHeader, _ payload: RawSpan, to recipient: Int, _ peer: Int?,
    _ now: HostTime
  ) throws(BusError) -> UInt32 {
    var header = unnumbered
    let request = PendingRequest(
      to: peer, named: recipient, Lane(header.priority), deadlineNs: header.context.deadlineNs)
    guard let id = requests.add(request) else { throw .wouldBlock }
    header.correlationId = id
    guard let peer else {
      keep(PendingMessage(header: header, payload: payload.copied), for: recipient)
      return id
    }
    do throws(BusError) {
      try send(header, payload, id, to: peer, now)
    } catch {
      requests.remove(id)
      throw error
    }
    return id
  }

  /// Sends a request that has an id to the peer that was chosen for it.
  @inline(__always)
  private mutating func send(
    _ header: OutboundHeader, _ payload: RawSpan, _ id: UInt32, to peer: Int, _ now: HostTime
  ) throws(BusError) {
    let number = try post(header, payload, to: peer, Lane(header.priority), now)
    requests.sent(id, to: peer, number)
    peers.places[peer].inFlight += 1
    statistics.requestsSent &+= 1
  }

  /// Sends a message that waited for its name, the one with that index.
  mutating func dispatch(
    _ header: OutboundHeader, _ payload: RawSpan, to recipient: Int
  ) throws(BusError) {
    let now = now()
    guard header.type == .request else {
      for peer in try everybody(recipient) {
        do throws(BusError) {
          try post(header, payload, to: peer, Lane(header.priority), now)
        } catch {
          drop(header, to: peers.name(peer) ?? Self.forgottenName, error)
        }
      }
      return
    }
    guard requests.find(header.correlationId) != nil else { return }
    guard let peer = try pick(recipient) else {
      keep(PendingMessage(header: header, payload: payload.copied), for: recipient)
      return
    }
    try send(header, payload, header.correlationId, to: peer, now)
  }

  /// The next responder that has credit, nil while nobody knows who answers the name.
  private mutating func pick(_ at: Int) throws(BusError) -> Int? {
    let count = names.peerCount(at)
    guard count > 0 else {
      _ = try names.resolved(at)
      return nil
    }
    for _ in 0..<count {
      let peer = names.nextInRound(at)
      if peers.has(peer), peers.places[peer].inFlight < options.inFlight { return peer }
    }
    throw .wouldBlock
  }

  /// All of a name's responders, empty while not all of them are known.
  mutating func everybody(_ at: Int) throws(BusError) -> [Int] {
    if let why = names.refusal(at) { throw why }
    return knowsAll(at) ? try names.resolved(at) : []
  }

  // MARK: Ends

  /// Asks the responder to stop working on a request.
  ///
  /// What comes of it shows as the request's end: a failure `cancelled`, or the response when it
  /// was finished first, or `peerDied`. Throws `invalid` for a request that has ended, and
  /// `resourceExhausted` while too much waits for its responder: then it may be called again.
  public mutating func cancel(_ correlationId: UInt32) throws(BusError) {
    guard var request = requests.find(correlationId) else {
      throw .invalid("request \(correlationId) has ended already; there is nothing to cancel")
    }
    guard let peer = request.peer, let number = request.number else {
      // It has not left yet.
      end(request, .cancelled("the request was taken back before it was sent"))
      return
    }
    guard !request.isCancelled else { return }
    let header = OutboundHeader(
      type: .command, recipient: nil, flags: .cancel, correlationId: correlationId,
      priority: .critical)
    // The urgent lane's requests lie before their cancel.
    let place = request.lane == .urgent ? .max : number
    let bytes = (0..<Int(BUS_CANCEL_BYTES)).map { at in
      UInt8(truncatingIfNeeded: place >> UInt64(8 * at))
    }
    try post(header, bytes.span.rawBytes, to: peer, .urgent, now())
    // Only now: a cancel for which there is no room is sent by the next one.
    request.isCancelled = true
    requests.update(request)
  }

  /// The requests whose time is over fail.
  mutating func expire(_ nowNs: UInt64) {
    let expired = requests.expired(nowNs)
    guard !expired.isEmpty else { return }
    let isConnected = core.agent.connection.isUp
    for request in expired { end(request, whyLate(request, isConnected: isConnected)) }
  }

  /// Why a request has run out of time.
  private func whyLate(_ request: PendingRequest, isConnected: Bool) -> BusError {
    let name = request.recipient.map { names.text($0) } ?? Self.forgottenName
    if request.number == nil, !isConnected {
      return .noRouter("\(name) could not be reached: no router is there")
    }
    guard let peer = request.peer else {
      return lateness(request.recipient.map { Recipient(index: $0) }, name, isForAll: false)
    }
    return peers.name(peer).flatMap { unreadable.reason($0) } ?? shortage(of: request, peer)
      ?? lateness(nil, name, isForAll: false)
  }

  /// What the log lacks in which a request was to be sent.
  private func shortage(of request: PendingRequest, _ peer: Int) -> BusError? {
    guard request.number == nil, peers.has(peer) else { return nil }
    return peers[LaneKey(peer: peer, lane: request.lane)].state.shortage?.why
  }

  /// A request ends without a response.
  mutating func end(_ request: PendingRequest, _ why: BusError) {
    requests.remove(request.correlationId)
    var responder: String?
    if let peer = request.peer, peers.has(peer) {
      peers.places[peer].inFlight -= 1
      responder = peers.places[peer].name
    }
    failures.append(
      RequestFailure(correlationId: request.correlationId, responder: responder, error: why))
  }

  /// A message that waited cannot be sent.
  ///
  /// A request ends with the reason, anything else is counted.
  mutating func drop(_ header: OutboundHeader, to name: String, _ why: BusError) {
    if header.type == .request {
      if let request = requests.find(header.correlationId) { end(request, why) }
    } else {
      statistics.unsent &+= 1
      if unsent.count < 8 { unsent.append(DeliveryFailure(agent: name, error: why)) }
      countUnsent(DropReason(why), to: name, Lane(header.priority))
    }
  }
}
