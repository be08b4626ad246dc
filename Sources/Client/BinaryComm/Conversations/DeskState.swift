import BusLog
import BusMemory
import BusWire

/// What the desk's thread keeps: who waits for what, and what is being worked on.
struct DeskState: ~Copyable {
  var messenger: Messenger
  let desk: Desk
  /// Requests on their way, by correlation id.
  var waiters: [UInt32: any ReplySink] = [:]
  /// Requests that wait for credit or for a name, in order.
  var asks: [Ask] = []
  var services: [Int: ServiceHandler] = [:]
  var listeners: [DirectSink] = []
  /// Parts of streamed replies that wait for room.
  var parked: [ParkedPart] = []

  init(_ messenger: consuming Messenger, _ desk: Desk) {
    self.messenger = messenger
    self.desk = desk
  }

  /// One round: sends what can be sent, hands out what came; false when there was nothing to do.
  mutating func turn() throws(BusError) -> Bool {
    sendAsks()
    var events: [DeskEvent] = []
    let taken = try messenger.poll(limit: 32) { message, incoming, out in
      events.append(
        DeskEvent(
          incoming: incoming, payload: message.bytes,
          topic: incoming.kind.isNamed ? message.topic : "",
          sender: message.publisher, priority: message.header.priority))
    } onFailure: { failure, _ in
      events.append(DeskEvent(failure))
    }
    for event in events { take(event) }
    retryParked()
    messenger.flush()
    return taken > 0 || !events.isEmpty
  }

  private mutating func take(_ event: DeskEvent) {
    if let failure = event.failure {
      waiters.removeValue(forKey: failure.correlationId)?.fail(failure.error)
      return
    }
    guard let incoming = event.incoming else { return }
    switch incoming.kind {
    case .response:
      let id = incoming.correlationId
      let sink = incoming.isLast ? waiters.removeValue(forKey: id) : waiters[id]
      let reply = Reply(payload: event.payload, responder: event.sender)
      if sink?.take(reply, isLast: incoming.isLast) == false {
        // Nobody listens any more: the responder need not go on.
        try? messenger.out.cancel(id)
      }
    case .request: serve(event, incoming)
    case .cancel: for service in services.values { service.cancel(incoming) }
    case .event, .command: tell(event, incoming)
    }
  }

  // MARK: Requests

  /// Sends what waits for a name or for credit.
  mutating func sendAsks() {
    guard !asks.isEmpty else { return }
    let waiting = asks
    asks = []
    let nowNs = messenger.out.clock.unixNs()
    for ask in waiting { send(ask, nowNs) }
  }

  mutating func send(_ ask: Ask, _ nowNs: UInt64) {
    guard !ask.sink.isOver else { return }
    guard ask.deadlineNs > nowNs else {
      ask.sink.fail(.timeout("\(ask.name) did not answer in time"))
      return
    }
    var options = ask.options
    options.timeoutNs = ask.deadlineNs - nowNs
    do throws(BusError) {
      let recipient = try messenger.out.service(ask.name)
      let ids =
        ask.isForAll
        ? try messenger.out.scatter(recipient, ask.payload, options)
        : [try messenger.out.request(recipient, ask.payload, options)]
      for id in ids { waiters[id] = ask.sink }
      ask.sink.sent(ids)
    } catch {
      guard case .wouldBlock = error else {
        ask.sink.fail(error)
        return
      }
      asks.append(ask)
    }
  }

  mutating func cancel(_ ids: [UInt32]) {
    for id in ids where waiters[id] != nil { try? messenger.out.cancel(id) }
  }

  // MARK: Services

  private mutating func serve(_ event: DeskEvent, _ incoming: Incoming) {
    guard let service = services[incoming.service] else {
      let error = BusError.noResponders("\(desk.core.agent.name) does not answer \(event.topic)")
      try? messenger.out.fail(incoming, error)
      return
    }
    let request = ServiceRequest(
      payload: event.payload, service: event.topic, requester: event.sender, incoming: incoming,
      desk: desk)
    guard !service.start(request) else { return }
    try? messenger.out.fail(
      incoming,
      .resourceExhausted(
        "too much waits for \(event.topic) already: at most \(ServiceHandler.waitingMost) requests "
          + "and \(ServiceHandler.waitingBytesMost >> 20) MiB; try again later"))
  }

  /// Answers a request whose handler has ended.
  mutating func finish(_ incoming: Incoming, _ outcome: Result<[UInt8], BusError>) {
    do throws(BusError) {
      switch outcome {
      case .success(let bytes):
        do throws(BusError) {
          try messenger.out.reply(to: incoming, bytes)
        } catch {
          // What cannot be sent as it is must not leave the requester waiting.
          guard case .peerDied = error else {
            try messenger.out.fail(incoming, error)
            return
          }
        }
      case .failure(let error): try messenger.out.fail(incoming, error)
      }
    } catch {
      // The requester has ended, or its lane is full of what it does not read.
    }
  }

  /// Sends a part of a streamed reply, or keeps it until there is room.
  mutating func send(_ part: ParkedPart) {
    guard parked.isEmpty, !messenger.out.isCrowded(part.incoming.peer, part.incoming.lane) else {
      parked.append(part)
      return
    }
    do throws(BusError) {
      try messenger.out.reply(to: part.incoming, part.payload, more: true)
      part.done(.success(()))
    } catch {
      part.done(.failure(error))
    }
  }

  private mutating func retryParked() {
    guard !parked.isEmpty else { return }
    let waiting = parked
    parked = []
    for part in waiting { send(part) }
  }

  // MARK: Direct messages

  private mutating func tell(_ event: DeskEvent, _ incoming: Incoming) {
    let message = DirectMessage(
      payload: event.payload, sender: event.sender,
      name: event.topic.isEmpty ? desk.core.agent.name : event.topic,
      isCommand: incoming.kind == .command, priority: event.priority, context: incoming.context)
    listeners.removeAll { !$0.take(message) }
  }

  /// Nothing more comes or goes.
  mutating func end(_ why: BusError) {
    for sink in waiters.values { sink.fail(why) }
    for ask in asks { ask.sink.fail(why) }
    for part in parked { part.done(.failure(why)) }
    for service in services.values { service.stop() }
    for listener in listeners { listener.mailbox.end() }
    waiters = [:]
    asks = []
    parked = []
    listeners = []
  }
}

/// What one poll brought, copied: handlers run elsewhere.
struct DeskEvent {
  var incoming: Incoming?
  var failure: RequestFailure?
  var payload: [UInt8] = []
  var topic = ""
  var sender = ""
  var priority: Priority?

  init(
    incoming: Incoming, payload: [UInt8], topic: String, sender: String, priority: Priority?
  ) {
    self.incoming = incoming
    self.payload = payload
    self.topic = topic
    self.sender = sender
    self.priority = priority
  }

  init(_ failure: RequestFailure) { self.failure = failure }
}

extension Incoming.Kind {
  /// Whether such a message is addressed to a name.
  var isNamed: Bool { self != .response && self != .cancel }
}

/// A request that waits for credit, or for its name to be known.
struct Ask: Sendable {
  let name: String
  let payload: [UInt8]
  let options: SendOptions
  /// By the bus's clock.
  let deadlineNs: UInt64
  let isForAll: Bool
  let sink: any ReplySink
}

/// A part of a streamed reply on its way out.
struct ParkedPart: Sendable {
  let incoming: Incoming
  let payload: [UInt8]
  let done: @Sendable (Result<Void, BusError>) -> Void
}
