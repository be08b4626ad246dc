import BusMemory
import BusPorts
import BusRouting
import BusSystem
import CBusPlatform
import DequeModule
import Glibc
import Logging

/// The event loop: turns what the kernel tells into events, and actions into system calls.
final class RouterLoop {
  static let recordsPerTurn = 32
  /// Bytes of segments that are looked through in the time of an action.
  static let bytesPerAction: UInt64 = 256 << 10

  let table: DescriptorTable
  let closer = DescriptorCloser()
  let inspector: SegmentInspector
  let logger: Logger
  let dispatcher: any Dispatcher
  let limits: RouterLimits
  let descriptorsMax: Int
  var state: RouterState
  var links: [ConnectionID: Link] = [:]
  var starved: Set<ConnectionID> = []
  /// Connections that wait for their next turn with what they asked for.
  var unfinished: Set<ConnectionID> = []
  /// Whether the engine has something left to do by itself.
  var moreToDo = false
  /// Who has had its turn.
  var turns = TurnAccounts()
  /// Who has had its turn of being told all at once: apart from the others, for whoever sends news
  /// to a user's agents would else keep them from their own requests.
  var snapshots = TurnAccounts()
  /// Connections that wait for theirs.
  var owedSnapshots: Set<ConnectionID> = []
  /// The connection of which the last frames are taken: its process has ended.
  var buried: ConnectionID?
  var events: [RouterEvent] = []
  var spare: Int32
  var listener: Int32
  /// Connections with a descriptor that waits until their agent has read.
  var unread: Set<ConnectionID> = []
  var readCheckedNs: UInt64 = 0
  /// Connections with one that waits until other agents of their user have, or for long.
  var crowded: Set<ConnectionID> = []
  var users: [UInt32: UserLoad] = [:]
  /// Of whom it was looked since the last tick who has read.
  var counted: Set<UInt32> = []
  /// Sockets of connections that were dropped within the last second, and of earlier ones.
  var leaving: Deque<LeftSocket> = []
  var left: [LeftSocket] = []
  var lines = RepeatedLines()
  private var lastConnection: UInt64 = 0
  private let signals: Int32
  private let timer: Int32

  init(
    _ state: RouterState, _ table: DescriptorTable, _ configuration: RouterConfiguration,
    _ dispatcher: any Dispatcher, listener: Int32, signals: Int32, descriptorsMax: Int,
    ofKind sample: Int32
  ) throws(RouterFailure) {
    self.state = state
    self.table = table
    self.dispatcher = dispatcher
    self.listener = listener
    self.signals = signals
    self.descriptorsMax = descriptorsMax
    logger = configuration.logger
    limits = configuration.limits
    inspector = SegmentInspector(bytesMax: configuration.limits.arenaBytes, ofKind: sample)
    timer = plat_timer(1_000_000_000)
    spare = Kernel.openSpare()
    guard timer >= 0 else { throw .system("timerfd_create", -timer) }
    do {
      try watch(listener, .listener)
      try watch(signals, .signals)
      try watch(timer, .timer)
    } catch {
      throw .system(error)
    }
  }

  deinit {
    for link in links.values {
      close(link.pidfd)
      hangUp(link.socket, of: link.peer.uid)
    }
    for one in Array(leaving) + left { close(one.socket) }
    close(timer)
    if spare >= 0 { close(spare) }
  }

  /// Whether there are agents that may come back to the next router.
  var leavesAgents: Bool { state.mayComeBack }

  /// Runs until a signal asks for the end; `everySecond` is called at each tick.
  func run(everySecond: () -> Void) throws(RouterFailure) {
    handle(.tick(nowNs: HostClock.monotonicNs()))
    // Many, for those who wait for their turn stand among them.
    var ready = [ReadyDescriptor](repeating: .none, count: 512)
    while true {
      let count = try wait(into: &ready)
      for one in ready.prefix(count) {
        let (source, connection) = Self.watched(one.key)
        switch source {
        case .listener: acceptAll()
        case .signals: return
        case .timer:
          plat_timer_drain(timer)
          everySecond()
          tendLinks()
          handle(.tick(nowNs: HostClock.monotonicNs()))
        case .socket: serve(connection, one)
        case .process: bury(connection)
        case nil: break
        }
      }
      tendUnread()
      turns.nextRound(wasComplete: count < ready.count)
      sendOwedSnapshots()
      // After the others, once for each.
      for connection in unfinished where canGoOn(connection) { goOn(connection) }
      goOn()
    }
  }

  private func wait(into ready: inout [ReadyDescriptor]) throws(RouterFailure) -> Int {
    do { return try dispatcher.wait(into: &ready, timeoutMs: waitMs) } catch {
      throw .system(error)
    }
  }

  private func sendOwedSnapshots() {
    snapshots.nextRound(wasComplete: true)
    for connection in owedSnapshots where !snapshots.isWaiting(connection) {
      owedSnapshots.remove(connection)
      flush(connection, socketHasRoom: true)
    }
  }

  private func goOn() {
    guard moreToDo else { return }
    moreToDo = false
    handle(.nextTurn)
  }

  private func goOn(_ connection: ConnectionID) {
    guard let user = links[connection]?.peer.uid, turns.mayGo(connection, of: user) else { return }
    unfinished.remove(connection)
    let work = handle(.goOn(connection))
    turns.spend(work, connection, of: user)
  }

  /// How long to wait for something to do, -1 for ever.
  private var waitMs: Int32 {
    if moreToDo || turns.isAnybodyWaiting || snapshots.isAnybodyWaiting { return 0 }
    if unfinished.contains(where: canGoOn) { return 0 }
    return unread.isEmpty && leaving.isEmpty ? -1 : Self.readCheckMs
  }

  /// Whether a list goes on as soon as it is its connection's turn.
  private func canGoOn(_ connection: ConnectionID) -> Bool {
    links[connection]?.queue.isEmpty == true && !turns.isWaiting(connection)
  }

  /// Gives an event to the engine, then everything that follows from it; returns how much work
  /// that was, in actions.
  @discardableResult
  func handle(_ event: RouterEvent) -> Int {
    events.append(event)
    guard events.count == 1 else { return 0 }  // An outer call works them off.
    var next = 0
    while next < events.count {
      let event = events[next]
      next += 1
      for action in state.handle(event) { perform(action) }
    }
    events.removeAll(keepingCapacity: true)
    return state.drainEffort()
  }

  func newConnection() -> ConnectionID {
    lastConnection += 1
    return ConnectionID(lastConnection)
  }
}
