public import BusCounters
public import BusLog
import BusMemory

extension ReadStream {
  /// Whether the last poll took anything that counts; what an eviction made void does not.
  @inlinable @inline(__always)
  var hasMoved: Bool {
    log.settledSequence != meter.sequence && _fastPath(log.state != .evicted)
  }

  /// Shows in the agent's counters what the last poll took.
  @inlinable @inline(__always)
  mutating func note(taken: Int, handed: Int, bytes: UInt64) {
    meter.note(
      sequence: log.settledSequence, taken: taken, handed: handed, bytes: bytes,
      losses: log.losses)
  }

  /// Shows what becomes of the messages that this reading leaves behind; nil: it leaves none.
  mutating func leave(_ reason: DropReason?) {
    #if BCS_NO_COUNTERS
      return
    #endif
    guard let reason else { return }
    let stands = log.settledSequence
    let published = segments.values.compactMap { log.published(in: $0) }.max() ?? stands
    let left = published > stands ? published - stands : 0
    meter.leave(reason, left: left, voided: stands &- meter.sequence)
    if reason != .left { meter.row.noteError() }
  }
}
