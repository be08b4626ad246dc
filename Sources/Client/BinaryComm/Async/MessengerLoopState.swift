import BusLog
import BusMemory
import BusWire
import Synchronization

/// What the messenger's thread keeps: who waits for what, and what is being worked on.
struct MessengerLoopState: ~Copyable {
  var messenger: Messenger
  let loop: MessengerLoop
  /// Where every ask stands.
  var book = RequestQueue()
  var asks: [RequestQueue.Key: QueuedRequest] = [:]
  var services: [Int: ServiceHandler] = [:]
  /// Handlers of names that are answered no more, until they have finished.
  var retired: [ServiceHandler] = []
  var listeners: [DirectMessageBuffer] = []
  /// Replies, and parts of them, that wait for room.
  var parked = StalledParts<ReplyPlace, StalledPart>()

  init(_ messenger: consuming Messenger, _ loop: MessengerLoop) {
    self.messenger = messenger
    self.loop = loop
    self.messenger.out.reportsClosed = true
  }

  /// One round: sends what can be sent, hands out what came; false when there was nothing to do.
  mutating func turn() throws(BusError) -> Bool {
    sendAsks()
    var events: [InboxEvent] = []
    let taken = try messenger.poll(limit: 32) { message, incoming, out in
      events.append(
        InboxEvent(
          incoming: incoming, payload: message.bytes,
          topic: incoming.kind.isNamed ? message.topic : "",
          sender: message.publisher, priority: message.header.priority))
    } onFailure: { failure, _ in
      events.append(InboxEvent(failure))
    }
    for event in events { handle(event) }
    tellProblems()
    for peer in messenger.out.drainClosed() { stopWork(of: peer) }
    retryParked()
    messenger.flush()
    return taken > 0 || !events.isEmpty
  }

  private mutating func tellProblems() {
    var problems = messenger.drainProblems()
    for lost in messenger.drainLostNames() {
      if !lost.isTeam, !lost.isAskedAgain { withdraw(lost.name) }
      problems.append(StreamProblem(publisher: "", error: lost.error))
    }
    guard !problems.isEmpty else { return }
    let handler = messenger.core.agent.state.withLock { $0.onInboxProblem }
    for problem in problems { handler(problem) }
  }

  private mutating func handle(_ event: InboxEvent) {
    if let failure = event.failure {
      guard let key = book.owner(of: failure.correlationId), let ask = asks[key] else { return }
      if book.end(failure.correlationId) { asks[key] = nil }
      ask.sink.fail(failure.error, of: failure.correlationId)
      return
    }
    guard let incoming = event.incoming else { return }
    switch incoming.kind {
    case .response:
      let id = incoming.correlationId
      guard let key = book.owner(of: id), let ask = asks[key] else { return }
      if incoming.isLast, book.end(id) { asks[key] = nil }
      let reply = Reply(payload: event.payload, responder: event.sender)
      if !ask.sink.receive(reply, of: id, isLast: incoming.isLast) {
        // Nobody listens any more: the responder need not go on.
        try? messenger.out.cancel(id)
      }
    case .request: serve(event, incoming)
    case .cancel: for service in handlers { service.cancel(incoming) }
    case .event, .command: tell(event, incoming)
    }
  }

  // MARK: Requests

  /// Queues an ask, or says that too much waits.
  mutating func ask(_ ask: QueuedRequest) {
    guard !ask.sink.isOver else { return }
    let isQueued = book.add(
      ask.key,
      to: RequestQueue.Queue(
        name: ask.name, isForAll: ask.isForAll, isUrgent: ask.options.lane == .urgent),
      bytes: ask.payload.count, deadlineNs: ask.deadlineNs)
    guard isQueued else {
      ask.sink.abandon(
        .resourceExhausted(
          "\(book.queuedCount) requests with \(book.queuedBytes >> 20) MiB wait to be sent already",
          cause: .queue))
      return
    }
    asks[ask.key] = ask
  }

  /// Sends what waits for a name or for credit.
  mutating func sendAsks() {
    guard book.queuedCount > 0 else { return }
    let nowNs = messenger.out.now().monotonicNs
    for key in book.expire(nowNs) {
      guard let ask = asks.removeValue(forKey: key) else { continue }
      let recipient = try? messenger.out.service(ask.name)
      ask.sink.abandon(messenger.out.lateness(recipient, ask.name, isForAll: ask.isForAll))
    }
    for queue in book.queues {
      // What was sent, or refused for good, has left the queue.
      while let key = book.first(in: queue), let ask = asks[key], send(ask, nowNs) {}
    }
  }

  /// Sends an ask; false when it, and what follows it in its queue, must wait.
  private mutating func send(_ ask: QueuedRequest, _ nowNs: UInt64) -> Bool {
    var options = ask.options
    options.timeoutNs = ask.deadlineNs - nowNs
    do throws(BusError) {
      let recipient = try messenger.out.service(ask.name)
      let ids =
        ask.isForAll
        ? try messenger.out.scatter(recipient, ask.payload, options)
        : [try messenger.out.request(recipient, ask.payload, options)]
      book.sent(ask.key, ids)
      ask.sink.sent(ids)
    } catch {
      if error.code == .wouldBlock { return false }
      book.refuse(ask.key)
      asks[ask.key] = nil
      ask.sink.abandon(error)
    }
    return true
  }

  /// Nobody waits for an ask any more, or whoever `listens` wants its responders to stop.
  mutating func cancel(_ key: RequestQueue.Key, listens: Bool = false) {
    let ask = asks[key]
    switch book.withdraw(key, listens: listens) {
    case .wasOver: break
    case .wasQueued:
      asks[key] = nil
      ask?.sink.abandon(.cancelled("the request was taken back before it was sent"))
    case .wasSent(let ids):
      if !listens { asks[key] = nil }
      for id in ids { try? messenger.out.cancel(id) }
    }
  }

  // MARK: Services

  private mutating func serve(_ event: InboxEvent, _ incoming: InboxMessage) {
    guard let service = incoming.service.flatMap({ services[$0] }) else {
      let error = BusError.noResponders("\(loop.core.agent.name) does not answer \(event.topic)")
      try? messenger.out.fail(incoming, error)
      return
    }
    let request = ServiceRequest(
      payload: event.payload, service: event.topic, requester: event.sender, incoming: incoming,
      loop: loop)
    guard !service.start(request) else { return }
    try? messenger.out.fail(
      incoming,
      .resourceExhausted(
        "too much waits for \(event.topic) already: at most \(ServiceHandler.waitingMax) requests "
          + "and \(ServiceHandler.waitingBytesMax >> 20) MiB, and of one requester no more than "
          + "is left free for the others", cause: .queue))
  }

  // MARK: Direct messages

  private mutating func tell(_ event: InboxEvent, _ incoming: InboxMessage) {
    let message = DirectMessage(
      payload: event.payload, sender: event.sender,
      name: event.topic.isEmpty ? loop.core.agent.name : event.topic,
      isCommand: incoming.kind == .command, priority: event.priority, context: incoming.context)
    listeners.removeAll { !$0.receive(message) }
  }

  /// Nothing more comes or goes.
  mutating func end(_ why: BusError) {
    // Not as one failure of a gathering: nobody is left to tell it of the others.
    for ask in asks.values { ask.sink.abandon(why) }
    for part in parked.drainAll() { part.waiter?.finish(.failure(why)) }
    for service in handlers { service.stop() }
    // The program's own closing is no failure.
    for listener in listeners { listener.messages.end(why.code == .closed ? nil : why) }
    asks = [:]
    book = RequestQueue()
    services = [:]
    retired = []
    listeners = []
  }
}

/// What one poll brought, copied: handlers run elsewhere.
struct InboxEvent {
  var incoming: InboxMessage?
  var failure: RequestFailure?
  var payload: [UInt8] = []
  var topic = ""
  var sender = ""
  var priority: Priority?

  init(
    incoming: InboxMessage, payload: [UInt8], topic: String, sender: String, priority: Priority?
  ) {
    self.incoming = incoming
    self.payload = payload
    self.topic = topic
    self.sender = sender
    self.priority = priority
  }

  init(_ failure: RequestFailure) { self.failure = failure }
}

extension InboxMessage.Kind {
  /// Whether such a message is addressed to a name.
  var isNamed: Bool { self != .response && self != .cancel }
}

/// A request that waits for credit, or for its name to be known.
struct QueuedRequest: Sendable {
  let key: RequestQueue.Key
  let name: String
  let payload: [UInt8]
  let options: SendOptions
  /// Monotonic.
  let deadlineNs: UInt64
  let isForAll: Bool
  let sink: any ReplyHandler
}
