public import BusLog
import BusMemory
package import BusSystem
public import BusWire
import CBusPlatform
import Synchronization

/// How an agent joins the bus.
public struct AgentOptions: Sendable, Equatable {
  /// How long to wait for a router to appear.
  public var connectTimeout: Duration
  /// Forbids other processes of the same user to trace this one or read its memory.
  public var undumpable: Bool

  /// Options; by default five seconds and nothing forbidden.
  public init(connectTimeout: Duration = .seconds(5), undumpable: Bool = false) {
    self.connectTimeout = connectTimeout
    self.undumpable = undumpable
  }
}

/// What can be asked of the router.
public enum BusQuery: Sendable, CaseIterable {
  /// The router itself: one row.
  case router
  /// One row per agent.
  case agents
  /// One row per stream.
  case streams
  /// One row per reader of a stream.
  case attachments
  /// One row per subscription, also to what nobody publishes.
  case subscriptions
  /// One row per service that an agent answers, and per team that it is in.
  case names
}

/// A named participant of the bus: makes publishers and readers.
///
/// ```swift
/// let bus = try Bus.connect()
/// let agent = try await bus.register("auditor", category: "security")
/// try await agent.publish("vulnerabilities.found", Array("CVE".utf8))
/// for try await message in try await agent.subscribe("vulnerabilities.>") { … }
/// ```
///
/// It goes on working when the router dies, and hands everything in when the router is back.
public final class Agent: Sendable {
  let core: AgentShared
  let pool = Mutex(PublisherPool())
  /// The thread behind the asynchronous conversations.
  let loops = MadeOnce<MessengerLoop>()

  init(_ core: AgentShared) { self.core = core }

  deinit { core.shut(.closed("the agent was closed")) }

  /// The name.
  public var name: String { core.name }
  /// The UUID: version 5 of the name.
  public var id: BusUUID { core.id }
  /// This life of the agent, by the router's count.
  public var incarnation: UInt64 { core.state.withLock { $0.identity?.incarnation.value ?? 0 } }
  /// Whether a router is there now; messages flow on without.
  public var isConnected: Bool { core.connection.isUp }
  /// Why no router is sought any more, nil while one is.
  package var end: BusError? { core.connection.end }

  /// Calls the handler, on the service thread, when the router went (false) or is back (true).
  public func onRouterChange(_ handler: @escaping @Sendable (Bool) -> Void) {
    // The former handler may hold the last reference to something that wants this lock.
    let former = core.state.withLock { state in
      defer { state.onRouterChange = handler }
      return state.onRouterChange
    }
    withExtendedLifetime(former) {}
  }

  /// Calls the handler with each peer whose requests and messages cannot be read; others go on.
  ///
  /// Its log is corrupt, or there is no descriptor or no memory left for it here. Also with each
  /// name that a router refuses after a restart, without a publisher: a service that the policy
  /// denies has ended then. The handler runs on the thread of this agent's conversations, and must
  /// not wait. Counts for conversations with `await`; who has a messenger asks
  /// ``Messenger/drainProblems()`` and ``Messenger/drainLostNames()``.
  public func onInboxProblem(_ handler: @escaping @Sendable (StreamProblem) -> Void) {
    let former = core.state.withLock { state in
      defer { state.onInboxProblem = handler }
      return state.onInboxProblem
    }
    withExtendedLifetime(former) {}
  }

  /// A publisher for a channel, or for the channel of a topic.
  ///
  /// Throws `denied` without the right to write, `resourceExhausted` when the arena or this
  /// agent's quota is used up.
  public func publisher(
    on channelOrTopic: String, options: PublisherOptions = .init()
  ) throws(BusError) -> Publisher {
    try publisher(on: channelOrTopic, options: options, deadline: Deadline(after: .seconds(5)))
  }

  /// The same by a deadline; throws `timeout` or `noRouter` then.
  func publisher(
    on channelOrTopic: String, options: PublisherOptions, deadline: Deadline
  ) throws(BusError) -> Publisher {
    let topic: Topic
    do throws(TopicError) {
      topic = try Topic(channelOrTopic)
    } catch {
      throw .invalid("\(error)")
    }
    let limits = core.state.withLock { $0.limits }
    let channel = limits.channels.channel(of: topic).text
    let allowed = limits.channelBytesMax[channel] ?? limits.logBytesMax
    let wanted = options.logBytesMax.map { LogGrowth(most: UInt64(clamping: $0)) }
    let growth = wanted ?? LogGrowth(allowed: allowed)
    let first = options.firstLogBytes.map { UInt64(clamping: $0) } ?? limits.logBytesFirst
    let capacity = min(first, max(growth.payloadMax, LogShape.capacityMin))
    guard let shape = LogShape(capacity: capacity) else {
      throw .invalid("a log of \(capacity) bytes is not possible: take a power of two")
    }
    return try makePublisher(
      channel, shape, options.growth ? growth : LogGrowth(most: capacity),
      stall: limits.stallNs, deadline)
  }

  private func makePublisher(
    _ channel: String, _ shape: LogShape, _ growth: LogGrowth, stall: UInt64, _ deadline: Deadline
  ) throws(BusError) -> Publisher {
    try core.connection.waitUntilUp(deadline: deadline)
    guard let identity = core.logIdentity(channel, generation: 0, shape: shape) else {
      throw .closed("the agent was closed")
    }
    let shared = PublisherShared(
      agent: core, channel: channel, stall: StallPolicy(stallNs: stall))
    var log: NewLog
    do throws(MemoryError) {
      log = try NewLog(identity)
    } catch {
      throw .noMemory("no memory for a log", error)
    }
    let file = FileDescriptor(log.releaseDescriptor())
    let capacity = log.identity.shape
    let publisher = Publisher(shared, log, clock: core.clock.clock(), growth)
    do throws(BusError) {
      try shared.register(capacity, file, deadline: deadline)
    } catch {
      guard error.cause == .silentRouter, isRouterInGrace else { throw error }
      throw .timeout(
        "the router takes no new publisher yet: it waits for agents of a former router, at most as "
          + "long as its --grace says")
    }
    return publisher
  }

  /// Whether the router that leaves a request unanswered says that agents of a former one may still
  /// come back to it.
  private var isRouterInGrace: Bool {
    let rows = try? query(.router, deadline: Deadline(after: .milliseconds(500)))
    return rows?.first?["in_grace"] == "1"
  }

  /// A polling reader for the thread that calls this.
  ///
  /// Without a mode: lossy for a wildcard in the first token, else lossless where this agent may
  /// hold publishers back, else lossy. Returns when every publisher there has let it in, or after
  /// 100 ms; see ``Reader/pendingPublishers``.
  public func reader(
    _ pattern: String, mode: ReadMode? = nil, wait: WaitStrategy = .adaptive
  ) throws(BusError) -> Reader {
    let parsed: TopicPattern
    do throws(TopicError) {
      parsed = try TopicPattern(pattern)
    } catch {
      throw .invalid("\(error)")
    }
    if let mode { return try subscribe(parsed, mode, wait) }
    guard !parsed.firstTokenIsWildcard else { return try subscribe(parsed, .lossy, wait) }
    do throws(BusError) {
      return try subscribe(parsed, .lossless, wait)
    } catch {
      guard error.code == .denied else { throw error }
      return try subscribe(parsed, .lossy, wait)
    }
  }

  /// A reader of what other agents write to this one.
  func openInbox(_ wait: WaitStrategy) throws(BusError) -> Reader {
    let text = InboxChannel.pattern(of: Incarnation(incarnation))
    guard let pattern = try? TopicPattern(text) else {
      throw .closed("the agent was closed")
    }
    return try subscribe(pattern, .lossless, wait)
  }

  private func subscribe(
    _ pattern: TopicPattern, _ mode: ReadMode, _ wait: WaitStrategy
  ) throws(BusError) -> Reader {
    let end = Deadline(after: .seconds(5))
    guard let segment = core.state.withLock({ $0.identity?.segment }) else {
      throw .closed("the agent was closed")
    }
    let epoch = wait == .spin ? nil : segment.leaseEpoch()
    guard wait == .spin || epoch != nil else {
      throw .resourceExhausted(
        "this agent has as many sleeping readers as it has epochs (60)", cause: .limit)
    }
    let shared = core.state.withLock { state in
      let id = state.nextSubscription
      state.nextSubscription += 1
      let shared = SubscriptionShared(
        agent: core, id: id, pattern: pattern, mode: mode, lease: epoch, segment: segment)
      state.subscriptions[id] = shared
      return shared
    }
    // From here on the reader owns the subscription: when the request fails it takes it back.
    let reader = Reader(shared, wait)
    _ = try core.request(.subscribe(shared.frame), deadline: end) { answer in
      if case .subscribed = answer { shared.confirm() }
    }
    shared.waitForPublishers(deadline: min(end, Deadline(after: .milliseconds(100))))
    return reader
  }

  /// Rows about the router, agents, streams, readers, subscriptions or names, each a name-to-text
  /// map.
  public func query(_ what: BusQuery) throws(BusError) -> [[String: String]] {
    try query(what, deadline: Deadline(after: .seconds(5)))
  }

  /// The same by a deadline; throws `timeout` or `noRouter` then.
  package func query(
    _ what: BusQuery, deadline: Deadline
  ) throws(BusError) -> [[String: String]] {
    let subject: QuerySubject =
      switch what {
      case .router: .router
      case .agents: .agents
      case .streams: .streams
      case .attachments: .attachments
      case .subscriptions: .subscriptions
      case .names: .names
      }
    let frame = AgentFrame.query(QueryFrame(subject: subject))
    let outcome = try core.request(frame, deadline: deadline)
    guard case .rows(let rows) = outcome else { return [] }
    return rows
  }

  /// Leaves the bus.
  ///
  /// What was published is in registered logs, so readers still get all of it.
  public func close() {
    loops.close(.closed("the agent was closed"))?.drain(.seconds(1))
    // Not under the lock, which tasks take: one may be waiting for a router.
    for box in pool.withLock({ $0.drainAll() }) { box.close() }
    core.connection.leave()
    let publishers = core.state.withLock { Array($0.publishers.byStream.values) }
    // Before goodbye: what was published after it would lie behind the end that readers are told.
    for publisher in publishers { publisher.shut(.closed("the agent was closed")) }
    core.tell(.goodbye)
    for _ in 0..<200 where core.connection.isSending {
      core.wakeup.signal()
      SystemThread.sleep(milliseconds: 1)
    }
    core.shut(.closed("the agent was closed"))
    _ = core.stopped.wait(Deadline(after: .seconds(2)))
  }
}
