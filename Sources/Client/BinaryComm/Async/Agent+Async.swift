public import BusLog
import BusMemory
import BusSystem
import BusWire
import Synchronization

// The edges: calls that suspend instead of blocking. None of them is for the hot path.

/// The publishers behind ``Agent/publish(_:_:)``, one per channel.
struct PublisherPool: ~Copyable, Sendable {
  private var boxes: [String: PublisherBox] = [:]

  /// The box of a channel, made when it is first used.
  mutating func box(_ channel: String) -> PublisherBox {
    if let known = boxes[channel] { return known }
    let box = PublisherBox()
    boxes[channel] = box
    return box
  }

  /// All boxes, which are forgotten.
  mutating func drainAll() -> [PublisherBox] {
    defer { boxes = [:] }
    return Array(boxes.values)
  }
}

extension Agent {
  /// Publishes bytes to a topic; suspends while the window is full, at most five seconds.
  ///
  /// On return the message is safe in a registered log. Throws `resourceExhausted` when the window
  /// stayed full or 65,536 messages or 256 MiB wait on the channel already, and `cancelled` when
  /// the task was cancelled before, or while it waited: nothing of the message is published then.
  public func publish(_ topic: String, _ payload: [UInt8]) async throws(BusError) {
    try Self.checkCancellation()
    let box = try box(for: topic)
    if try box.tryPublish(topic, payload) { return }
    // The wait for one's turn counts: of many tasks none waits longer than the first.
    let job = PublishJob(topic, payload, deadline: Deadline(after: .seconds(5)))
    let agent = self
    try await box.publish(job) { deadline throws(BusError) in
      try agent.publisher(on: topic, options: .init(), deadline: deadline)
    }
  }

  /// Tells every agent that listens to `bcs.broadcast`.
  public func broadcast(_ payload: [UInt8]) async throws(BusError) {
    try await publish(ChannelMap.broadcast.text, payload)
  }

  private func box(for topic: String) throws(BusError) -> PublisherBox {
    let parsed: Topic
    do throws(TopicError) {
      parsed = try Topic(topic)
    } catch {
      throw .invalid("\(error)")
    }
    let channel = core.state.withLock { $0.limits.channels.channel(of: parsed).text }
    return pool.withLock { $0.box(channel) }
  }

  /// Messages that match a pattern, as an asynchronous sequence of copies.
  ///
  /// At most `buffer` messages wait for the consumer; then a lossless publisher waits too, and a
  /// lossy one goes on and the gap is counted.
  public func subscribe(
    _ pattern: String, mode: ReadMode? = nil, buffer: Int = 256
  ) async throws(BusError) -> Subscription {
    guard buffer > 0 else { throw .invalid("a buffer needs room for at least one message") }
    let agent = self
    let intake = try await blocking { () throws(BusError) in
      let reader = try agent.reader(pattern, mode: mode, wait: .sleep)
      let intake = SubscriptionPump(room: buffer)
      guard intake.start(reader) else { throw .system("no thread for the subscription") }
      return intake
    }
    return Subscription(intake)
  }
}
