import BusLog
import BusMemory
import BusWire
import Synchronization

/// Messages of a subscription as an asynchronous sequence of copies.
///
/// ```swift
/// for try await message in try await agent.subscribe("alerts.>") { print(message.topic) }
/// ```
///
/// One consumer. Ends with an error when the agent is closed, and for nothing else: a publisher
/// that breaks its log, goes on without this subscription, or finds no place here is read no more,
/// and all others are. ``problems`` tells of each, and ``statistics`` counts them.
public struct Subscription: AsyncSequence, Sendable {
  /// What the sequence yields.
  public typealias Element = ReceivedMessage
  /// What may end it.
  public typealias Failure = BusError
  private let owner: IntakeOwner
  private var intake: Intake { owner.intake }

  init(_ intake: Intake) { owner = IntakeOwner(intake) }

  /// Hands out messages one by one.
  public struct Iterator: AsyncIteratorProtocol {
    fileprivate let owner: IntakeOwner
    private var intake: Intake { owner.intake }

    fileprivate init(_ owner: IntakeOwner) { self.owner = owner }

    /// The next message; nil after ``Subscription/cancel()`` or when the task is cancelled.
    public mutating func next() async throws(BusError) -> ReceivedMessage? {
      try await intake.next()
    }

    /// The next message; isolation makes no difference here.
    public mutating func next(
      isolation actor: isolated (any Actor)?
    ) async throws(BusError) -> ReceivedMessage? {
      try await intake.next()
    }
  }

  /// Starts iterating; a subscription has one iterator.
  public func makeAsyncIterator() -> Iterator { Iterator(owner) }

  /// Ends the subscription; the sequence ends after what is buffered.
  public func cancel() { intake.stop() }

  /// What was seen so far.
  public var statistics: ReaderStatistics { intake.statistics }

  /// What happens to single publishers' messages, as it happens; ends with the subscription.
  ///
  /// One consumer. The newest 64 wait for it.
  ///
  /// ```swift
  /// Task { for await problem in alerts.problems { log(problem.publisher, problem.error) } }
  /// ```
  public var problems: AsyncStream<StreamProblem> { intake.problems }
}

/// Ends the intake when neither the subscription nor its iterator is held any more: a sequence that
/// was left must not go on holding publishers back.
private final class IntakeOwner: Sendable {
  let intake: Intake
  init(_ intake: Intake) { self.intake = intake }
  deinit { intake.stop() }
}

/// The thread that copies messages of one subscription into a bounded buffer, so that a consumer
/// that takes its time holds no position in any log.
final class Intake: Sendable {
  private struct State: Sendable {
    var buffer: [ReceivedMessage] = []
    var head = 0
    /// Payload bytes of what waits.
    var bytes = 0
    var ended = false
    var failure: BusError?
    /// More than one only where several tasks share a subscription.
    var waiters: [CheckedContinuation<Void, Never>] = []
    var stopping = false
    var statistics = ReaderStatistics()

    var count: Int { buffer.count - head }

    mutating func takeWaiters() -> [CheckedContinuation<Void, Never>] {
      defer { waiters = [] }
      return waiters
    }

    mutating func pop() -> ReceivedMessage? {
      guard head < buffer.count else { return nil }
      let first = buffer[head]
      bytes -= first.payload.count
      head += 1
      if head > 1024 || head == buffer.count {
        buffer.removeFirst(head)
        head = 0
      }
      return first
    }
  }
  /// While so many bytes of payloads wait for the consumer nothing more is copied.
  static let bytesMost = 64 << 20

  private let room: Int
  private let state = Mutex(State())
  let problems: AsyncStream<StreamProblem>
  private let tellProblem: AsyncStream<StreamProblem>.Continuation
  private let spaceFreed = HeapWord()
  private let source = Mutex<SubscriptionCore?>(nil)

  init(room: Int) {
    self.room = room
    (problems, tellProblem) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(64))
  }

  func start(_ reader: consuming Reader) -> Bool {
    let core = reader.core
    source.withLock { $0 = core }
    let box = Mutex<Reader?>(consume reader)
    let handover = Handover(box)
    return startThread("bcs-intake") { [self] in
      guard let mine = handover.take() else { return }
      run(mine)
    }
  }

  /// Carries the reader, which cannot be copied, into the thread's closure.
  private final class Handover: Sendable {
    private let box: Mutex<Reader?>
    init(_ box: consuming Mutex<Reader?>) { self.box = box }
    func take() -> Reader? { box.withLock { $0.take() } }
  }

  private func run(_ reader: consuming Reader) {
    var reader = reader
    var batch = BatchSize()
    while true {
      // Before the look at what it tells of: what changes after that look ends the sleep at once.
      let seen = spaceFreed.word.loadAcquire()
      let (isStopping, free) = state.withLock { ($0.stopping, self.room(in: $0)) }
      if isStopping { break }
      guard free > 0 else {
        sleep(on: spaceFreed, seen: seen)
        continue
      }
      var fresh: [ReceivedMessage] = []
      do throws(BusError) {
        let taken = try reader.poll(limit: min(free, batch.messages)) { message in
          fresh.append(message.copy())
        }
        batch.note(fresh)
        put(fresh, reader.statistics)
        if taken == 0 { _ = try reader.wait(timeout: .milliseconds(500)) }
      } catch {
        // What the publisher gave that has gone on without us is void, what others gave stands.
        let void = reader.evictedSource.take()
        fresh.removeAll { $0.header.source == void }
        put(fresh, reader.statistics)
        guard error.code != .closed else {
          finish(error)
          break
        }
        for problem in reader.takeProblems() { tellProblem.yield(problem) }
      }
    }
    reader.close()
    finish(nil)
    tellProblem.finish()
    source.withLock { $0 = nil }
  }

  /// How many more messages may wait now.
  private func room(in state: borrowing State) -> Int {
    state.bytes < Self.bytesMost ? room - state.count : 0
  }

  /// How many messages one poll copies: few while they are large, so that what waits grows beyond
  /// its bound by little.
  private struct BatchSize {
    private(set) var messages = 16

    mutating func note(_ fresh: [ReceivedMessage]) {
      let bytes = fresh.reduce(0) { $0 + $1.payload.count }
      if bytes > bytesMost / 8 {
        messages = max(1, fresh.count * (bytesMost / 8) / bytes)
      } else if fresh.count == messages {
        messages = min(messages * 2, 4096)
      }
    }
  }

  private func put(_ fresh: [ReceivedMessage], _ statistics: ReaderStatistics) {
    let waiters = state.withLock { state in
      state.buffer.append(contentsOf: fresh)
      for message in fresh { state.bytes += message.payload.count }
      state.statistics = statistics
      return fresh.isEmpty ? [] : state.takeWaiters()
    }
    for waiter in waiters { waiter.resume() }
  }

  private func finish(_ failure: BusError?) {
    let waiters = state.withLock { state in
      state.ended = true
      if state.failure == nil { state.failure = failure }
      return state.takeWaiters()
    }
    for waiter in waiters { waiter.resume() }
  }

  /// Ends the thread; the sequence ends after what is buffered.
  func stop() {
    state.withLock { $0.stopping = true }
    tellOfSpace()
    source.withLock { $0 }?.nudge()
  }

  private func tellOfSpace() {
    spaceFreed.word.add(1)
    wake(spaceFreed)
  }

  var statistics: ReaderStatistics { state.withLock { $0.statistics } }

  func next() async throws(BusError) -> ReceivedMessage? {
    while true {
      let (message, wasFull, ended, failure) = state.withLock { state in
        let full = room(in: state) == 0
        return (state.pop(), full, state.ended, state.failure)
      }
      if wasFull { tellOfSpace() }
      if let message { return message }
      if ended {
        if let failure { throw failure }
        return nil
      }
      if Task.isCancelled {
        stop()
        return nil
      }
      await waitForMore()
    }
  }

  private func waitForMore() async {
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let now = state.withLock { state in
          if state.count > 0 || state.ended { return true }
          state.waiters.append(continuation)
          return false
        }
        if now { continuation.resume() }
      }
    } onCancel: {
      stop()
      for waiter in state.withLock({ $0.takeWaiters() }) { waiter.resume() }
    }
  }
}
