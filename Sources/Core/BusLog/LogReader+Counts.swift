public import BusCounters
public import BusMemory
public import BusWire
import CBusABI

// What a reader's row in the agent's counters shows.

extension LogReader {
  /// Messages of the stream before the next one that a poll hands over, or finds to be lost.
  @inlinable @inline(__always)
  public var settledSequence: UInt64 {
    _fastPath(mode != .latest) ? sequence : sequence &- (newest?.count ?? 0)
  }

  /// Messages of the stream before the next one to look at.
  @inlinable @inline(__always)
  public var takenSequence: UInt64 { sequence }

  /// What was lost so far, and how.
  @inlinable @inline(__always)
  public var losses: ReadingRecorder.Losses {
    ReadingRecorder.Losses(
      gapEvents: gapEvents, gaps: gaps, superseded: superseded, forged: forgedCount)
  }

  /// When the message was sent that a poll handed over last; nil when the last thing that was
  /// looked at is no message.
  @inlinable @inline(__always)
  public var newestStampNs: UInt64? {
    unsafe lent.pointee.isValid ? lent.pointee.word2 : nil
  }

  /// Messages of the stream that lie in a segment of it or before, as its publisher says; nil when
  /// the segment is none of this stream.
  public func published(in segment: PeerSegment) -> UInt64? {
    guard let found = try? LogIdentity(reading: segment), found.agent == identity.agent,
      found.incarnation == identity.incarnation
    else { return nil }
    let at = Int(found.hotOffset) + Int(BUS_HOT_SEQUENCE)
    return (try? segment.word64(at: at))?.loadAcquire()
  }
}
