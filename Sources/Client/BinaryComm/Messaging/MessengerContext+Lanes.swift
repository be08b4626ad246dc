import BasicContainers
import BusLog
import BusMemory
import BusWire

// Logs to peers: what is written to one, and what waits for one or for room in it.

extension MessengerContext {
  /// Sends to a peer: at once where there is a log with room in it, else later, in order.
  ///
  /// Returns the message's number in its lane, nil for one that waits. Throws when too much waits
  /// already, or the peer cannot be reached.
  @discardableResult
  mutating func post(
    _ header: OutboundHeader, _ payload: RawSpan, to peer: Int, _ lane: Lane, _ now: HostTime,
    until deadlineNs: UInt64? = nil
  ) throws(BusError) -> UInt64? {
    guard peers.has(peer) else { throw .peerDied("the agent has ended") }
    let key = LaneKey(peer: peer, lane: lane)
    if peers.places[peer].lanes[key.place].state.isOpen {
      do throws(BusError) {
        if let number = try write(header, payload, key, now) { return number }
      } catch {
        guard peers[key].state.outlasts(error, header, now.monotonicNs) else { throw error }
      }
    }
    try keep(header, payload, key, now, until: deadlineNs)
    return nil
  }

  /// Writes into the log and returns the message's number; nil: there is no room now.
  private mutating func write(
    _ header: OutboundHeader, _ payload: RawSpan, _ key: LaneKey, _ now: HostTime
  ) throws(BusError) -> UInt64? {
    var destination = peers.places[key.peer].id
    var isNamed = false
    if let recipient = header.recipient {
      let id =
        peers.places[key.peer].lanes[key.place].knownTopicId(of: recipient)
        ?? peers.places[key.peer].lanes[key.place].topicId(
          of: recipient, named: names.text(recipient))
      isNamed = id == LogTopicTable.inExtension
      destination = BusUUID(topicId: id)
    }
    var head = LogWriter.Head(
      type: header.type, destination: destination, priority: header.priority,
      flags: header.flags, correlationId: header.correlationId)
    head.urgency |= UInt64(header.context.hops) &<< 40
    guard let number = try write(header, head, payload, isNamed: isNamed, key, now) else {
      return nil
    }
    sentNs = now.unixNs
    if peers.places[key.peer].lanes[key.place].markDirty() { dirty.append(key) }
    return number
  }

  /// The same with the extension that it needs.
  @inline(__always)
  private mutating func write(
    _ header: OutboundHeader, _ head: LogWriter.Head, _ payload: RawSpan, isNamed: Bool,
    _ key: LaneKey, _ now: HostTime
  ) throws(BusError) -> UInt64? {
    if _slowPath(isNamed || !header.context.isPlain) {
      let items = try items(of: header, isNamed: isNamed, now.monotonicNs)
      return try peers.places[key.peer].lanes[key.place].write(
        head, items.span.rawBytes, payload, stamp: now.unixNs)
    }
    // The usual time goes without saying, which keeps a short request in two lines.
    let left = header.context.timeLeft(now.monotonicNs)
    guard let left, header.type != .request || left != WireLimit.deadlineDefaultNs else {
      return try peers.places[key.peer].lanes[key.place].write(head, payload, stamp: now.unixNs)
    }
    let item = LoneDeadline(left)
    return try peers.places[key.peer].lanes[key.place].write(
      head, item.bytes, payload, stamp: now.unixNs)
  }

  private mutating func items(
    of header: OutboundHeader, isNamed: Bool, _ nowNs: UInt64
  ) throws(BusError) -> [UInt8] {
    var items = MessageExtension()
    if isNamed, let recipient = header.recipient { items.topic = names.text(recipient) }
    items.conversationId = header.context.conversation
    items.traceContext = header.context.trace
    items.deadlineNs = header.context.timeLeft(nowNs)
    do throws(WireError) {
      return try items.encoded()
    } catch {
      throw .invalid("\(error)")
    }
  }

  // MARK: What waits

  private mutating func keep(
    _ header: OutboundHeader, _ payload: RawSpan, _ key: LaneKey, _ now: HostTime,
    until deadlineNs: UInt64?
  ) throws(BusError) {
    guard !isClosed else { throw Self.closedError }
    switch peers[key].state.phase {
    case .refused(let why): throw why
    case .none:
      do throws(BusError) {
        try begin(key, now.monotonicNs)
      } catch {
        guard peers[key].state.outlasts(error, header, now.monotonicNs) else {
          throw error
        }
      }
    case .making, .ready: break
    }
    let message = PendingMessage(
      header: header, payload: payload.copied, keptNs: now.monotonicNs,
      deadlineNs: header.context.deadlineNs ?? deadlineNs)
    if peers[key].state.waiting.isEmpty { markWaiting(key) }
    guard peers[key].state.enqueue(message) else {
      let waiting = peers[key].state.waiting
      let name = peers.places[key.peer].name
      countUnsent(.queueFull, to: name, key.lane)
      throw .resourceExhausted(
        "\(waiting.count) messages with \(waiting.bytes) bytes wait for \(name) already: it "
          + "does not read its inbox, or no larger log to it could be made", cause: .queue)
    }
  }

  mutating func markWaiting(_ key: LaneKey) {
    if !waitingLanes.contains(key) { waitingLanes.append(key) }
  }

  /// Whom messages wait for, and what for.
  package var stalled: [DeliveryFailure] {
    waitingLanes.compactMap { key in
      guard peers.has(key.peer), !peers[key].state.waiting.isEmpty else {
        return nil
      }
      let name = peers.places[key.peer].name
      let late = BusError.timeout("\(name) did not make room for the message in time")
      return DeliveryFailure(
        agent: name, error: peers[key].state.shortage?.why ?? late)
    }
  }

  /// Sends what waited in all lanes and has room now.
  mutating func sendWaiting() {
    let now = now()
    let lanes = waitingLanes
    waitingLanes = lanes.filter { key in sendWaiting(key, now) }
  }

  /// Sends what it can; true when something still waits.
  mutating func sendWaiting(_ key: LaneKey, _ now: HostTime) -> Bool {
    guard peers.has(key.peer) else { return false }
    if peers[key].state.pauses(now.monotonicNs) { return true }
    while let message = peers[key].state.waiting.first {
      switch peers[key].state.phase {
      case .none: return beginAgain(key, now)
      case .making: return true
      case .refused: return false
      case .ready: break
      }
      if requests.wants(message.header) {
        do throws(BusError) {
          let bytes = message.payload.span.rawBytes
          guard let number = try write(message.header, bytes, key, now) else { return true }
          if message.header.type == .request {
            requests.sent(message.header.correlationId, to: key.peer, number)
          }
        } catch {
          if peers[key].state.holds(message, error, now.monotonicNs) { return true }
          drop(message.header, to: peers.places[key.peer].name, error)
        }
      }
      peers[key].state.finishFirst()
    }
    return false
  }

  // MARK: Logs

  /// Has a log made for a lane, unless that is to be tried later.
  private mutating func begin(_ key: LaneKey, _ nowNs: UInt64) throws(BusError) {
    guard try peers[key].state.mayBegin(nowNs) else { return }
    let channel = InboxChannel(owner: peers.places[key.peer].incarnation, lane: key.lane)
    if try core.makeLane(channel, to: peers.places[key.peer].name) {
      peers[key].state.began(nowNs)
    }
  }

  /// Has a log made for what waits; true when something still does.
  private mutating func beginAgain(_ key: LaneKey, _ now: HostTime) -> Bool {
    do throws(BusError) {
      try begin(key, now.monotonicNs)
    } catch {
      notOpened(key, error)
    }
    return !peers[key].state.waiting.isEmpty
  }

  /// A log is there: what waited for it goes out with the next flush.
  mutating func opened(_ key: LaneKey, _ number: UInt64, _ publisher: consuming Publisher) {
    guard !isClosed, peers.has(key.peer) else { return }
    peers[key].open(publisher, number)
  }

  /// A log for a lane could not be made: it is tried again, or never.
  mutating func notOpened(_ key: LaneKey, _ why: BusError) {
    guard peers.has(key.peer) else { return }
    let nowNs = now().monotonicNs
    let name = peers.places[key.peer].name
    let over = peers[key].state.notOpened(why, nowNs) { requests.wants($0) }
    for message in over { drop(message.header, to: name, why) }
  }
}
