import BusCounters
import BusLog
import BusMemory
import BusWire
public import CBusPlatform

// The table of streams: plain memory, because arrays cannot hold values that cannot be copied.

extension Reader {
  func place(of key: AttachmentID) -> Int? {
    (0..<streamCount).first { unsafe streams[$0].source.attachment == key }
  }

  func name(_ at: Int) -> String { unsafe streams[at].source.publisherName }
  func stream(_ at: Int) -> StreamID { unsafe streams[at].source.stream }
  func key(_ at: Int) -> AttachmentID { unsafe streams[at].source.attachment }
  func state(_ at: Int) -> ReaderState { unsafe streams[at].log.state }
  func generation(_ at: Int) -> UInt32 { unsafe streams[at].log.identity.generation }

  func published(_ at: Int) -> UInt64 { unsafe streams[at].published }
  func taken(_ at: Int) -> UInt64 { unsafe streams[at].log.settledSequence }

  /// Adds a stream at the end, or behind the last urgent one.
  mutating func append(_ stream: consuming ReadStream) {
    let isUrgent = takesAll && InboxChannel(stream.source.channel)?.lane == .urgent
    let at = isUrgent ? urgentCount : streamCount
    let behind = streamCount - at
    if behind > 0 { unsafe (streams + at + 1).moveInitialize(from: streams + at, count: behind) }
    unsafe (streams + at).initialize(to: stream)
    streamCount += 1
    if isUrgent {
      urgentCount += 1
      next += 1
    }
    lingers = strategy == .spin && streamCount == 1
  }

  mutating func enlarge() {
    let larger = UnsafeMutablePointer<ReadStream>.allocate(capacity: streamRoom * 4)
    unsafe larger.moveInitialize(from: streams, count: streamCount)
    unsafe streams.deallocate()
    unsafe streams = unsafe larger
    streamRoom *= 4
  }

  mutating func drop(_ at: Int) {
    unsafe (streams + at).deinitialize(count: 1)
    let behind = streamCount - at - 1
    if behind > 0 { unsafe (streams + at).moveInitialize(from: streams + at + 1, count: behind) }
    streamCount -= 1
    if at < urgentCount {
      urgentCount -= 1
      if nextUrgent > at { nextUrgent -= 1 }
    }
    lingers = strategy == .spin && streamCount == 1
    if next > at { next -= 1 }
  }

  func addLog(_ at: Int, _ generation: UInt32, _ segment: PeerSegment) {
    unsafe streams[at].segments[generation] = segment
  }

  /// Counts what a poll took of a stream; when a time is to be counted, where, and the newest
  /// message's stamp.
  func count(
    _ at: Int, _ taken: Int, _ handed: Int, _ bytesBefore: UInt64
  ) -> (times: TimeCounts, stamp: UInt64)? {
    let stream = unsafe streams + at
    guard unsafe stream.pointee.hasMoved else {
      if taken == 0 { unsafe stream.pointee.burst.isResting = true }
      return nil
    }
    let bytes = unsafe stream.pointee.log.receivedBytes &- bytesBefore
    guard unsafe stream.pointee.note(taken: taken, handed: handed, bytes: bytes), taken > 0,
      let times = unsafe stream.pointee.meter.row.times,
      let stamp = unsafe stream.pointee.log.newestStampNs
    else { return nil }
    return (times, stamp)
  }

  func leave(_ at: Int, _ reason: DropReason?) { unsafe streams[at].leave(reason) }

  func hasLeftovers(_ at: Int) -> Bool { unsafe streams[at].log.hasLeftovers }

  func end(_ at: Int, _ final: UInt64) { unsafe streams[at].log.end(at: final) }

  func moveOn(_ at: Int) throws(BusError) -> Bool {
    do throws(MemoryError) {
      return try unsafe streams[at].moveOn()
    } catch {
      throw .corrupt("the log of \(name(at)): \(error.message)")
    }
  }

  func adding(_ at: Int, to sum: ReaderStatistics) -> ReaderStatistics {
    var sum = sum
    unsafe sum.received &+= streams[at].log.received
    unsafe sum.gaps &+= streams[at].log.gaps
    unsafe sum.superseded &+= streams[at].log.superseded
    unsafe sum.forged &+= streams[at].log.forged
    return sum
  }

  /// True when a poll would find something.
  func hasNews() -> Bool {
    if changes.loadRelaxed() != seenChanges { return true }
    return hasNews(in: 0..<streamCount)
  }

  /// True when a poll would find something in one of these streams.
  private func hasNews(in places: Range<Int>) -> Bool {
    for at in places {
      switch unsafe streams[at].log.state {
      case .open: if unsafe streams[at].log.hasNews { return true }
      case .rotated:
        if unsafe streams[at].log.hasLeftovers || streams[at].canMoveOn { return true }
      default: return true
      }
    }
    return false
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
      urgentHadTurn = !urgentHadTurn || !hasNews(in: urgentCount..<streamCount)
      urgentRoom = urgentHadTurn ? 1 : 0
    }
    let busy = urgentCount == 1 ? 1 : (0..<urgentCount).count { hasNews(in: $0..<$0 + 1) }
    urgentShare = max(1, urgentRoom / max(1, busy))
  }

  mutating func fillWatches() {
    watches.removeAll()
    for at in 0..<streamCount { unsafe watches.add(streams[at].log) }
  }
}

extension ReadStream {
  /// True when the log that continues this one is mapped; one that was announced by a former router
  /// and never used begins elsewhere.
  var canMoveOn: Bool {
    guard let following = segments[log.identity.generation &+ 1] else { return false }
    return log.isContinued(by: following)
  }
}

/// One polite step of a spinning loop.
@inlinable @inline(__always)
func relax() { plat_pause() }
