public import BusCounters
import BusMemory
import BusSystem
import BusWire
import Synchronization

/// Everybody's counters, read where the agents write them.
///
/// ```swift
/// let watch = try agent.watchCounters()
/// for agent in watch.look() { print(agent.name, agent.rows.count) }
/// ```
///
/// Nobody is asked for a look, so it goes on while the router is hung or dead. What it costs is
/// paid by who looks: some cache lines per row.
public final class CounterWatch: Sendable {
  /// How long an agent that has ended is shown, as long as there is room.
  public static let keptNs: UInt64 = 5_000_000_000

  // Keeps the agent on the bus for as long as somebody watches through it.
  private let agent: Agent
  private let state = Mutex(WatchedAgents(keptNs: CounterWatch.keptNs))

  init(_ agent: Agent) { self.agent = agent }

  deinit {
    // The router goes on telling of counters until it hears that nobody here watches.
    agent.core.endWatch()
  }

  /// What everybody counts now, in the order in which the agents registered.
  ///
  /// Whatever was received in a look had been sent in the same look.
  public func look() -> [AgentCounters] {
    let now = HostClock.monotonicNs()
    // Without the lock: the thread that talks with the router does not wait for who looks.
    let entries = state.withLock { $0.show(nowNs: now) }.shown
    let look = CounterLook(at: entries.sorted { $0.incarnation < $1.incarnation }, nowNs: now)
    if !look.left.isEmpty { state.withLock { $0.note(look.left) } }
    return look.agents
  }

  /// How many agents have ended, since this watch began, whose last counts no look has shown.
  ///
  /// They ended between two looks that were further apart than ``keptNs``, or so many ended that
  /// there was no room for their counters: of the user with most of them the oldest goes first.
  public var endedUnseen: Int { state.withLock { $0.unseen } }

  /// For how long there has been no router, in ns; nil while there is one.
  public var routerGoneNs: UInt64? {
    agent.core.state.withLock { $0.downSinceNs }.map { HostClock.monotonicNs() &- $0 }
  }

  // MARK: Frames of the router (service thread)

  // Memory is mapped and given back without the lock: who looks does not wait for that.

  func handle(_ frame: CountersFrame, _ descriptor: FileDescriptor?) {
    let now = HostClock.monotonicNs()
    let part = state.withLock { $0.wants(frame) } ? Self.map(frame, descriptor) : nil
    _ = state.withLock { state in
      state.tell(frame, nowNs: now) { view in
        switch part {
        case .success(let segment)?: Self.fault(adding: segment, of: frame, to: &view)
        case .failure(let error)?: error.message
        case nil: "its memory did not come with the router's word"
        }
      }
    }
  }

  private static func map(
    _ frame: CountersFrame, _ descriptor: FileDescriptor?
  ) -> Result<PeerSegment, MemoryError>? {
    guard let descriptor else { return nil }
    return Result { () throws(MemoryError) in
      try PeerSegment(of: descriptor.number, announced: frame.segmentBytes)
    }
  }

  private static func fault(
    adding segment: PeerSegment, of frame: CountersFrame, to view: inout CounterView
  ) -> String? {
    do throws(MemoryError) {
      try view.add(segment, part: Int(frame.part))
      return nil
    } catch {
      return error.message
    }
  }

  func handle(_ gone: CountersGoneFrame) {
    let now = HostClock.monotonicNs()
    _ = state.withLock { $0.end(gone.incarnation, nowNs: now) }
  }

  /// From here on the router names everybody.
  func beginListing() { state.withLock { $0.beginListing() } }

  /// Whoever was not named has ended, unless it is on its way back to a router that is new.
  func endListing(graceNs: UInt64) {
    let now = HostClock.monotonicNs()
    _ = state.withLock { $0.endListing(nowNs: now, graceNs: graceNs) }
  }
}

extension Agent {
  /// Begins to watch the counters of every agent.
  ///
  /// Throws `denied` when a policy file is in force and does not give this agent `watch: true`.
  /// After a restart of the router the watch goes on by itself, for as long as it is held, and who
  /// asks for another one gets the same, also while there is no router; the router is told when the
  /// last holder lets go of it.
  public func watchCounters() throws(BusError) -> CounterWatch {
    try core.watch { CounterWatch(self) }
  }
}
