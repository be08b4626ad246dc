import BusCounters
import BusLog
import BusMemory
import BusSystem
import BusWire
import Synchronization

/// What one agent's threads share: its control connection, the logs it writes, the logs it reads.
///
/// Callers ask through ``request(_:descriptor:deadline:onReply:)``; the service thread alone
/// receives, and alone changes what frames of the router change. The connection has a lock of its
/// own, which may be taken while ``state`` is held, never the other way round.
final class AgentShared: Sendable {
  let name: String
  let id: BusUUID
  let connection: ControlConnection
  let clock: SharedClock
  let wakeup: EventFD
  let counters: CounterTable
  let readerSegments = PeerReaderSegments()
  let state: Mutex<State>
  /// Raised when the service thread has ended.
  let stopped = Latch()

  struct State: Sendable {
    var nextSubscription: UInt32 = 1
    var nextStagger: UInt32 = 0
    var publishers = PublisherTable<PublisherShared>()
    var subscriptions: [UInt32: SubscriptionShared] = [:]
    var messenger: MessengerShared?
    /// What subscriptions should read and could not take.
    var lost = LostHandOvers()
    /// The blobs that this agent made and holds.
    var blobs: [BusUUID: HeldBlob] = [:]
    /// When the next of them that nobody holds is over; monotonic ns.
    var blobEndNs = UInt64.max
    var identity: Identity?
    var limits = Limits()
    /// The segments of counters that the router of this connection was offered.
    var offeredCounters = OfferedCounters()
    /// Who watches everybody's counters here.
    weak var watch: CounterWatch?
    /// How many wait for a router to grant that.
    var watchAsks = 0
    /// A router has granted it: the next one is asked as well, by the service thread.
    var isWatching = false
    /// This one need not be asked any more.
    var isWatchAsked = true
    /// Since when there has been no router.
    var downSinceNs: UInt64?
    var onRouterChange: @Sendable (Bool) -> Void = { _ in }
    var onInboxProblem: @Sendable (StreamProblem) -> Void = { _ in }
  }

  /// Who the router says this agent is, and the memory in which its readers leave their marks.
  struct Identity: Sendable {
    let incarnation: Incarnation
    let segment: ReaderSegment
  }

  /// What the router said about sizes.
  struct Limits: Sendable {
    var logBytesFirst: UInt64 = 64 << 10
    var logBytesMax: UInt64 = 64 << 20
    var stallNs: UInt64 = 5_000_000_000
    var arenaBytes: UInt64 = 1 << 30
    var channels = ChannelMap()
    var channelBytesMax: [String: UInt64] = [:]
  }

  init(
    directory: String, trust: RouterTrust, name: String, category: String, deadline: Deadline
  ) throws(BusError) {
    self.name = name
    id = BusUUID(agentName: name)
    let wakeup = try EventFD.make()
    self.wakeup = wakeup
    let greeting = Session.Greeting(
      program: ownProgramName(), name: name, category: category, id: id)
    connection = ControlConnection(
      directory: directory, trust: trust, wakeup: wakeup, greeting: greeting, deadline: deadline)
    clock = SharedClock { wakeup.signal() }
    counters = CounterTable(agent: id) { wakeup.signal() }
    state = Mutex(State())
  }

  /// Registers, trying until the deadline for a router to appear; then the service thread takes
  /// over.
  func start() throws(BusError) {
    var service = ServiceThread(self)
    // By this thread: who waits for it anyway pays for no other one.
    while !connection.isUp {
      if let why = connection.end { throw why }
      _ = service.step()
    }
    let ready = service
    guard SystemThread.start("bcs-service", { ready.run() }) else {
      throw .system("no thread for the control connection")
    }
  }

  // MARK: Frames to the router

  /// Sends a frame and waits for its answer; a lost connection is waited for and asked again.
  func request(
    _ frame: AgentFrame, descriptor: FileDescriptor? = nil, deadline: Deadline,
    onReply: @escaping @Sendable (RouterFrame) -> Void = { _ in }
  ) throws(BusError) -> PendingReply.Outcome {
    try connection.request(frame, descriptor: descriptor, deadline: deadline, onReply: onReply)
  }

  /// Sends a frame and hands what comes of it to `then`, on the service thread; false without a
  /// router.
  func call(
    _ frame: AgentFrame, descriptor: FileDescriptor? = nil,
    then: @escaping @Sendable (PendingReply.Outcome) -> Void
  ) -> Bool {
    connection.ask(frame, descriptor, PendingReply(then: then)) != nil
  }

  /// Sends a frame that has no answer; it is dropped while there is no router, for the next one is
  /// told how things are then.
  func tell(_ frame: AgentFrame) { connection.tell(frame) }

  /// The identity of a log of ours, nil before registration.
  func logIdentity(_ channel: String, generation: UInt32, shape: LogShape) -> LogIdentity? {
    state.withLock { state in
      guard let identity = state.identity else { return nil }
      state.nextStagger &+= 1
      return LogIdentity(
        agent: id, incarnation: identity.incarnation.value, channel: channel,
        generation: generation, shape: shape, stagger: state.nextStagger)
    }
  }

  /// Ends every wait with the reason, and the service thread.
  func shut(_ why: BusError) {
    // First: no answer is taken from here on, and the publisher that one before makes sees the end.
    let lost = connection.close(why)
    let (publishers, subscriptions) = state.withLock { state in
      (Array(state.publishers.byStream.values), Array(state.subscriptions.values))
    }
    perform(lost)
    for publisher in publishers { publisher.shut(why) }
    for subscription in subscriptions { subscription.post(.closed(why)) }
  }
}
