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
    core.state.withLock { $0.socket = nil }
    core.stopped.open()
  }

  private mutating func step() -> Bool {
    let (link, socket, writes) = core.state.withLock { ($0.link, $0.socket, !$0.outbox.isEmpty) }
    switch link {
    case .closed: return false
    case .down:
      reconnect()
      lookOnceASecond()
      return true
    case .up:
      guard let socket else { return false }
      // Before the wait: after a return to a new router nothing else may come for a long time.
      core.tendCounters()
      let rest: Int32 = core.clock.isResting && !core.keepsOldLogs ? -1 : 1000
      let milliseconds = core.millisecondsUntilLost(atMost: rest)
      let ready = core.wakeup.wait(orSocket: socket, writable: writes, milliseconds: milliseconds)
      if ready {
        core.flushOutbox()
        receiveAll(socket)
      }
      core.askForLost()
      core.prepareLogs()
      lookOnceASecond()
      return true
    }
  }

  private func receiveAll(_ socket: FileDescriptor) {
    for _ in 0..<64 {
      switch ControlSocket.receive(socket) {
      case .nothing: return
      case .frame(let bytes, let descriptors, let isCut):
        core.receive(bytes, descriptors, isCut: isCut)
      case .ended:
        core.lose()
        return
      }
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

  /// Full jitter between 10 and 250 ms, so that a hundred agents do not arrive at once.
  private func reconnect() {
    SystemThread.sleep(milliseconds: .random(in: 10...250))
    do throws(BusError) {
      guard try core.connectAgain() else { return }
      core.notifyRouterChange(true)
    } catch {
      switch error.code {
      case .fenced, .incompatibleVersion, .denied, .nameInUse: core.shut(error)
      default: return
      }
    }
  }
}

extension AgentShared {
  /// The socket ended: everything mapped goes on, requests ask again when a router is back.
  func lose() {
    let pending = state.withLock { state in
      if state.link == .up, !state.isLeaving { state.link = .down }
      state.socket = nil
      state.outbox.removeAll()
      forgetCounters(&state)
      let pending = Array(state.pending.values)
      state.pending.removeAll()
      return pending
    }
    for reply in pending { reply.finish(.lost) }
    guard state.withLock({ $0.link == .down }) else { return }
    notifyRouterChange(false)
  }

  func notifyRouterChange(_ present: Bool) {
    let handler = state.withLock { $0.onRouterChange }
    handler(present)
  }

  /// Acts on one frame of the router.
  ///
  /// A frame that is not understood ends the connection; one whose descriptor found no room in this
  /// process (`isCut`) loses that hand-over alone.
  func receive(_ bytes: [UInt8], _ descriptors: [FileDescriptor], isCut: Bool) {
    guard let (request, frame) = try? RouterFrame.decode(bytes) else {
      lose()
      return
    }
    if request != 0 {
      answer(request, frame, descriptors.first)
    } else {
      apply(frame, descriptors.first)
    }
  }

  private func answer(_ request: UInt32, _ frame: RouterFrame, _ descriptor: FileDescriptor?) {
    guard let reply = state.withLock({ $0.pending[request] }) else { return abandon(frame) }
    switch frame {
    case .row(let row):
      reply.add(row: Dictionary(row.fields.map { ($0.key, $0.value) }) { $1 })
      return
    case .queryEnd: reply.finishRows()
    default: if !reply.finish(.frame(frame, descriptor)) { abandon(frame) }
    }
    state.withLock { _ = $0.pending.removeValue(forKey: request) }
  }

  /// The caller gave up: a stream that nobody will ever write is not left behind.
  private func abandon(_ answer: RouterFrame) {
    guard case .logAdded(let added) = answer, added.generation == 0 else { return }
    post(.closeStream(CloseStreamFrame(stream: added.stream)))
  }

  private func apply(_ frame: RouterFrame, _ descriptor: FileDescriptor?) {
    switch frame {
    case .announce(let announce): subscription(announce.subscription)?.handle(announce, descriptor)
    case .joined(let joined): subscriptions { $0.handle(joined) }
    case .streamEnded(let ended): subscriptions { $0.handle(ended) }
    case .evicted(let evicted): subscriptions { $0.handle(evicted) }
    case .join(let join): publisher(join.stream)?.handle(join, descriptor)
    case .leave(let leave): publishers { $0.leave(leave.attachment) }
    case .agentGone(let gone): publishers { $0.leave(everyoneOf: gone.incarnation) }
    case .logAdded(let added): publisher(added.stream)?.handle(added)
    case .responders(let frame): messenger?.handle(frame)
    case .missed(let missed): subscription(missed.subscription)?.handle(missed)
    case .counters(let frame): state.withLock { $0.watch }?.handle(frame, descriptor)
    case .countersGone(let gone): state.withLock { $0.watch }?.handle(gone)
    case .snapshotBegin:
      state.withLock { $0.watch }?.beginListing()
      subscriptions { $0.beginSnapshot() }
      publishers { $0.beginSnapshot() }
    case .snapshotEnd:
      state.withLock { $0.watch }?.endListing(graceNs: 0)
      subscriptions { $0.endSnapshot() }
      publishers { $0.endSnapshot() }
    default: break
    }
  }

  private func subscription(_ id: UInt32) -> SubscriptionShared? {
    state.withLock { $0.subscriptions[id] }
  }
  private var messenger: MessengerShared? { state.withLock { $0.messenger } }
  private func subscriptions(_ body: (SubscriptionShared) -> Void) {
    for subscription in state.withLock({ Array($0.subscriptions.values) }) { body(subscription) }
  }
  private func publisher(_ stream: StreamID) -> PublisherShared? {
    state.withLock { $0.publishers[stream] }
  }
  private func publishers(_ body: (PublisherShared) -> Void) {
    for publisher in state.withLock({ Array($0.publishers.values) }) { body(publisher) }
  }

  /// Makes the logs that publishers asked for.
  func prepareLogs() { publishers { $0.prepareIfAsked() } }

  /// Bytes that this agent's publishers have committed: another number each time one publishes.
  var committed: UInt64 {
    let all = state.withLock { Array($0.publishers.values) }
    return all.reduce(0) { $0 &+ $1.gate.committed }
  }

  /// Whether a publisher has logs that are to be forgotten when their last reader leaves them.
  var keepsOldLogs: Bool {
    state.withLock { Array($0.publishers.values) }.contains { $0.hasOldLogs }
  }

  /// Forgets logs that every reader has left behind.
  func dropDrainedLogs() { publishers { $0.dropDrainedLogs() } }
}
