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
  /// How long an agent that has ended is shown.
  public static let keptNs: UInt64 = 5_000_000_000

  private struct Entry: Sendable {
    let name: String
    let category: String
    let pid: UInt32
    let uid: UInt32
    var view: CounterView
    var fault: String?
    /// From when on it counts as ended.
    var goneNs: UInt64?
    /// What each of its readings had not taken when it ended.
    var left: [CounterReading.Key: UInt64] = [:]

    func rows(_ direction: CounterDirection) -> [CounterReading] {
      view.look().filter { $0.identity.direction == direction }.map { row in
        left[row.key].map { row.leaving($0) } ?? row
      }
    }
  }

  private struct State: Sendable {
    var agents: [Incarnation: Entry] = [:]
    var named: Set<Incarnation>?
  }

  // Keeps the agent on the bus for as long as somebody watches through it.
  private let agent: Agent
  private let state = Mutex(State())

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
    let agents = state.withLock { state in
      state.agents = state.agents.filter { ($0.value.goneNs ?? .max) > now &- Self.keptNs }
      return state.agents.sorted { $0.key < $1.key }
    }
    // Readers before publishers: the other way round a message could be taken before it was sent.
    let received = agents.map { $0.value.rows(.received) }
    let sent = agents.map { $0.value.rows(.sent) }
    return agents.indices.map { index in
      let (incarnation, entry) = agents[index]
      return AgentCounters(
        name: entry.name, category: entry.category, pid: entry.pid, uid: entry.uid,
        incarnation: incarnation.value, hasEnded: (entry.goneNs ?? .max) <= now,
        fault: entry.fault, rows: sent[index] + received[index])
    }
  }

  /// For how long there has been no router, in ns; nil while there is one.
  public var routerGoneNs: UInt64? {
    agent.core.state.withLock { $0.downSinceNs }.map { HostClock.monotonicNs() &- $0 }
  }

  // MARK: Frames of the router (service thread)

  func handle(_ frame: CountersFrame, _ descriptor: FileDescriptor?) {
    state.withLock { state in
      state.named?.insert(frame.incarnation)
      var entry =
        state.agents[frame.incarnation]
        ?? Entry(
          name: frame.name, category: frame.category, pid: frame.pid, uid: frame.uid,
          view: CounterView(agent: frame.agent, incarnation: frame.incarnation.value))
      entry.goneNs = nil
      if Int(frame.part) >= entry.view.partCount {
        entry.fault = Self.fault(adding: frame, descriptor, to: &entry.view)
      }
      state.agents[frame.incarnation] = entry
    }
  }

  private static func fault(
    adding frame: CountersFrame, _ descriptor: FileDescriptor?, to view: inout CounterView
  ) -> String? {
    guard let descriptor else { return "its memory did not come with the router's word" }
    do throws(MemoryError) {
      let segment = try PeerSegment(
        of: descriptor.number, announced: frame.segmentBytes)
      try view.add(segment, part: Int(frame.part))
      return nil
    } catch {
      return error.message
    }
  }

  func handle(_ gone: CountersGoneFrame) {
    state.withLock { state in
      guard let entry = state.agents[gone.incarnation], entry.goneNs == nil else { return }
      let left = Self.unread(by: entry, state.agents)
      state.agents[gone.incarnation]?.left = left
      state.agents[gone.incarnation]?.goneNs = HostClock.monotonicNs()
    }
  }

  /// What an agent that is no more will not take.
  ///
  /// Looked up now: its publishers go on, and what they send from here on is not its business.
  private static func unread(
    by entry: Entry, _ agents: [Incarnation: Entry]
  ) -> [CounterReading.Key: UInt64] {
    var unread: [CounterReading.Key: UInt64] = [:]
    for row in entry.rows(.received) where row.state == .live {
      let publisher = agents[Incarnation(row.identity.peerIncarnation)]
      let stream = publisher?.rows(.sent).first {
        $0.state != .past && $0.identity.stream == row.identity.stream
          && $0.identity.lane == row.identity.lane
      }
      guard let count = stream?.counts.messages, count > row.counts.sequence else { continue }
      unread[row.key] = count - row.counts.sequence
    }
    return unread
  }

  /// From here on the router names everybody.
  func beginListing() { state.withLock { $0.named = [] } }

  /// Whoever was not named has ended, unless it is on its way back to a router that is new.
  func endListing(graceNs: UInt64) {
    let now = HostClock.monotonicNs()
    state.withLock { state in
      guard let named = state.named.take() else { return }
      for incarnation in state.agents.keys where !named.contains(incarnation) {
        if state.agents[incarnation]?.goneNs == nil {
          state.agents[incarnation]?.goneNs = now &+ graceNs
        }
      }
    }
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
