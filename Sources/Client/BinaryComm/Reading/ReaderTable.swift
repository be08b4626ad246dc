import BasicContainers
import BusLog
import BusMemory
import BusWire
public import CBusPlatform

// The table of streams, and whose turn it is.

extension Reader {
  func place(of key: AttachmentID) -> Int? {
    streams.indices.first { streams[$0].source.attachment == key }
  }

  /// Adds a stream at the end, or behind the last urgent one.
  mutating func append(_ stream: consuming ReadStream) {
    let isUrgent = takesAll && InboxChannel(stream.source.channel)?.lane == .urgent
    let at = isUrgent ? urgentCount : streams.count
    streams.insert(stream, at: at)
    if isUrgent {
      urgentCount += 1
      next += 1
    }
    lingers = strategy == .spin && streams.count == 1
  }

  /// Takes a stream out; returns whose it is.
  mutating func drop(_ at: Int) -> AttachmentID {
    let key = streams.remove(at: at).source.attachment
    if at < urgentCount {
      urgentCount -= 1
      if nextUrgent > at { nextUrgent -= 1 }
    }
    lingers = strategy == .spin && streams.count == 1
    if next > at { next -= 1 }
    return key
  }

  /// Has every service of an inbox looked up again when its next message comes.
  func forgetVerdicts() {
    for at in streams.indices { streams[at].topics.forgetServices() }
  }

  /// True when a poll would find something.
  func hasNews() -> Bool {
    changes.loadRelaxed() != seenChanges || streams.indices.contains { streams[$0].hasNews }
  }

  /// The urgent stream whose turn it is in a poll that has taken so much, and what it may bring
  /// that to; -1: the others come.
  ///
  /// Urgent streams go round as the others do, one after the other. All of them together have half
  /// of each poll, each that has something an equal share of that: who is urgent goes first, and
  /// keeps nobody else from being read.
  @usableFromInline @inline(never)
  mutating func urgentTurn(_ looked: Int, _ taken: Int, of limit: Int) -> (at: Int, most: Int) {
    if looked == 0 { beginUrgentTurns(of: limit) }
    guard taken < urgentRoom else { return (-1, 0) }
    if nextUrgent >= urgentCount { nextUrgent = 0 }
    let at = nextUrgent
    nextUrgent += 1
    return (at, min(urgentRoom, taken + urgentShare))
  }

  /// Says at the beginning of a poll what urgent streams may bring it to.
  private mutating func beginUrgentTurns(of limit: Int) {
    urgentRoom = limit / 2
    if limit == 1 {
      // No half: they and the others have a poll in turn.
      let others = urgentCount..<streams.count
      urgentHadTurn = !urgentHadTurn || !others.contains { streams[$0].hasNews }
      urgentRoom = urgentHadTurn ? 1 : 0
    }
    let busy = urgentCount == 1 ? 1 : (0..<urgentCount).count { streams[$0].hasNews }
    urgentShare = max(1, urgentRoom / max(1, busy))
  }

  mutating func fillWatches() {
    // Taken out while the table is looked at, so that its memory is kept.
    var list = WatchList()
    swap(&list, &watches)
    list.removeAll()
    for at in streams.indices { list.add(streams[at].log) }
    watches = list
  }
}

/// One polite step of a spinning loop.
@inlinable @inline(__always)
func relax() { plat_pause() }
