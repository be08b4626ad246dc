import BusMemory
import CBusABI
import CBusPlatform
import Synchronization

// The publishing thread's side of the gate: all of it off the path of a message that fits.

/// What the publishing thread copies out of the gate when it looks.
struct GateView: Sendable {
  /// Lossless readers that left since the last look.
  var departures = Departures()
  /// The epochs of readers that may sleep, as far as they changed; nil when the stream is over.
  var sleepers: SleeperList.Changes?
  /// One of the readers makes no barrier before it sleeps.
  var fences = false
}

/// Lossless readers that have left the window and of whom the log does not say so yet.
///
/// However many come and go while the publisher writes nothing, only the last have names: no log
/// holds more of them.
package struct Departures: Sendable {
  package private(set) var count = 0
  private var names: [UInt64] = []

  private static var namesMax: Int { Int(BUS_HOT_DEPARTED_ENTRIES) }

  package init() {}

  package mutating func add(_ attachment: UInt64) {
    if names.count < Self.namesMax {
      names.append(attachment)
    } else {
      names[count % Self.namesMax] = attachment
    }
    count += 1
  }

  /// The name of the departure with this number, from 0 on; nil when it is not kept.
  package func name(_ number: Int) -> UInt64? {
    number + Self.namesMax < count ? nil : names[number % Self.namesMax]
  }
}

/// The reader for which a publisher waits: a futex word and the value it was seen with.
struct SlowReader {
  let segment: PeerSegment?
  let cursor: WatchedWord64?
  let seen: UInt64
}

extension FlowControl {
  /// Says which log the publisher writes, at the start and at each rotation.
  func use(_ log: OwnLogView, generation: UInt32) {
    state.withLock { state in
      state.log = log
      state.generation = generation
      state.isStale = true
      // The new log's index begins where it begins.
      state.counted = (0, 0)
    }
  }

  /// Says that the publishing thread fences at each claim.
  func noteFencedClaims() { state.withLock { $0.claimsAreFenced = true } }

  /// The publisher is gone: nobody can join any more.
  public func end() {
    state.withLock { state in
      state.log = nil
      state.readers = ReaderWindow()
    }
  }

  /// Opens the limit, and says what has changed since the last look.
  ///
  /// `end`: what the publisher wants to write up to. The cursors are read again when it lies beyond
  /// what the last walk over them allowed, or when that walk holds no more; the clocks of readers
  /// that still hold it back go on, even if it looks many times before it waits. nil: it wants to
  /// write nothing now.
  func look(for end: UInt64?) -> GateView {
    let (view, left) = state.withLock { state -> (GateView, [UInt64]) in
      guard let log = state.log, !state.isShut else {
        limit.storeRelaxed(0)
        return (GateView(), [])
      }
      let isWalkDue = state.isStale || state.open < end ?? 0
      let left = isWalkDue ? state.walk(log, for: end) : []
      limit.storeRelaxed(state.open)
      var view = GateView(sleepers: state.readers.sleepers.takeChanges())
      view.fences = state.readers.fencing > 0
      swap(&view.departures, &state.departures)
      state.work.epochs += view.sleepers?.list.count ?? 0
      return (view, left)
    }
    for attachment in left { onLeave(attachment) }
    return view
  }

  /// The reader that keeps the publisher from writing up to `end`, nil when there is room now.
  ///
  /// Counts blocked time against the readers that block, and evicts those whose time is up.
  func blocker(of end: UInt64, nowNs: UInt64) -> SlowReader? {
    var evicted: [(UInt64, String)] = []
    let slow: SlowReader? = state.withLock { state in
      guard let log = state.log else { return nil }
      let commit = log.commit.loadRelaxed()
      let (capacity, base) = (log.shape.capacity, log.basePosition)
      let eighth = log.shape.eighth
      var slowest: SlowReader?
      for at in state.readers.lossless.indices {
        state.readers.lossless[at].accept(commit: commit)
        let cursor = state.readers.lossless[at].cursor
        guard max(cursor, base) + capacity < end else {
          state.readers.lossless[at].stall.pause()
          continue
        }
        if let reason = state.readers.lossless[at].stall.blocked(
          cursor: cursor, nowNs: nowNs, eighth: eighth, policy: stall)
        {
          evicted.append((state.readers.lossless[at].attachment, reason))
        } else if slowest.map({ cursor < $0.seen }) ?? true {
          let link = state.readers.lossless[at].link
          slowest = SlowReader(segment: link?.segment, cursor: link?.cursor, seen: cursor)
        }
      }
      for (attachment, _) in evicted {
        state.remove(attachment)
        state.evicted.note(attachment)
      }
      if !evicted.isEmpty { limit.storeRelaxed(0) }
      return slowest
    }
    for (attachment, reason) in evicted { onEvict(attachment, reason) }
    return slow
  }
}

extension FlowControl.Reader {
  /// It has cleared its ticket.
  var hasLeft: Bool {
    guard let link else { return false }
    return link.ticket.loadAcquire() != attachment
  }

  /// Takes the reader's cursor over, clamped: never backwards, never beyond what is committed.
  mutating func accept(commit: UInt64) {
    guard let link else { return }
    let found = link.cursor.loadAcquire()  // SYNC: reader.cursor
    if found > cursor { cursor = min(found, commit) }
  }
}

extension FlowControl.State {
  /// Reads every lossless reader's cursor and says how far the window is open; returns those that
  /// have cleared their ticket, which are in it no more.
  mutating func walk(_ log: OwnLogView, for end: UInt64?) -> [UInt64] {
    let commit = log.commit.loadRelaxed()
    let (capacity, base) = (log.shape.capacity, log.basePosition)
    var lowest = UInt64.max
    var left: [UInt64] = []
    for at in readers.lossless.indices {
      guard !readers.lossless[at].hasLeft else {
        left.append(readers.lossless[at].attachment)
        continue
      }
      readers.lossless[at].accept(commit: commit)
      let cursor = readers.lossless[at].cursor
      lowest = min(lowest, cursor)
      if let end, max(cursor, base) + capacity >= end { readers.lossless[at].stall.pause() }
    }
    work.cursors += readers.lossless.count
    for attachment in left { remove(attachment) }
    // A reader still in the log before this one holds nothing of this ring.
    open = lowest == .max ? UInt64.max : max(lowest, base) + capacity
    isStale = false
    return left
  }

  /// Takes a reader out of the window and remembers it, for the publisher to say so.
  @discardableResult
  mutating func remove(_ attachment: UInt64) -> FlowControl.Reader? {
    guard let gone = readers.remove(attachment) else { return nil }
    if gone.lossless {
      departures.add(attachment)
      departed += 1
      isStale = true
    }
    return gone
  }

  /// Adds lossless readers that have not named their slot yet, at the start of the stream.
  mutating func expect(_ attachments: [UInt64]) {
    for attachment in attachments where !readers.knows(attachment) {
      let start = FlowControl.Start(generation: 0, position: 0, sequence: 0)
      readers.insert(
        FlowControl.Reader(attachment: attachment, lossless: true, start: start, cursor: 0))
    }
    isStale = true
  }

  /// The messages of the stream before `commit`.
  mutating func count(_ log: OwnLogView, to commit: UInt64) -> UInt64 {
    let found = log.sequence(at: commit, knowing: counted)
    counted = (commit, found.sequence)
    work.records += found.records
    return found.sequence
  }
}
