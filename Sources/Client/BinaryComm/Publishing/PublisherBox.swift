import BusMemory
import BusSystem
import BusWire
import Synchronization

/// One publisher that several tasks take turns with.
///
/// Tasks that have to wait stand in a queue, which one thread serves while anybody is in it: ten
/// thousand tasks before a full window cost one thread.
final class PublisherBox: Sendable {
  private let publisher = Mutex<Publisher?>(nil)
  private let queue = Mutex(Queue())

  private struct Queue: Sendable {
    var jobs = BoundedQueue<PublishJob>(
      room: ClientLimits.own.publishTasks, bytesMax: ClientLimits.own.publishBytes)
    var isServed = false
    var isClosed = false

    mutating func next() -> PublishJob? {
      let next = jobs.popFirst()
      if next == nil { isServed = false }
      return next
    }

    /// Takes a job in; false when too many wait that somebody waits for.
    mutating func add(_ job: PublishJob) -> Bool {
      if jobs.free == 0 { jobs.removeAll { $0.isOver } }
      return jobs.append(job, bytes: job.payload.count)
    }
  }

  /// What a call finds when it wants to stand in the queue.
  private enum Place {
    case served, first
    case none(BusError)
  }

  /// Publishes if that takes no waiting: false when the publisher is not made yet, another task
  /// has it, or the window is full.
  func tryPublish(_ topic: String, _ payload: [UInt8]) throws(BusError) -> Bool {
    let outcome: Result<Bool, BusError>? = publisher.withLockIfAvailable { held in
      guard var mine = held.take() else { return .success(false) }
      let tried: Result<Bool, BusError>
      do throws(BusError) {
        try mine.tryPublish(topic, payload)
        tried = .success(true)
      } catch {
        tried = error == .wouldBlock ? .success(false) : .failure(error)
      }
      held = consume mine
      return tried
    }
    return try outcome?.get() ?? false
  }

  /// Makes the publisher, by a deadline.
  typealias Maker = @Sendable (Deadline) throws(BusError) -> Publisher

  /// Waits for the job's turn and for room; `make` makes the publisher when there is none.
  func publish(
    _ job: PublishJob, _ make: @escaping Maker
  ) async throws(BusError) {
    let outcome = await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        if job.wait(continuation) { enqueue(job, make) }
      }
    } onCancel: {
      job.cancel()
    }
    try outcome.get()
  }

  private func enqueue(_ job: PublishJob, _ make: @escaping Maker) {
    let place: Place = queue.withLock { queue in
      guard !queue.isClosed else { return .none(Self.closedError) }
      guard queue.add(job) else {
        return .none(
          .resourceExhausted(
            "\(queue.jobs.count) messages with \(queue.jobs.bytes >> 20) MiB wait for room on this "
              + "channel already", cause: .queue))
      }
      defer { queue.isServed = true }
      return queue.isServed ? .served : .first
    }
    switch place {
    case .served: return
    case .none(let error): job.finish(.failure(error))
    case .first:
      guard !SystemThread.start("bcs-publish", { [self] in serve(make) }) else { return }
      while let waiting = queue.withLock({ $0.next() }) {
        waiting.finish(.failure(.system("no thread could be started for publishing")))
      }
    }
  }

  private func serve(_ make: Maker) {
    while let job = queue.withLock({ $0.next() }) {
      guard !job.isOver else { continue }
      do throws(BusError) {
        // Before its turn begins: until then a job that is cancelled is over at once.
        try makePublisher(make, by: job.deadline)
      } catch {
        // Others have time until their own deadlines, unless time changes nothing.
        let mayPass = error.code == .noRouter || error.code == .timeout
        let waiting = mayPass ? [] : queue.withLock { $0.jobs.drainAll() }
        for one in [job] + waiting { one.finish(.failure(error)) }
        continue
      }
      guard job.begin() else { continue }
      do throws(BusError) {
        try publish(job)
        job.finish(.success(()))
      } catch {
        job.finish(.failure(error))
      }
    }
  }

  private func makePublisher(_ make: Maker, by deadline: Deadline) throws(BusError) {
    try publisher.withLock { held throws(BusError) in
      guard !isClosed else { throw Self.closedError }
      if held == nil { held = try make(deadline) }
    }
  }

  private func publish(_ job: PublishJob) throws(BusError) {
    try publisher.withLock { held throws(BusError) in
      guard !isClosed, var mine = held.take() else { throw Self.closedError }
      do throws(BusError) {
        try mine.publish(job.topic, job.payload, deadline: job.deadline) {
          () throws(BusError) in
          if job.isCancelled { throw PublishJob.cancelledError }
          if isClosed { throw Self.closedError }
        }
      } catch {
        held = consume mine
        throw error
      }
      held = consume mine
    }
  }

  private var isClosed: Bool { queue.withLock { $0.isClosed } }
  private static var closedError: BusError { .closed("the agent was closed") }

  /// Ends the publisher, and every wait for it.
  func close() {
    let waiting = queue.withLock { queue in
      queue.isClosed = true
      return queue.jobs.drainAll()
    }
    for job in waiting { job.finish(.failure(Self.closedError)) }
    publisher.withLock { held in
      if var mine = held.take() { mine.close() }
    }
  }
}

/// A message of a task that waits for room; it has exactly one outcome.
final class PublishJob: Sendable {
  typealias Outcome = Result<Void, BusError>
  let topic: String
  let payload: [UInt8]
  let deadline: Deadline

  private struct State: Sendable {
    var continuation: CheckedContinuation<Outcome, Never>?
    var isCancelled = false
    /// From here on the serving thread alone says what became of it.
    var isBegun = false
  }
  private let state = Mutex(State())

  init(_ topic: String, _ payload: [UInt8], deadline: Deadline) {
    self.topic = topic
    self.payload = payload
    self.deadline = deadline
  }

  static var cancelledError: BusError {
    .cancelled("the task was cancelled while its message waited for room")
  }

  /// Takes who waits; false, with the outcome told, when the task is cancelled already.
  func wait(_ continuation: CheckedContinuation<Outcome, Never>) -> Bool {
    let isCancelled = state.withLock { state in
      if !state.isCancelled { state.continuation = continuation }
      return state.isCancelled
    }
    if isCancelled { continuation.resume(returning: .failure(Self.cancelledError)) }
    return !isCancelled
  }

  /// Its turn has come; false when it is over already.
  func begin() -> Bool {
    state.withLock { state in
      state.isBegun = state.continuation != nil
      return state.isBegun
    }
  }

  var isCancelled: Bool { state.withLock { $0.isCancelled } }

  /// Nobody waits for it any more.
  var isOver: Bool { state.withLock { $0.continuation == nil } }

  /// Before its turn a cancelled message is over at once; later the serving thread looks for it
  /// between two tries, so that no message is both published and called cancelled.
  func cancel() {
    let waiter = state.withLock { state in
      state.isCancelled = true
      return state.isBegun ? nil : state.continuation.take()
    }
    waiter?.resume(returning: .failure(Self.cancelledError))
  }

  func finish(_ outcome: Outcome) {
    let waiter = state.withLock { $0.continuation.take() }
    waiter?.resume(returning: outcome)
  }
}
