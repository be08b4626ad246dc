import BusLog
import BusMemory
import BusSystem
import BusWire
import Synchronization

/// The thread that owns an agent's messenger on behalf of its asynchronous calls.
final class MessengerLoop: Sendable {
  typealias Job = @Sendable (inout MessengerLoopState) -> Void

  let core: MessengerShared
  private let state = Mutex(State())
  private let lastKey = Atomic<UInt64>(0)

  private struct State: Sendable {
    var jobs = BoundedQueue<Job>(
      room: ClientLimits.own.outgoing, bytesMax: ClientLimits.own.outgoingBytes)
    var ended: BusError?
    /// Held while it serves: an agent that nobody mentions any more must go on answering.
    var agent: Agent?
  }

  init(core: MessengerShared) { self.core = core }

  /// Starts the thread, which owns the messenger from then on.
  func start(_ messenger: consuming Messenger) -> Bool {
    let handover = Handover(messenger)
    return SystemThread.start("bcs-messenger") { [self] in
      if let mine = handover.take() { run(mine) }
    }
  }

  /// Keeps the agent until it is closed.
  func keep(_ agent: Agent) {
    state.withLock { state in
      if state.ended == nil { state.agent = agent }
    }
  }

  /// What names the next ask.
  func nextKey() -> RequestQueue.Key { lastKey.add(1, ordering: .relaxed).newValue }

  /// Has the thread do something; throws when it has ended.
  ///
  /// With `bytes` it is a message with such a payload: `resourceExhausted` when as many wait for
  /// the thread as ``ClientLimits`` allows.
  func submit(bytes: Int? = nil, _ job: @escaping Job) throws(BusError) {
    let refused = state.withLock { state -> BusError? in
      if let ended = state.ended { return ended }
      guard let bytes else {
        state.jobs.appendAnyway(job, bytes: 0)
        return nil
      }
      guard !state.jobs.append(job, bytes: bytes) else { return nil }
      return .resourceExhausted(
        "\(state.jobs.count) messages with \(state.jobs.bytes >> 20) MiB wait to be sent already",
        cause: .queue)
    }
    if let refused { throw refused }
    core.kick()
  }

  /// Waits until what was sent lies in its log, at most that long.
  func drain(_ timeout: Duration) {
    let done = Latch()
    let submitted: ()? = try? submit { work in
      work.messenger.drain(timeout: timeout)
      done.open()
    }
    if submitted != nil { _ = done.wait(Deadline(after: timeout)) }
  }

  private var hasJobs: Bool { state.withLock { !$0.jobs.isEmpty } }

  private func drainJobs() -> [Job] {
    state.withLock { $0.jobs.drainAll() }
  }

  private func run(_ messenger: consuming Messenger) {
    var work = MessengerLoopState(messenger, self)
    var failure = BusError.closed("the agent was closed")
    while true {
      for job in drainJobs() { job(&work) }
      do throws(BusError) {
        // A turn takes notice of every kick so far: jobs that came with one must not wait.
        if try work.turn() || hasJobs { continue }
        _ = try work.messenger.wait(timeout: .milliseconds(500))
      } catch {
        failure = error
        break
      }
    }
    let left = state.withLock { state in
      state.ended = failure
      return state.jobs.drainAll()
    }
    for job in left { job(&work) }
    work.end(failure)
    _ = state.withLock { $0.agent.take() }
  }
}

extension Agent {
  /// The thread of this agent's messenger, started when it is first needed.
  func loop() async throws(BusError) -> MessengerLoop {
    let agent = self
    return try await loops.value { () throws(BusError) in
      let messenger = try agent.messenger()
      let loop = MessengerLoop(core: messenger.core)
      // Of an agent that is closed meanwhile it ends by itself: its inbox is told.
      guard loop.start(messenger) else { throw .system("no thread for conversations") }
      return loop
    }
  }
}
