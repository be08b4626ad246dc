package import BusCounters
package import BusWire
import DequeModule

/// Whose counters are watched, and for a while those of agents that have ended.
///
/// A plain value without a clock: times are those of whoever calls. What an event costs does not
/// depend on what agents count, for rows are read by who looks. Nobody is charged with the memory
/// of an agent that has ended, so what is kept of it is bounded whether somebody looks or not.
package struct WatchedAgents: Sendable {
  /// An agent, as the router told of it.
  package struct Entry: Sendable {
    /// Which life of the agent it is.
    package let incarnation: Incarnation
    let name: String
    let category: String
    let pid: UInt32
    let uid: UInt32
    /// Its counters.
    package var view: CounterView
    var fault: String?
    /// From when on it counts as ended.
    var endNs: UInt64?
    /// Until when it is kept after that.
    var dueNs: UInt64?
    /// What each of its readers had not taken when it ended; nil: a look has to find that out.
    var left: [CounterReading.Key: UInt64]? = [:]
    /// A look has shown what it left.
    var isShown = false
    /// What it holds of the room for those that have ended.
    var heldBytes = 0

    init(_ frame: CountersFrame) {
      incarnation = frame.incarnation
      name = frame.name
      category = frame.category
      pid = frame.pid
      uid = frame.uid
      view = CounterView(agent: frame.agent, incarnation: frame.incarnation.value)
    }
  }

  private struct End: Sendable {
    let incarnation: Incarnation
    let dueNs: UInt64
  }

  private let keptNs: UInt64
  private let bytesMax: Int
  private var entries: [Incarnation: Entry] = [:]
  private var named: Set<Incarnation>?
  /// The ends that were told, oldest first; those that were taken back as well.
  private var ends: Deque<End> = []
  /// Who is not there, and may come back to a new router until then.
  private var absent: [Incarnation] = []
  private var absentUntilNs: UInt64 = 0
  private var heldBytes: [UInt32: Int] = [:]
  private var heldSum = 0
  /// How many agents have ended whose last counts no look has shown.
  package private(set) var unseen = 0

  /// Keeps agents that have ended for so long, those of so many bytes.
  package init(keptNs: UInt64, bytesMax: Int = ClientLimits.own.endedCounterBytes) {
    self.keptNs = keptNs
    self.bytesMax = bytesMax
  }

  /// How many agents are watched, those included that have ended.
  package var count: Int { entries.count }

  // MARK: What the router says; each returns what is no longer watched

  /// Whether the part of an agent's counters that a frame brings is not there yet.
  package func wants(_ frame: CountersFrame) -> Bool {
    Int(frame.part) >= entries[frame.incarnation]?.view.partCount ?? 0
  }

  /// An agent is there; `add` takes the part that came, and says why it cannot be read.
  package mutating func tell(
    _ frame: CountersFrame, nowNs: UInt64, add: (inout CounterView) -> String?
  ) -> [Entry] {
    named?.insert(frame.incarnation)
    var entry = entries[frame.incarnation] ?? Entry(frame)
    release(&entry)
    (entry.endNs, entry.dueNs, entry.left, entry.isShown) = (nil, nil, [:], false)
    if Int(frame.part) >= entry.view.partCount { entry.fault = add(&entry.view) }
    entries[frame.incarnation] = entry
    return forgetDue(nowNs)
  }

  /// An agent has ended.
  package mutating func end(_ incarnation: Incarnation, nowNs: UInt64) -> [Entry] {
    let due = forgetDue(nowNs)
    guard entries[incarnation]?.endNs == nil else { return due }
    setEnd(of: incarnation, nowNs)
    hold(incarnation)
    return due + forgetBeyondRoom()
  }

  /// From here on the router names everybody.
  package mutating func beginListing() { named = [] }

  /// Whoever was not named has ended, unless it is on its way back to a router that is new.
  package mutating func endListing(nowNs: UInt64, graceNs: UInt64) -> [Entry] {
    let due = forgetDue(nowNs)
    guard let named = named.take() else { return due }
    let gone = entries.filter { !named.contains($0.key) && $0.value.endNs == nil }.keys.sorted()
    for incarnation in gone { setEnd(of: incarnation, nowNs &+ graceNs) }
    absent += gone
    absentUntilNs = nowNs &+ graceNs
    return due + forgetAbsent(nowNs)
  }

  // MARK: Looks

  /// Everybody whom a look shows, in no order, and who is no longer watched.
  package mutating func show(nowNs: UInt64) -> (shown: [Entry], former: [Entry]) {
    var former = forgetDue(nowNs)
    for (incarnation, entry) in entries {
      guard let endNs = entry.endNs, endNs <= nowNs else { continue }
      if let dueNs = entry.dueNs, dueNs <= nowNs {
        former += forget(incarnation)
      } else {
        entries[incarnation]?.isShown = true
      }
    }
    return (Array(entries.values), former)
  }

  /// What a look found that readers which have ended had not taken; the first look counts.
  package mutating func note(_ left: [Incarnation: [CounterReading.Key: UInt64]]) {
    for (incarnation, left) in left where entries[incarnation]?.left == nil {
      entries[incarnation]?.left = left
    }
  }

  // MARK: Ends

  private mutating func setEnd(of incarnation: Incarnation, _ endNs: UInt64) {
    guard entries[incarnation] != nil else { return }
    let dueNs = endNs &+ keptNs
    entries[incarnation]?.endNs = endNs
    entries[incarnation]?.dueNs = dueNs
    ends.append(End(incarnation: incarnation, dueNs: dueNs))
  }

  /// An agent that has ended takes room from here on; what it left is to be found out.
  private mutating func hold(_ incarnation: Incarnation) {
    guard var entry = entries[incarnation], entry.endNs != nil, entry.heldBytes == 0 else {
      return
    }
    entry.left = nil
    entry.heldBytes = max(entry.view.mappedBytes, CounterShape(part: 0).bytes)
    heldBytes[entry.uid, default: 0] += entry.heldBytes
    heldSum += entry.heldBytes
    entries[incarnation] = entry
  }

  /// Those that did not come back to a new router in time have ended.
  private mutating func forgetAbsent(_ nowNs: UInt64) -> [Entry] {
    guard absentUntilNs <= nowNs, !absent.isEmpty else { return [] }
    for incarnation in absent { hold(incarnation) }
    absent = []
    return forgetBeyondRoom()
  }

  /// Forgets whose time is over; one that stands behind another whose is not waits for that.
  private mutating func forgetDue(_ nowNs: UInt64) -> [Entry] {
    var former = forgetAbsent(nowNs)
    while let end = ends.first, end.dueNs <= nowNs {
      ends.removeFirst()
      if isThere(end) { former += forget(end.incarnation) }
    }
    return former
  }

  /// Forgets the oldest of the user with most bytes until the others have room.
  private mutating func forgetBeyondRoom() -> [Entry] {
    var former: [Entry] = []
    while heldSum > bytesMax, let most = heldBytes.max(by: { $0.value < $1.value }) {
      let place = ends.firstIndex { end in
        guard isThere(end), let entry = entries[end.incarnation] else { return false }
        return entry.uid == most.key && entry.heldBytes > 0
      }
      guard let place else { break }
      former += forget(ends.remove(at: place).incarnation)
    }
    return former
  }

  /// False for an end that was taken back, or that was forgotten.
  private func isThere(_ end: End) -> Bool { entries[end.incarnation]?.dueNs == end.dueNs }

  private mutating func forget(_ incarnation: Incarnation) -> [Entry] {
    guard var entry = entries.removeValue(forKey: incarnation) else { return [] }
    release(&entry)
    if !entry.isShown { unseen += 1 }
    return [entry]
  }

  /// Gives back what an agent holds of the room for those that have ended.
  private mutating func release(_ entry: inout Entry) {
    guard entry.heldBytes > 0 else { return }
    heldSum -= entry.heldBytes
    heldBytes[entry.uid, default: 0] -= entry.heldBytes
    if heldBytes[entry.uid] == 0 { heldBytes[entry.uid] = nil }
    entry.heldBytes = 0
  }
}
