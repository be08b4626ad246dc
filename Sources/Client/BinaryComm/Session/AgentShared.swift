import BusCounters
import BusLog
import BusMemory
import BusSystem
import BusWire
import Synchronization

/// What one agent's threads share: the control connection, the logs it writes, the logs it reads.
///
/// Callers ask through ``request(_:descriptor:deadline:onReply:)``; the service thread alone
/// receives, and alone changes what frames of the router change.
final class AgentShared: Sendable {
  let directory: String
  let trust: RouterTrust
  let name: String
  let category: String
  let id: BusUUID
  let clock: SharedClock
  let wakeup: EventFD
  let counters: CounterTable
  let state: Mutex<State>
  /// Raised when the service thread has ended.
  let stopped = Latch()

  struct State: Sendable {
    var link = Link.down
    var socket: FileDescriptor?
    var outbox: [(bytes: [UInt8], descriptor: FileDescriptor?)] = []
    var nextRequest: UInt32 = 1
    var nextSubscription: UInt32 = 1
    var nextStagger: UInt32 = 0
    var pending: [UInt32: PendingReply] = [:]
    var publishers: [StreamID: PublisherShared] = [:]
    var subscriptions: [UInt32: SubscriptionShared] = [:]
    var messenger: MessengerShared?
    /// What subscriptions should read and could not take.
    var lost = LostHandOvers()
    /// The blobs that this agent made and holds.
    var blobs: [BusUUID: HeldBlob] = [:]
    var identity: Identity?
    var limits = Limits()
    /// While everything is handed in to a new router: frames wait in the outbox.
    var keepsFrames = false
    /// The segments of counters that the router of this connection was offered.
    var offeredCounters: Set<Int> = []
    /// Who watches everybody's counters here, and whether this router was asked for them.
    weak var watch: CounterWatch?
    var isWatching = false
    var isWatchAsked = true
    /// Since when there has been no router.
    var downSinceNs: UInt64?
    /// Said goodbye: the end of the connection is wanted.
    var isLeaving = false
    var onRouterChange: @Sendable (Bool) -> Void = { _ in }
  }

  /// Where the control connection is.
  enum Link: Sendable, Equatable {
    /// No router; the service thread tries again.
    case down
    /// Registered (or registered again), frames flow.
    case up
    /// This agent was closed, or fenced by a router; nothing is tried any more.
    case closed(BusError)
  }

  /// Who the router says this agent is, kept for its next incarnation of the router.
  struct Identity: Sendable {
    var incarnation: Incarnation
    var ticket: ControlTicket
    var segment: ReaderSegment
    var segmentDescriptor: FileDescriptor
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
    directory: String, trust: RouterTrust, name: String, category: String
  ) throws(BusError) {
    self.directory = directory
    self.trust = trust
    self.name = name
    self.category = category
    id = BusUUID(agentName: name)
    let wakeup = try EventFD.make()
    self.wakeup = wakeup
    clock = SharedClock { wakeup.signal() }
    counters = CounterTable(agent: id) { wakeup.signal() }
    state = Mutex(State())
  }

  /// Makes the first connection and registers, trying until the deadline for a router to appear.
  func start(deadline: Deadline) throws(BusError) {
    var refusal: BusError?
    while true {
      do throws(BusError) {
        try connectFirst(deadline: deadline)
        break
      } catch {
        // Neither does a full router stay as it is: somebody may end.
        let isFull =
          error.code == .resourceExhausted && [.descriptors, .limit].contains(error.cause)
        if isFull { refusal = error }
        guard error.code == .noRouter || isFull, !deadline.isOver else {
          throw error.code == .timeout ? refusal ?? error : error
        }
        SystemThread.sleep(milliseconds: 20)
      }
    }
    let core = self
    guard SystemThread.start("bcs-service", { ServiceThread(core).run() }) else {
      throw .system("no thread for the control connection")
    }
  }

  // MARK: Requests

  /// Sends a frame and waits for its answer; a lost connection is waited for and asked again.
  func request(
    _ frame: AgentFrame, descriptor: FileDescriptor? = nil, deadline: Deadline,
    onReply: @escaping @Sendable (RouterFrame) -> Void = { _ in }
  ) throws(BusError) -> PendingReply.Outcome {
    while true {
      try waitForLink(deadline: deadline)
      let reply = PendingReply(onReply: onReply)
      // The router went since we looked: wait for the next one.
      guard let number = try post(frame, descriptor: descriptor, reply: reply) else { continue }
      let outcome = reply.wait(deadline: deadline)
      state.withLock { _ = $0.pending.removeValue(forKey: number) }
      switch outcome {
      case .none: throw .timeout("the router did not answer in time", cause: .silentRouter)
      case .lost: continue
      case .frame(.error(let error), _): throw BusError(number: error.code, text: error.text)
      case .some(let outcome): return outcome
      }
    }
  }

  /// Sends a frame that has no answer; it waits in the outbox while there is no router.
  func post(_ frame: AgentFrame) {
    state.withLock { state in
      guard state.link == .up || state.keepsFrames else { return }
      enqueue(frame.encode(), nil, &state)
    }
  }

  private func post(
    _ frame: AgentFrame, descriptor: FileDescriptor?, reply: PendingReply
  ) throws(BusError) -> UInt32? {
    try state.withLock { state throws(BusError) in
      if case .closed(let why) = state.link { throw why }
      let number = state.nextRequest
      state.nextRequest = number == .max ? 1 : number + 1
      state.pending[number] = reply
      guard state.link == .up else {
        state.pending[number] = nil
        return nil
      }
      enqueue(frame.encode(request: number), descriptor, &state)
      return number
    }
  }

  /// Sends now, or behind what already waits for the socket.
  func enqueue(_ bytes: [UInt8], _ descriptor: FileDescriptor?, _ state: inout State) {
    if state.outbox.isEmpty, let socket = state.socket,
      (try? ControlSocket.send(socket, bytes, descriptor)) == .sent
    {
      return
    }
    state.outbox.append((bytes, descriptor))
    // The service thread must ask for room in the socket.
    wakeup.signal()
  }

  /// Sends what waits; called by the service thread when the socket takes more.
  func flushOutbox() {
    var refused: [PendingReply] = []
    let isStarved = state.withLock { state in
      guard let socket = state.socket else { return false }
      while let first = state.outbox.first {
        do throws(BusError) {
          switch try ControlSocket.send(socket, first.bytes, first.descriptor) {
          case .sent: break
          case .full: return false
          case .starved: return true
          // Whoever waits is told when that is received, and asks the next router.
          case .ended, .refused: return false
          }
        } catch {
          // This frame cannot be sent at all, and whoever waits for its answer is told so.
          let number = ControlFormat.request(of: first.bytes)
          if let reply = state.pending.removeValue(forKey: number) { refused.append(reply) }
        }
        state.outbox.removeFirst()
      }
      return false
    }
    for reply in refused {
      let text = "the kernel did not take the frame to the router"
      reply.finish(
        .frame(.error(ErrorFrame(code: BusErrorCode.system.rawValue, text: text)), nil))
    }
    // The socket stays writable meanwhile: without a pause this thread would spin.
    if isStarved { SystemThread.sleep(milliseconds: 5) }
  }

  /// Waits until a router is there; throws ``BusError/noRouter(_:)`` at the deadline.
  func waitForLink(deadline: Deadline) throws(BusError) {
    while true {
      let link = state.withLock { $0.link }
      switch link {
      case .up: return
      case .closed(let why): throw why
      case .down:
        guard !deadline.isOver else {
          throw .noRouter("no router in \(directory)")
        }
        SystemThread.sleep(milliseconds: 5)
      }
    }
  }

  /// Ends every wait with the reason, and the service thread.
  func shut(_ why: BusError) {
    let (pending, publishers, subscriptions) = state.withLock { state in
      if case .closed = state.link {} else { state.link = .closed(why) }
      let pending = Array(state.pending.values)
      state.pending.removeAll()
      return (pending, Array(state.publishers.values), Array(state.subscriptions.values))
    }
    for reply in pending { reply.finish(.lost) }
    for publisher in publishers { publisher.shut(why) }
    for subscription in subscriptions { subscription.post(.closed(why)) }
    wakeup.signal()
  }
}
