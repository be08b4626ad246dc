import BusLog
import BusMemory
import BusSystem
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
  private let owner: PumpOwner
  private var intake: SubscriptionPump { owner.intake }

  init(_ intake: SubscriptionPump) { owner = PumpOwner(intake) }

  /// Hands out messages one by one.
  public struct Iterator: AsyncIteratorProtocol {
    fileprivate let owner: PumpOwner
    private var intake: SubscriptionPump { owner.intake }

    fileprivate init(_ owner: PumpOwner) { self.owner = owner }

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
private final class PumpOwner: Sendable {
  let intake: SubscriptionPump
  init(_ intake: SubscriptionPump) { self.intake = intake }
  deinit { intake.stop() }
}

/// The thread that copies messages of one subscription into a bounded buffer, so that a consumer
/// that takes its time holds no position in any log.
final class SubscriptionPump: Sendable {
  private struct State: Sendable {
    var stopping = false
    var statistics = ReaderStatistics()
  }
  /// While so many bytes of payloads wait for the consumer nothing more is copied.
  private static var bytesMax: Int { ClientLimits.own.subscriptionBytes }

  private let buffer: BoundedBuffer<ReceivedMessage>
  private let state = Mutex(State())
  let problems: AsyncStream<StreamProblem>
  private let problemContinuation: AsyncStream<StreamProblem>.Continuation
  private let spaceFreed: LocalWord
  private let source = Mutex<SubscriptionShared?>(nil)

  init(room: Int) {
    let freed = LocalWord()
    spaceFreed = freed
    buffer = BoundedBuffer(
      room: room, bytesMax: Self.bytesMax, onRoom: { Self.signalSpace(freed) },
      size: { $0.payload.count })
    (problems, problemContinuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(64))
  }

  func start(_ reader: consuming Reader) -> Bool {
    let core = reader.core
    source.withLock { $0 = core }
    let handover = Handover(reader)
    return SystemThread.start("bcs-subscribe") { [self] in
      guard let mine = handover.take() else { return }
      run(mine)
    }
  }

  private func run(_ reader: consuming Reader) {
    var reader = reader
    var batch = BatchSize()
    while true {
      // Before the look at what it tells of: what changes after that look ends the sleep at once.
      let seen = spaceFreed.word.loadAcquire()
      if state.withLock({ $0.stopping }) { break }
      let free = buffer.free
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
        // What a publisher gave that has gone on without us is void, what others gave stands.
        let void = reader.evictedStream
        fresh.removeAll { $0.stream == void }
        put(fresh, reader.statistics)
        for problem in reader.drainProblems() { problemContinuation.yield(problem) }
        guard reader.agentEnd == nil else {
          buffer.end(error)
          break
        }
      }
    }
    reader.close()
    buffer.end()
    problemContinuation.finish()
    source.withLock { $0 = nil }
  }

  /// How many messages one poll copies: few while they are large, so that what waits grows beyond
  /// its bound by little.
  private struct BatchSize {
    private(set) var messages = 16

    mutating func note(_ fresh: [ReceivedMessage]) {
      let bytes = fresh.reduce(0) { $0 + $1.payload.count }
      if bytes > bytesMax / 8 {
        messages = max(1, fresh.count * (bytesMax / 8) / bytes)
      } else if fresh.count == messages {
        messages = min(messages * 2, 4096)
      }
    }
  }

  private func put(_ fresh: [ReceivedMessage], _ statistics: ReaderStatistics) {
    state.withLock { $0.statistics = statistics }
    buffer.put(all: fresh)
  }

  /// Ends the thread; the sequence ends after what is buffered.
  func stop() {
    state.withLock { $0.stopping = true }
    Self.signalSpace(spaceFreed)
    source.withLock { $0 }?.wakeReader()
  }

  private static func signalSpace(_ freed: LocalWord) {
    freed.word.add(1)
    wake(freed)
  }

  var statistics: ReaderStatistics { state.withLock { $0.statistics } }

  func next() async throws(BusError) -> ReceivedMessage? {
    if let message = try await buffer.next() { return message }
    // Its end, or that of the task: a consumer that was cancelled takes nothing more.
    stop()
    return nil
  }
}
