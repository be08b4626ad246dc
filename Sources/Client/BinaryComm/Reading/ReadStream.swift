public import BusCounters
public import BusLog
import BusMemory

/// How much of a burst was taken since a time was counted.
///
/// What was taken shows with each poll that brings something: some stores into lines of the
/// reader's own. A look at the clock costs more than they do, so in a burst only one message in a
/// few hundred is timed; a message that comes by itself always is.
@usableFromInline
struct LatencySampler {
  private var taken = 0
  /// The last poll found nothing: what comes next is no burst.
  var isResting: Bool {
    get { inBurst == 0 }
    set { inBurst = newValue ? 0 : 1 }
  }
  /// The same as a number, 1 in a burst, which ``ReadStream/news(_:)`` takes.
  @usableFromInline var inBurst: UInt64 = 0

  /// So many messages of a burst go by until one is timed again.
  private static var most: Int { 256 }

  /// Whether the newest of so many messages is to be timed.
  mutating func isDue(_ count: Int) -> Bool {
    taken &+= count
    guard isResting || taken >= Self.most else { return false }
    isResting = false
    taken = 0
    return true
  }
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
  /// Messages of the stream so far, as its publisher says.
  var published: UInt64 {
    segments.values.compactMap { log.published(in: $0) }.max() ?? log.settledSequence
  }

  /// Whether the last poll took anything that counts; what an eviction made void does not.
  var hasMoved: Bool { isUnshown && _fastPath(log.state != .evicted) }

  /// Not 0 when a poll that took so many messages is to be counted.
  ///
  /// One number and one branch: every branch more and the compiler does not take the loop's body
  /// into its caller any more, which costs a quarter of the messages.
  @inlinable @inline(__always)
  func news(_ taken: Int) -> UInt64 {
    UInt64(truncatingIfNeeded: taken) | burst.inBurst | (log.takenSequence ^ meter.sequence)
  }

  /// Whether the log was read further than the row says.
  @inlinable var isUnshown: Bool { log.settledSequence != meter.sequence }

  /// Shows what the last poll took; true when a time is to be counted.
  mutating func note(taken: Int, handed: Int, bytes: UInt64) -> Bool {
    let refused = unsafe topics._withUnsafeGuaranteedRef { $0.drainRefused() }
    meter.note(
      sequence: log.settledSequence, taken: taken, handed: handed, bytes: bytes,
      losses: log.losses, refused: refused)
    return burst.isDue(taken) || log.mode != .lossless
  }

  /// Shows what becomes of the messages that this reading leaves behind; nil: it leaves none.
  mutating func leave(_ reason: DropReason?) {
    #if !BCS_NO_COUNTERS
      guard let reason else { return }
      let stands = log.settledSequence
      let published = published
      let left = published > stands ? published - stands : 0
      meter.leave(reason, left: left, voided: stands &- meter.sequence)
      if reason != .left { meter.row.noteError() }
    #endif
  }
}
