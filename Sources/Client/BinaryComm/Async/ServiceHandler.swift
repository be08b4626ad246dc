import BusMemory
import BusWire
import Synchronization

/// A request as a service's handler sees it.
public struct ServiceRequest: Sendable {
  /// The requester's bytes.
  public let payload: [UInt8]
  /// The name it was sent to.
  public let service: String
  /// Who sent it.
  public let requester: String
  let incoming: InboxMessage
  let loop: MessengerLoop

  /// What messages that follow from it inherit: deadline, hops, conversation, trace.
  public var context: MessageContext { incoming.context }

  /// Sends a part of the reply; the handler's result is the last part.
  ///
  /// Suspends while the requester does not keep up. Throws `peerDied` when it has ended, `timeout`
  /// when the request's time is over, `cancelled` at once when the handler's task is cancelled, and
  /// `resourceExhausted` when 256 MiB of replies wait.
  public func send(_ part: [UInt8]) async throws(BusError) {
    let waiter = Promise<Void>()
    guard !Task.isCancelled else { throw .cancelled("the request was stopped") }
    let parked = StalledPart(incoming: incoming, content: .success(part), waiter: waiter)
    try loop.submit(bytes: part.count) { work in work.send(parked) }
    try await waiter.wait()
  }
}

/// The handler of one service, and what it works on.
final class ServiceHandler: Sendable {
  typealias Body = @Sendable (ServiceRequest) async throws -> [UInt8]

  private struct Key: Hashable, Sendable {
    let peer: PeerID
    let correlationId: UInt32
  }
  private enum Work: Sendable {
    case starting(isCancelled: Bool)
    case task(Task<Void, Never>)
  }
  private struct State: Sendable {
    var running: [Key: Work] = [:]
    var active = 0
    var waiting = RequestBacklog<PeerID, ServiceRequest>()
    var isStopped = false

    /// The tasks to be cancelled, by whoever calls; one that is just being made is then cancelled
    /// by its maker.
    mutating func stop(_ isMeant: (Key) -> Bool) -> [Task<Void, Never>] {
      var tasks: [Task<Void, Never>] = []
      for (key, work) in running where isMeant(key) {
        switch work {
        case .task(let task): tasks.append(task)
        case .starting: running[key] = .starting(isCancelled: true)
        }
      }
      return tasks
    }
  }
  private let body: Body
  private let concurrency: Int
  private let executor: (any TaskExecutor)?
  private let state = Mutex(State())

  init(concurrency: Int, executor: (any TaskExecutor)?, _ body: @escaping Body) {
    self.concurrency = concurrency
    self.executor = executor
    self.body = body
  }

  /// Works on a request, now or when others are finished; false when too many wait.
  ///
  /// Requesters have credit for so many, but a hostile one need not keep to it. Those whose time
  /// is over meanwhile are answered here, so that they hold no place of others.
  func start(_ request: ServiceRequest) -> Bool {
    enum Place { case now, later, none }
    let ticket = RequestBacklog<PeerID, ServiceRequest>.Ticket(
      request.incoming, bytes: request.payload.count)
    let (place, late) = state.withLock { state -> (Place, [ServiceRequest]) in
      if state.active < concurrency {
        state.active += 1
        return (.now, [])
      }
      let late = state.waiting.expire(HostClock.monotonicNs())
      return (state.waiting.add(request, ticket) ? .later : .none, late)
    }
    for request in late { Self.refuse(request, Self.isLate) }
    if place == .now { run(request) }
    return place != .none
  }

  private static let isLate = BusError.timeout(
    "the request's time was over before it was started")

  /// Answers a request that was not started.
  private static func refuse(_ request: ServiceRequest, _ why: BusError) {
    let incoming = request.incoming
    try? request.loop.submit { work in work.finish(incoming, .failure(why)) }
  }

  /// How many requests may wait for one service.
  static var waitingMax: Int { ClientLimits.own.handlerRequests }
  /// How many bytes of payload may wait for one service, the last request not counted.
  static var waitingBytesMax: Int { ClientLimits.own.handlerBytes }

  private func run(_ request: ServiceRequest) {
    let key = Key(peer: request.incoming.peer, correlationId: request.incoming.correlationId)
    let body = body
    state.withLock { $0.running[key] = .starting(isCancelled: false) }
    // Not under the lock: an executor may begin with it before this returns.
    let task = Task(executorPreference: executor) {
      let outcome = await Self.outcome(of: request, body)
      self.ended(key)
      Self.answer(request, outcome)
      self.giveUpPlace()
    }
    let isCancelled = state.withLock { state in
      guard case .starting(let isCancelled) = state.running[key] else { return false }
      state.running[key] = .task(task)
      return isCancelled
    }
    if isCancelled { task.cancel() }
  }

  private static func outcome(
    of request: ServiceRequest, _ body: Body
  ) async -> Result<[UInt8], BusError> {
    let context = request.context
    // It may have waited for others to finish.
    if let deadline = context.deadlineNs, deadline <= HostClock.monotonicNs() {
      return .failure(isLate)
    }
    do {
      return .success(
        try await Conversation.$current.withValue(context) { try await body(request) })
    } catch let error as BusError {
      return .failure(error)
    } catch let error as ServiceError {
      return .failure(.failed(code: error.code, error.text))
    } catch is CancellationError {
      return .failure(.cancelled("the handler stopped when it was asked to"))
    } catch {
      return .failure(.failed(code: UInt32(BusErrorCode.failed.rawValue), "\(error)"))
    }
  }

  /// Sends what came of a request; an error in its place when too much waits to be sent already.
  private static func answer(_ request: ServiceRequest, _ outcome: Result<[UInt8], BusError>) {
    let incoming = request.incoming
    do throws(BusError) {
      try request.loop.submit(bytes: outcome.byteCount) { work in work.finish(incoming, outcome) }
    } catch {
      let refusal = BusError.resourceExhausted(
        "the responder could not send its reply: \(error.detail)", cause: error.cause)
      // Bounded by the requests that are worked on.
      try? request.loop.submit { work in work.finish(incoming, .failure(refusal)) }
    }
  }

  /// Nothing is done for a request any more: from here on there is nothing left to cancel.
  private func ended(_ key: Key) { state.withLock { $0.running[key] = nil } }

  /// Begins with the request whose turn it is.
  private func giveUpPlace() {
    let next = state.withLock { state in
      let next = state.isStopped ? nil : state.waiting.popFirst()
      if next == nil { state.active -= 1 }
      return next
    }
    if let next { run(next) }
  }

  /// The requester wants a request stopped.
  func cancel(_ incoming: InboxMessage) {
    let key = Key(peer: incoming.peer, correlationId: incoming.correlationId)
    let (tasks, waiting) = state.withLock { state in
      (
        state.stop { $0 == key },
        state.waiting.remove(incoming.correlationId, of: incoming.peer)
      )
    }
    for task in tasks { task.cancel() }
    for request in waiting {
      Self.refuse(request, .cancelled("the request was stopped before it was started"))
    }
  }

  /// Nothing is being worked on.
  var isIdle: Bool { state.withLock { $0.running.isEmpty && $0.waiting.isEmpty } }

  /// A requester has ended: what is done for it is stopped, what waits is forgotten.
  func cancelAll(of peer: PeerID) {
    let tasks = state.withLock { state in
      _ = state.waiting.removeAll { $0 == peer }
      return state.stop { $0.peer == peer }
    }
    for task in tasks { task.cancel() }
  }

  func stop() {
    let tasks = state.withLock { state in
      state.isStopped = true
      _ = state.waiting.drainAll()
      return state.stop { _ in true }
    }
    for task in tasks { task.cancel() }
  }
}
