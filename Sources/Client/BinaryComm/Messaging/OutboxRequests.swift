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

extension Outbox {
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
    let (letter, now) = try requestLetter(recipient, payload, options)
    let line = try pick(recipient.index)
    guard mayWait(for: line, recipient, letter) else { throw .wouldBlock }
    try pass(letter.context, to: recipient, options.lane, nowNs: now.monotonicNs)
    return try send(letter, payload, to: recipient.index, line, now)
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
    let (letter, now) = try requestLetter(recipient, payload, options)
    let peers = try everybody(recipient.index)
    guard peers.count <= pending.capacity else {
      throw .resourceExhausted(
        "\(peers.count) agents answer, and this messenger has places for \(pending.capacity) "
          + "requests: give it a larger requestsMax")
    }
    guard peers.contains(where: { mayWait(for: $0, recipient, letter) }),
      peers.count <= pending.capacity - pending.count
    else { throw .wouldBlock }
    try pass(letter.context, to: recipient, options.lane, nowNs: now.monotonicNs)
    var ids: [UInt32] = []
    for line in peers { ids.append(try part(letter, payload, to: recipient.index, line, now)) }
    return ids
  }

  /// One request of several: what keeps it from being sent becomes its failure.
  private mutating func part(
    _ template: OutboundHeader, _ payload: RawSpan, to recipient: Int, _ line: Int,
    _ now: HostTime
  ) throws(BusError) -> UInt32 {
    do throws(BusError) {
      return try send(template, payload, to: recipient, line, now)
    } catch {
      // Under an id of its own, taken and given back: a place was free before.
      guard let id = pending.add(PendingRequest()) else { throw .wouldBlock }
      pending.remove(id)
      failures.append(RequestFailure(correlationId: id, responder: lineName(line), error: error))
      return id
    }
  }

  /// Whether there is memory for one more request that cannot go out at once.
  private mutating func mayWait(
    for line: Int?, _ recipient: Recipient, _ letter: OutboundHeader
  ) -> Bool {
    guard let line else { return names.hasMemory(recipient.index) }
    guard let peer = unsafe lines.at(line) else { return true }
    let lane = unsafe peer.pointee.lane(Lane(letter.priority))
    return unsafe lane.pointee.waiting.bytes < OutboundLane.waitingBytesMax
  }

  private mutating func requestLetter(
    _ recipient: Recipient, _ payload: RawSpan, _ options: SendOptions
  ) throws(BusError) -> (OutboundHeader, HostTime) {
    guard options.timeoutNs > 0 else {
      throw .invalid("a timeout of 0 leaves no time to answer; give at least a millisecond")
    }
    try check(recipient, payload)
    let now = now()
    var context = options.context
    context.deadlineNs = try context.deadline(after: options.timeoutNs, from: now.monotonicNs)
    let letter = OutboundHeader(
      type: .request, recipient: recipient.index, flags: .replyExpected,
      priority: options.priority, context: context)
    return (letter, now)
  }

  mutating func check(_ recipient: Recipient, _ payload: RawSpan) throws(BusError) {
    guard names.indices.contains(recipient.index) else {
      throw .invalid("the recipient was resolved by another messenger; resolve it with this one")
    }
    let limit = payloadBytesMax
    guard payload.byteCount <= limit else {
      throw .payloadTooLarge(bytes: payload.byteCount, limit: limit)
    }
    use(recipient.index)
  }

  private mutating func send(
    _ template: OutboundHeader, _ payload: RawSpan, to recipient: Int, _ line: Int?,
    _ now: HostTime
  ) throws(BusError) -> UInt32 {
    var letter = template
    var waiting = PendingRequest()
    waiting.recipient = recipient
    waiting.deadlineNs = letter.context.deadlineNs ?? .max
    waiting.line = line
    waiting.isUrgent = Lane(letter.priority) == .urgent
    guard let id = pending.add(waiting) else { throw .wouldBlock }
    letter.correlationId = id
    nextExpiryNs = min(nextExpiryNs, waiting.deadlineNs)
    guard let line else {
      let bytes = unsafe payload.withUnsafeBytes { unsafe Array($0) }
      keep(PendingMessage(letter: letter, payload: bytes), for: recipient)
      return id
    }
    do throws(BusError) {
      waiting.number = try post(letter, payload, to: line, Lane(letter.priority), now)
    } catch {
      pending.remove(id)
      throw error
    }
    waiting.correlationId = id
    pending.update(waiting)
    unsafe lines.at(line)?.pointee.inFlight += 1
    statistics.requestsSent &+= 1
    return id
  }

  /// Sends a message that waited for its name, the one with that index.
  mutating func dispatch(
    _ letter: OutboundHeader, _ payload: RawSpan, to recipient: Int
  ) throws(BusError) {
    let now = now()
    guard letter.type == .request else {
      for line in try everybody(recipient) {
        do throws(BusError) {
          try post(letter, payload, to: line, Lane(letter.priority), now)
        } catch {
          drop(letter, to: lineName(line) ?? Self.forgottenName, error)
        }
      }
      return
    }
    guard var waiting = pending.find(letter.correlationId) else { return }
    guard let line = try pick(recipient) else {
      let bytes = unsafe payload.withUnsafeBytes { unsafe Array($0) }
      keep(PendingMessage(letter: letter, payload: bytes), for: recipient)
      return
    }
    waiting.line = line
    waiting.number = try post(letter, payload, to: line, Lane(letter.priority), now)
    pending.update(waiting)
    unsafe lines.at(line)?.pointee.inFlight += 1
    statistics.requestsSent &+= 1
  }

  /// The next responder that has credit, nil while nobody knows who answers the name.
  private mutating func pick(_ at: Int) throws(BusError) -> Int? {
    let count = names.peerCount(at)
    guard count > 0 else {
      _ = try names.resolved(at)
      return nil
    }
    for _ in 0..<count {
      let line = names.nextInRound(at)
      if let peer = unsafe lines.at(line), unsafe peer.pointee.inFlight < options.inFlight {
        return line
      }
    }
    throw .wouldBlock
  }

  /// The lines of all of a name's responders, empty while not all of them are known.
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
    guard var request = pending.find(correlationId) else {
      throw .invalid("request \(correlationId) has ended already; there is nothing to cancel")
    }
    guard let line = request.line, let number = request.number else {
      // It has not left yet.
      end(request, .cancelled("the request was taken back before it was sent"))
      return
    }
    guard !request.isCancelled else { return }
    let letter = OutboundHeader(
      type: .command, recipient: nil, flags: .cancel, correlationId: correlationId,
      priority: .critical)
    let bytes = (0..<Int(BUS_CANCEL_BYTES)).map { place in
      UInt8(truncatingIfNeeded: (request.isUrgent ? .max : number) >> UInt64(8 * place))
    }
    try post(letter, bytes.span.rawBytes, to: line, .urgent, now())
    // Only now: a cancel for which there is no room is sent by the next one.
    request.isCancelled = true
    pending.update(request)
  }

  /// The requests whose time is over fail.
  mutating func expire(_ nowNs: UInt64) {
    guard nowNs >= nextExpiryNs else { return }
    let isConnected = core.agent.connection.isUp
    for request in pending.all(where: { $0.deadlineNs <= nowNs }) {
      let name = request.recipient.map { names.text($0) } ?? Self.forgottenName
      if request.number == nil, !isConnected {
        end(request, .noRouter("\(name) could not be reached: no router is there"))
      } else {
        let peer = request.line.flatMap { lineName($0) }
        let missing = peer.flatMap { unreadable[$0] } ?? shortage(of: request)
        let unsent = request.line == nil ? request.recipient.map { Recipient(index: $0) } : nil
        end(request, missing ?? lateness(unsent, name, isForAll: false))
      }
    }
    // Requests that end one by one are looked for at most once a millisecond: the table is large.
    let next = pending.all { _ in true }.map(\.deadlineNs).min() ?? .max
    nextExpiryNs = next == .max ? .max : max(next, nowNs &+ 1_000_000)
  }

  /// What the log lacks in which a request was to be sent.
  private func shortage(of request: PendingRequest) -> BusError? {
    guard request.number == nil, let line = request.line, let peer = unsafe lines.at(line) else {
      return nil
    }
    return unsafe peer.pointee.lane(request.isUrgent ? .urgent : .normal).pointee.shortage?.why
  }

  /// A request ends without a response.
  mutating func end(_ request: PendingRequest, _ why: BusError) {
    pending.remove(request.correlationId)
    var responder: String?
    if let line = request.line, let peer = unsafe lines.at(line) {
      unsafe peer.pointee.inFlight -= 1
      responder = unsafe peer.pointee.name
    }
    failures.append(
      RequestFailure(correlationId: request.correlationId, responder: responder, error: why))
  }

  /// Whether a message that waited is still to be sent.
  func isWanted(_ letter: OutboundHeader) -> Bool {
    letter.type != .request || pending.find(letter.correlationId) != nil
  }

  /// A request that waited lies in the log now.
  mutating func noteNumber(of letter: OutboundHeader, _ number: UInt64) {
    guard letter.type == .request, var request = pending.find(letter.correlationId) else { return }
    request.number = number
    pending.update(request)
  }

  /// A message that waited cannot be sent.
  ///
  /// A request ends with the reason, anything else is counted.
  mutating func drop(_ letter: OutboundHeader, to name: String, _ why: BusError) {
    if letter.type == .request {
      if let request = pending.find(letter.correlationId) { end(request, why) }
    } else {
      statistics.unsent &+= 1
      if unsent.count < 8 { unsent.append(DeliveryFailure(agent: name, error: why)) }
      countUnsent(DropReason(why), to: name, Lane(letter.priority))
    }
  }
}
