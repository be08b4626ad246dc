import BusCounters
import BusLog
import BusMemory

/// What a reader has counted and not shown yet.
///
/// Showing costs some nanoseconds and a look at the clock: in a burst that is paid once in a few
/// hundred messages, else with each poll that brings something.
@usableFromInline
struct UnshownCounts {
  /// Messages of the stream before the next that is not counted.
  var sequence: UInt64
  var losses: ReadingMeter.Losses
  var taken = 0
  var handed = 0
  var bytes: UInt64 = 0
  /// The last poll found nothing: what comes next is no burst.
  @usableFromInline var isResting = true

  init(sequence: UInt64, losses: ReadingMeter.Losses) {
    self.sequence = sequence
    self.losses = losses
  }

  /// So many messages of a burst may be counted and not shown.
  static var most: Int { 256 }
}

extension Reader {
  /// Counts what a poll took of one stream, and now and then how long it was on its way.
  ///
  /// Not inlined: the polling loop is to stay small enough to take its caller's closure in.
  @usableFromInline @inline(never)
  mutating func noteCounts(_ at: Int, _ taken: Int, _ handed: Int, _ bytesBefore: UInt64) {
    guard let newest = count(at, taken, handed, bytesBefore) else { return }
    let now = clock.unixNs()
    newest.times.note(ns: now > newest.stamp ? now &- newest.stamp : 0)
  }
}

extension ReadStream {
  /// Whether the last poll took anything that counts; what an eviction made void does not.
  var hasMoved: Bool {
    log.settledSequence != unshown.sequence && _fastPath(log.state != .evicted)
  }

  /// Counts what the last poll took; true when it shows in the agent's counters.
  mutating func note(taken: Int, handed: Int, bytes: UInt64) -> Bool {
    unshown.sequence = log.settledSequence
    unshown.losses = log.losses
    unshown.taken &+= taken
    unshown.handed &+= handed
    unshown.bytes &+= bytes
    guard unshown.isResting || unshown.taken >= UnshownCounts.most || log.mode != .lossless else {
      return false
    }
    unshown.isResting = false
    show()
    return true
  }

  /// A poll found nothing.
  mutating func rest() {
    guard !unshown.isResting else { return }
    unshown.isResting = true
    if unshown.sequence != meter.sequence { show() }
  }

  mutating func show() {
    meter.note(
      sequence: unshown.sequence, taken: unshown.taken, handed: unshown.handed,
      bytes: unshown.bytes, losses: unshown.losses)
    unshown.taken = 0
    unshown.handed = 0
    unshown.bytes = 0
  }

  /// Shows what becomes of the messages that this reading leaves behind; nil: it leaves none.
  mutating func leave(_ reason: DropReason?) {
    #if !BCS_NO_COUNTERS
      if unshown.sequence != meter.sequence { show() }
      guard let reason else { return }
      let stands = log.settledSequence
      let published = segments.values.compactMap { log.published(in: $0) }.max() ?? stands
      let left = published > stands ? published - stands : 0
      meter.leave(reason, left: left, voided: stands &- meter.sequence)
      if reason != .left { meter.row.noteError() }
    #endif
  }
}
