import BusLog
import BusMemory
import BusSystem
public import BusWire
import Synchronization

// Conversations for code that suspends, none of it for the hot path; see ``Agent/messenger(_:)``.

/// The parts of a streamed reply, as an asynchronous sequence.
///
/// One consumer. Ends with an error when the responder failed, died, or did not finish in time, and
/// with `cancelled` when the task that takes the parts is. The responder is asked to stop then, and
/// when nobody holds the sequence or its iterator any more.
public struct Replies: AsyncSequence, Sendable {
  /// What the sequence yields.
  public typealias Element = Reply
  /// What may end it.
  public typealias Failure = BusError
  private let owner: ReplyOwner

  init(_ sink: StreamReplyHandler, _ loop: MessengerLoop, _ key: RequestQueue.Key) {
    owner = ReplyOwner(sink, loop, key)
  }

  /// Hands out parts one by one.
  public struct Iterator: AsyncIteratorProtocol {
    fileprivate let owner: ReplyOwner

    /// The next part, nil after the last.
    public mutating func next() async throws(BusError) -> Reply? { try await owner.next() }

    /// The next part; isolation makes no difference here.
    public mutating func next(
      isolation actor: isolated (any Actor)?
    ) async throws(BusError) -> Reply? {
      try await owner.next()
    }
  }

  /// Starts iterating; a reply has one iterator.
  public func makeAsyncIterator() -> Iterator { Iterator(owner: owner) }

  /// Asks the responder to stop; what it sent before still comes.
  ///
  /// A request that has not been sent yet never is.
  public func cancel() { owner.stop(listens: true) }
}

/// Stops the responder when nobody takes the parts of its reply any more: what it sends would be
/// held until the deadline.
private final class ReplyOwner: Sendable {
  private let sink: StreamReplyHandler
  private let loop: MessengerLoop
  private let key: RequestQueue.Key

  init(_ sink: StreamReplyHandler, _ loop: MessengerLoop, _ key: RequestQueue.Key) {
    self.sink = sink
    self.loop = loop
    self.key = key
  }

  deinit {
    if !sink.isOver { stop() }
  }

  func stop(listens: Bool = false) {
    let key = key
    try? loop.submit { work in work.cancel(key, listens: listens) }
  }

  func next() async throws(BusError) -> Reply? {
    if let part = try await sink.parts.next() { return part }
    guard Task.isCancelled else { return nil }
    // The first end counts: a reply that is there as a whole is taken for that, a cut one is not.
    sink.parts.end(.cancelled("the task that took the reply was cancelled"))
    stop()
    return try await sink.parts.next()
  }
}

/// A name that this agent answers, until it is told to stop, or a router that follows another one
/// refuses it, which ``Agent/onInboxProblem(_:)`` is told.
public struct ServiceRegistration: Sendable {
  /// The name.
  public let name: String
  let loop: MessengerLoop
  let handler: ServiceHandler

  /// Answers the name no more.
  ///
  /// What is being worked on is finished, what comes later is refused with `noResponders`, and the
  /// handler is let go.
  public func stop() async throws(BusError) {
    let core = loop.core
    let name = name
    let handler = handler
    core.giveUp(PeerName(group: .service, text: name))
    try loop.submit { work in work.withdraw(name, only: handler) }
    guard name != core.agent.name else { return }
    try await blocking { () throws(BusError) in
      try core.stopAnswering(
        PeerName(group: .service, text: name), deadline: Deadline(after: .seconds(5)))
    }
  }
}

extension Agent {
  /// Sends a request to one agent that answers a service (or has that name), and waits for its
  /// reply.
  ///
  /// Inside a service's handler it inherits what is left of the deadline, and the conversation.
  /// A cancelled task cancels the request. Throws `noResponders`, `timeout`, `peerDied`,
  /// `noRouter` when the service could not be found for want of a router, `failed` with what the
  /// responder said, `denied`.
  public func request(
    _ service: String, _ payload: [UInt8], timeout: Duration = .seconds(5),
    priority: Priority? = nil, context: MessageContext? = Conversation.current
  ) async throws(BusError) -> Reply {
    let sink = SingleReplyHandler()
    let loop = try await loop()
    let key = try submit(
      loop, service, payload, timeout, priority, context, sink, isForAll: false)
    return try await cancelling(loop, key) { () async throws(BusError) in
      try await sink.waiter.wait()
    }
  }

  /// Sends a request whose reply comes in parts.
  ///
  /// At most `buffer` parts wait for the consumer; more end the reply with `resourceExhausted`.
  public func replies(
    _ service: String, _ payload: [UInt8], timeout: Duration = .seconds(60), buffer: Int = 1024,
    priority: Priority? = nil, context: MessageContext? = Conversation.current
  ) async throws(BusError) -> Replies {
    guard buffer > 0 else { throw .invalid("a buffer needs room for at least one part") }
    let sink = StreamReplyHandler(room: buffer)
    let loop = try await loop()
    let key = try submit(
      loop, service, payload, timeout, priority, context, sink, isForAll: false)
    return Replies(sink, loop, key)
  }

  /// Sends a request to every agent that answers a service.
  ///
  /// Throws when nobody answered at all, with the first reason. While 256 MiB of replies are held,
  /// whoever sends more has failed with `resourceExhausted`, and is asked to stop.
  public func gather(
    _ service: String, _ payload: [UInt8], until rule: GatherRule = .all,
    timeout: Duration = .seconds(5), context: MessageContext? = Conversation.current
  ) async throws(BusError) -> GatherResult {
    let sink = GatherReplyHandler(rule)
    let loop = try await loop()
    let key = try submit(loop, service, payload, timeout, nil, context, sink, isForAll: true)
    let gathered = try await cancelling(loop, key) {
      () async throws(BusError) in try await sink.waiter.wait()
    }
    // Not everybody may have been heard to the end: of those nothing is to be held any more.
    if rule == .first || !gathered.failures.isEmpty {
      try? loop.submit { work in work.cancel(key) }
    }
    return gathered
  }

  private func submit(
    _ loop: MessengerLoop, _ service: String, _ payload: [UInt8], _ timeout: Duration,
    _ priority: Priority?, _ context: MessageContext?, _ sink: some ReplyHandler, isForAll: Bool
  ) throws(BusError) -> RequestQueue.Key {
    try Self.checkCancellation()
    let timeoutNs = try Self.nanoseconds(timeout)
    let context = context ?? MessageContext()
    let ask = QueuedRequest(
      key: loop.nextKey(), name: service, payload: payload,
      options: SendOptions(timeoutNs: timeoutNs, priority: priority, context: context),
      deadlineNs: try context.deadline(after: timeoutNs, from: HostClock.monotonicNs()),
      isForAll: isForAll, sink: sink)
    try loop.submit(bytes: payload.count) { work in work.ask(ask) }
    return ask.key
  }

  /// A task that was cancelled sends nothing.
  static func checkCancellation() throws(BusError) {
    if Task.isCancelled { throw .cancelled("the task was cancelled before anything was sent") }
  }

  private static func nanoseconds(_ timeout: Duration) throws(BusError) -> UInt64 {
    let (seconds, attoseconds) = timeout.components
    guard timeout > .zero else {
      throw .invalid("a timeout of \(timeout) leaves no time to answer; give a positive one")
    }
    let whole = UInt64(clamping: seconds).multipliedReportingOverflow(by: 1_000_000_000)
    guard !whole.overflow else { return .max / 2 }
    return min(whole.partialValue, .max / 2) + UInt64(attoseconds / 1_000_000_000)
  }

  private func cancelling<Value: Sendable>(
    _ loop: MessengerLoop, _ key: RequestQueue.Key,
    _ body: @Sendable () async throws(BusError) -> Value
  ) async throws(BusError) -> Value {
    let outcome: Result<Value, BusError> = await withTaskCancellationHandler {
      do throws(BusError) {
        return .success(try await body())
      } catch {
        return .failure(error)
      }
    } onCancel: {
      try? loop.submit { work in work.cancel(key) }
    }
    return try outcome.get()
  }

  // MARK: Services

  /// Answers requests to a service, at most `concurrency` at a time, until the registration is
  /// stopped.
  ///
  /// The handler's result is the reply (or its last part, see ``ServiceRequest/send(_:)``); what it
  /// throws, the error: a ``ServiceError`` as it is, anything else as `FAILED`. A cancelled request
  /// cancels the handler's task. Handlers run on `executor`, else on Swift's pool, which code that
  /// blocks its threads holds up. The agent lives until it is closed. Throws `denied`, `nameInUse`.
  @discardableResult
  public func serve(
    _ service: String, concurrency: Int = 64, executor: (any TaskExecutor)? = nil,
    _ handler: @escaping @Sendable (ServiceRequest) async throws -> [UInt8]
  ) async throws(BusError) -> ServiceRegistration {
    guard concurrency > 0 else { throw .invalid("a service works on one request at least") }
    let handler = ServiceHandler(concurrency: concurrency, executor: executor, handler)
    try await answer(PeerName(group: .service, text: service), handler)
    return ServiceRegistration(name: service, loop: try await loop(), handler: handler)
  }

  /// Takes the messages that are sent to a team, with those to this agent, from
  /// ``messages(buffer:)``.
  public func join(team: String) async throws(BusError) {
    try await answer(PeerName(group: .team, text: team), nil)
  }

  private func answer(_ name: PeerName, _ handler: ServiceHandler?) async throws(BusError) {
    do throws(TopicError) {
      _ = try Topic(name.text)
    } catch {
      throw .invalid("\(error)")
    }
    try Self.checkCancellation()
    let loop = try await loop()
    let known = Promise<Void>()
    try loop.submit { work in
      let index = work.messenger.out.served.add(name.text)
      if let handler { work.services[index] = handler }
      known.finish(.success(()))
    }
    do throws(BusError) {
      try await known.wait()
      loop.keep(self)
      guard name.text != self.name || name.group == .team else { return }
      let core = loop.core
      try await blocking { () throws(BusError) in
        try core.answer(name, deadline: Deadline(after: .seconds(5)))
      }
      // Another call for the name may have failed meanwhile, and found nobody that answers it.
      try? loop.submit { work in _ = work.messenger.out.served.add(name.text) }
    } catch {
      // What the router does not know of is not answered either.
      if let handler {
        try? loop.submit { work in work.withdraw(name.text, only: handler) }
      } else {
        try? loop.submit { work in work.messenger.unserve(name.text) }
      }
      throw error
    }
  }

  // MARK: Direct messages

  /// Sends a fact to an agent; returns when it lies in the log to that agent, or waits for it.
  public func tell(
    _ agent: String, _ payload: [UInt8], priority: Priority? = nil,
    context: MessageContext? = Conversation.current
  ) async throws(BusError) {
    let options = SendOptions(priority: priority, context: context ?? MessageContext())
    _ = try await send(payload.count) { out throws(BusError) in
      try out.send(out.service(agent), payload, options)
    }
  }

  /// Sends an order to an agent.
  public func command(
    _ agent: String, _ payload: [UInt8], priority: Priority? = nil,
    context: MessageContext? = Conversation.current
  ) async throws(BusError) {
    let options = SendOptions(priority: priority, context: context ?? MessageContext())
    _ = try await send(payload.count) { out throws(BusError) in
      try out.command(out.service(agent), payload, options)
    }
  }

  /// Sends a fact to every member of a team; returns what became of it.
  ///
  /// A member that cannot be reached keeps it from no other; throws when none could be reached.
  /// Does not wait for logs that are still to be made: see ``Delivery``.
  @discardableResult
  public func tell(
    team: String, _ payload: [UInt8], priority: Priority? = nil,
    context: MessageContext? = Conversation.current
  ) async throws(BusError) -> Delivery {
    let options = SendOptions(priority: priority, context: context ?? MessageContext())
    return try await send(payload.count) { out throws(BusError) in
      try out.deliver(out.team(team), payload, options)
    }
  }

  private func send<Outcome: Sendable>(
    _ bytes: Int, _ body: @escaping @Sendable (inout MessengerContext) throws(BusError) -> Outcome
  ) async throws(BusError) -> Outcome {
    try Self.checkCancellation()
    let loop = try await loop()
    let sent = Promise<Outcome>()
    try loop.submit(bytes: bytes) { work in
      // Who was cancelled meanwhile has been told so: it is not sent.
      guard !sent.isOver else { return }
      do throws(BusError) {
        sent.finish(.success(try body(&work.messenger.out)))
      } catch {
        sent.finish(.failure(error))
      }
    }
    return try await sent.wait()
  }

  /// Messages that other agents send to this one, or to a team it joined, from the call on.
  ///
  /// At most `buffer` wait for the consumer; what comes while it is full is lost, and counted in
  /// the next message's ``DirectMessage/lostBefore``.
  public func messages(buffer: Int = 4096) async throws(BusError) -> DirectMessages {
    guard buffer > 0 else { throw .invalid("a buffer needs room for at least one message") }
    let sink = DirectMessageBuffer(room: buffer)
    let loop = try await loop()
    try loop.submit { work in work.listeners.append(sink) }
    loop.keep(self)
    return DirectMessages(sink)
  }
}
