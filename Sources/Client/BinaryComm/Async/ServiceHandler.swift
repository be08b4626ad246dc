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
  private struct State: Sendable {
    var running: [Key: Task<Void, Never>] = [:]
    var active = 0
    var waiting: [ServiceRequest] = []
    var waitingBytes = 0
    var isStopped = false

    mutating func drainWaiting(at place: Int) -> ServiceRequest {
      let request = waiting.remove(at: place)
      waitingBytes -= request.payload.count
      return request
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
  /// Requesters have credit for so many, but a hostile one need not keep to it.
  func start(_ request: ServiceRequest) -> Bool {
    enum Place { case now, later, none }
    let place = state.withLock { state -> Place in
      if state.active < concurrency {
        state.active += 1
        return .now
      }
      guard state.waiting.count < Self.waitingMax, state.waitingBytes < Self.waitingBytesMax
      else { return .none }
      state.waiting.append(request)
      state.waitingBytes += request.payload.count
      return .later
    }
    if place == .now { run(request) }
    return place != .none
  }

  /// How many requests may wait for one service.
  static var waitingMax: Int { ClientLimits.own.handlerRequests }
  /// How many bytes of payload may wait for one service, the last request not counted.
  static var waitingBytesMax: Int { ClientLimits.own.handlerBytes }

  private func run(_ request: ServiceRequest) {
    let key = Key(peer: request.incoming.peer, correlationId: request.incoming.correlationId)
    let body = body
    state.withLock { state in
      state.running[key] = Task(executorPreference: executor) {
        let outcome = await Self.outcome(of: request, body)
        self.ended(key)
        Self.answer(request, outcome)
        self.giveUpPlace()
      }
    }
  }

  private static func outcome(
    of request: ServiceRequest, _ body: Body
  ) async -> Result<[UInt8], BusError> {
    let context = request.context
    // It may have waited for others to finish.
    if let deadline = context.deadlineNs, deadline <= HostClock.monotonicNs() {
      return .failure(.timeout("the request's time was over before it was started"))
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

  /// Begins with what waits longest.
  private func giveUpPlace() {
    let next = state.withLock { state in
      guard !state.waiting.isEmpty, !state.isStopped else {
        state.active -= 1
        return nil as ServiceRequest?
      }
      return state.drainWaiting(at: 0)
    }
    if let next { run(next) }
  }

  /// The requester wants a request stopped.
  func cancel(_ incoming: InboxMessage) {
    let key = Key(peer: incoming.peer, correlationId: incoming.correlationId)
    let (task, waiting) = state.withLock { state in
      let at = state.waiting.firstIndex {
        $0.incoming.peer == incoming.peer && $0.incoming.correlationId == incoming.correlationId
      }
      return (state.running[key], at.map { state.drainWaiting(at: $0) })
    }
    task?.cancel()
    if let waiting {
      let request = waiting.incoming
      try? waiting.loop.submit { work in
        work.finish(request, .failure(.cancelled("the request was stopped before it was started")))
      }
    }
  }

  /// Nothing is being worked on.
  var isIdle: Bool { state.withLock { $0.running.isEmpty && $0.waiting.isEmpty } }

  /// A requester has ended: what is done for it is stopped, what waits is forgotten.
  func cancelAll(of peer: PeerID) {
    let tasks = state.withLock { state in
      state.waiting.removeAll { $0.incoming.peer == peer }
      state.waitingBytes = state.waiting.reduce(0) { $0 + $1.payload.count }
      return state.running.filter { $0.key.peer == peer }.map(\.value)
    }
    for task in tasks { task.cancel() }
  }

  func stop() {
    let tasks = state.withLock { state in
      state.isStopped = true
      state.waiting.removeAll()
      state.waitingBytes = 0
      return Array(state.running.values)
    }
    for task in tasks { task.cancel() }
  }
}
