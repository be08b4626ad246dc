import BusMemory
import CBusABI
import CBusPlatform
import Synchronization

// The publishing thread's side of the gate: all of it off the path of a message that fits.

/// What the publishing thread copies out of the gate when it looks.
struct GateView: Sendable {
  var limit: UInt64
  var version: UInt64
  /// Lossless readers that left since the last look.
  var departures: [UInt64] = []
  /// Filled only when the version changed: the epochs of readers that may sleep.
  var sleepers: [(epoch: WatchedWord32, segment: PeerSegment)]?
  /// Filled with the sleepers: one of them makes no barrier before it sleeps.
  var fences = false
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
    }
  }

  /// Says that the publishing thread fences at each claim.
  func noteFencedClaims() { state.withLock { $0.claimsAreFenced = true } }

  /// The publisher is gone: nobody can join any more.
  public func end() {
    state.withLock { state in
      state.log = nil
      state.readers.removeAll()
    }
  }

  /// Reads the cursors again, opens the limit, and returns it.
  ///
  /// `end`: what the publisher wants to write up to. The clocks of readers that still hold it back
  /// go on, even if it looks many times before it waits.
  func look(from version: UInt64, for end: UInt64) -> GateView {
    let (view, left) = state.withLock { state -> (GateView, [UInt64]) in
      guard let log = state.log, !state.isShut else {
        limit.storeRelaxed(0)
        return (GateView(limit: 0, version: version), [])
      }
      let commit = log.commit.loadRelaxed()
      let (capacity, base) = (log.shape.capacity, log.basePosition)
      var lowest = UInt64.max
      let left = state.removeReaders { reader in
        guard reader.lossless, let link = reader.link else { return false }
        return link.ticket.loadAcquire() != reader.attachment
      }
      for at in state.readers.indices where state.readers[at].lossless {
        state.readers[at].accept(commit: commit)
        let cursor = state.readers[at].cursor
        lowest = min(lowest, cursor)
        if max(cursor, base) + capacity >= end { state.readers[at].stall.pause() }
      }
      // A reader still in the log before this one holds nothing of this ring.
      let open = lowest == .max ? UInt64.max : max(lowest, base) + capacity
      limit.storeRelaxed(open)
      var view = GateView(limit: open, version: state.version)
      swap(&view.departures, &state.departures)
      if state.version != version {
        view.sleepers = state.sleepers
        view.fences = state.readers.contains { $0.link?.wantsFences ?? false }
      }
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
      for at in state.readers.indices where state.readers[at].lossless {
        state.readers[at].accept(commit: commit)
        let cursor = state.readers[at].cursor
        guard max(cursor, base) + capacity < end else {
          state.readers[at].stall.pause()
          continue
        }
        if let reason = state.readers[at].stall.blocked(
          cursor: cursor, nowNs: nowNs, eighth: eighth, policy: stall)
        {
          evicted.append((state.readers[at].attachment, reason))
        } else if slowest.map({ cursor < $0.seen }) ?? true {
          let link = state.readers[at].link
          slowest = SlowReader(segment: link?.segment, cursor: link?.cursor, seen: cursor)
        }
      }
      if !evicted.isEmpty {
        state.removeReaders { reader in evicted.contains { $0.0 == reader.attachment } }
        for (attachment, _) in evicted { state.evicted.note(attachment) }
        limit.storeRelaxed(0)
      }
      return slowest
    }
    for (attachment, reason) in evicted { onEvict(attachment, reason) }
    return slow
  }
}

extension FlowControl.Reader {
  /// Takes the reader's cursor over, clamped: never backwards, never beyond what is committed.
  mutating func accept(commit: UInt64) {
    guard let link else { return }
    let found = link.cursor.loadAcquire()  // SYNC: reader.cursor
    if found > cursor { cursor = min(found, commit) }
  }
}

extension FlowControl.State {
  /// Takes readers out of the window and remembers whom, for the publisher to say so; returns them.
  @discardableResult
  mutating func removeReaders(where leaves: (FlowControl.Reader) -> Bool) -> [UInt64] {
    let gone = readers.filter(leaves)
    guard !gone.isEmpty else { return [] }
    readers.removeAll(where: leaves)
    let lossless = gone.filter(\.lossless).map(\.attachment)
    departures.append(contentsOf: lossless)
    departed += UInt64(lossless.count)
    version += 1
    return gone.map(\.attachment)
  }

  var sleepers: [(epoch: WatchedWord32, segment: PeerSegment)] {
    var seen: Set<UnsafeRawPointer> = unsafe []
    var found: [(epoch: WatchedWord32, segment: PeerSegment)] = []
    for reader in readers {
      guard let link = reader.link, let epoch = link.epoch else { continue }
      // One reader thread may follow this stream through several subscriptions.
      guard unsafe seen.insert(epoch.address).inserted else { continue }
      found.append((epoch, link.segment))
    }
    return found
  }
}
