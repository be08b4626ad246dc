import BusLog
import BusMemory
import BusSystem
import BusWire
import Synchronization

/// The one thread of an agent that talks with the router: joins, new logs, the end of peers, the
/// clock's check, and the way back after the router was gone.
struct ServiceThread {
  private let core: AgentShared
  private var nextLookNs: UInt64 = 0
  private var lastPublished: UInt64 = 0
  private var isClockResting = false

  init(_ core: AgentShared) { self.core = core }

  func run() {
    var thread = self
    while thread.step() {}
    core.connection.disconnect()
    core.stopped.open()
  }

  /// Waits for what is next and acts on it; false when the agent has ended.
  mutating func step() -> Bool {
    let look = core.connection.look()
    let nowNs = HostClock.monotonicNs()
    switch look.phase {
    case .closed: return false
    case .down where nowNs >= look.dueNs: core.perform(core.connection.connect())
    case .down: _ = wait(look, milliseconds: Self.milliseconds(until: look.dueNs, nowNs))
    case .greeting, .registering, .restoring:
      if wait(look, milliseconds: Self.milliseconds(until: look.dueNs, nowNs)) {
        receiveAll(look.socket)
      }
      core.perform(core.connection.update { $0.tick(nowNs: $1, pauseNs: $2) })
    case .up:
      // Before the wait: after a return to a new router nothing else may come for a long time.
      let isAllOffered = core.tendCounters()
      let mayRest = isAllOffered && core.clock.isResting && !core.keepsOldLogs
      let rest: Int32 = mayRest ? -1 : 1000
      let dueNs = min(core.lostDueNs, core.blobEndNs)
      if wait(look, milliseconds: Self.milliseconds(until: dueNs, nowNs, atMost: rest)) {
        receiveAll(look.socket)
      }
      core.askForLost()
      core.prepareLogs()
    }
    core.forgetOldBlobs()
    lookOnceASecond()
    return true
  }

  /// Sends what waits, then waits for the socket, a signal or the time; true when the socket has
  /// something.
  private func wait(_ look: ControlConnection.Look, milliseconds: Int32) -> Bool {
    if look.hasOutbound { core.perform(core.connection.flush()) }
    let writes = core.connection.look().hasOutbound
    return core.wakeup.wait(
      orSocket: look.socket, writable: writes, milliseconds: milliseconds)
  }

  private static func milliseconds(until dueNs: UInt64, _ nowNs: UInt64) -> Int32 {
    dueNs > nowNs ? Int32(clamping: (dueNs - nowNs) / 1_000_000 + 1) : 0
  }

  /// The same, at most so long; -1: for ever.
  private static func milliseconds(
    until dueNs: UInt64, _ nowNs: UInt64, atMost rest: Int32
  ) -> Int32 {
    guard dueNs < .max else { return rest }
    let left = milliseconds(until: dueNs, nowNs)
    return rest < 0 ? left : min(left, rest)
  }

  private func receiveAll(_ socket: FileDescriptor?) {
    guard let socket else { return }
    for _ in 0..<64 {
      switch ControlSocket.receive(socket) {
      case .nothing: return
      case .starved:
        // The socket stays readable meanwhile: without a pause this thread would spin.
        SystemThread.sleep(milliseconds: 5)
        return
      // One whose descriptor found no room in this process loses that hand-over alone.
      case .frame(let bytes, let descriptors):
        core.perform(
          core.connection.update {
            $0.receive(bytes, descriptors.first, nowNs: $1, pauseNs: $2)
          })
      case .ended:
        core.perform(core.connection.update { $0.lose(nowNs: $1, pauseNs: $2) })
        return
      }
      // A frame that is not understood ends the connection.
      guard core.connection.look().socket === socket else { return }
    }
  }

  /// Checks the clock while something is published; an agent that publishes nothing lets it rest,
  /// so that this thread can sleep until an event arrives.
  private mutating func lookOnceASecond() {
    let now = HostClock.monotonicNs()
    let isWanted = isClockResting && !core.clock.isResting
    guard isWanted || now >= nextLookNs else { return }
    nextLookNs = now + 1_000_000_000
    let published = core.committed
    isClockResting = !isWanted && published == lastPublished
    lastPublished = published
    if isClockResting { core.clock.rest() } else { core.clock.check() }
    core.dropDrainedLogs()
  }
}

extension AgentShared {
  /// Acts on a frame of the router that answers nothing.
  func apply(_ frame: RouterFrame, _ descriptor: FileDescriptor?) {
    switch frame {
    case .announce(let announce): subscription(announce.subscription)?.hear(frame, descriptor)
    case .joined, .streamEnded, .missed: tellSubscriptions(frame)
    case .evicted(let evicted):
      // The router keeps what it evicted until its reader lets go; that may never have heard of it.
      guard !tellSubscriptions(frame) else { break }
      tell(.detach(DetachFrame(attachment: evicted.attachment)))
    case .join, .leave, .logAdded: tellPublishers(frame, descriptor)
    case .agentGone(let gone):
      tellPublishers(frame)
      messenger?.post(.gone(gone.incarnation))
    case .responders(let frame): messenger?.handle(frame)
    case .counters(let frame): state.withLock { $0.watch }?.handle(frame, descriptor)
    case .countersGone(let gone): state.withLock { $0.watch }?.handle(gone)
    case .snapshotBegin:
      state.withLock { $0.watch }?.beginListing()
      tellSubscriptions(frame)
      tellPublishers(frame)
    case .snapshotEnd:
      state.withLock { $0.watch }?.endListing(graceNs: 0)
      tellSubscriptions(frame)
      tellPublishers(frame)
    default: break
    }
  }

  /// Returns whether it is some subscription's.
  @discardableResult
  private func tellSubscriptions(_ frame: RouterFrame) -> Bool {
    var isKnown = false
    for subscription in state.withLock({ Array($0.subscriptions.values) }) {
      if subscription.hear(frame) { isKnown = true }
    }
    return isKnown
  }

  private func tellPublishers(_ frame: RouterFrame, _ descriptor: FileDescriptor? = nil) {
    let (hearers, isSweepDue) = state.withLock { state in
      (state.publishers.hearers(of: frame), state.publishers.isSweepDue)
    }
    for (_, publisher) in hearers { publisher.hear(frame, descriptor) }
    guard isSweepDue else { return }
    var present: Set<AttachmentID> = []
    publishers { present.formUnion($0.gate.attachments.lazy.map(AttachmentID.init)) }
    state.withLock { [present] in $0.publishers.keep(present) }
  }

  private func subscription(_ id: UInt32) -> SubscriptionShared? {
    state.withLock { $0.subscriptions[id] }
  }
  private var messenger: MessengerShared? { state.withLock { $0.messenger } }
  private func publishers(_ body: (PublisherShared) -> Void) {
    for publisher in state.withLock({ Array($0.publishers.byStream.values) }) { body(publisher) }
  }

  /// Makes the logs that publishers asked for.
  func prepareLogs() { publishers { $0.prepareIfAsked() } }

  /// Bytes that this agent's publishers have committed: another number each time one publishes.
  var committed: UInt64 {
    let all = state.withLock { Array($0.publishers.byStream.values) }
    return all.reduce(0) { $0 &+ $1.gate.committed }
  }

  /// Whether a publisher has logs that are to be forgotten when their last reader leaves them.
  var keepsOldLogs: Bool {
    state.withLock { Array($0.publishers.byStream.values) }.contains { $0.hasOldLogs }
  }

  /// Forgets logs that every reader has left behind.
  func dropDrainedLogs() { publishers { $0.dropDrainedLogs() } }
}
