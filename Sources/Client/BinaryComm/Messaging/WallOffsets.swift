package import BusMemory

/// Tells when a message was stamped, by the monotonic clock, also when the wall clock was set
/// meanwhile.
///
/// Stamps are wall time, deadlines are not: what lies between the two is an offset that changes
/// when somebody sets the clock. Each agent notices that by itself, up to a second later than
/// another, so a stamp may be of the present offset or of one before. The youngest moment that is
/// not yet to come is taken: a message never counts as older than it is, and one whose stamp fits
/// nothing (a forged one) counts as sent when it arrived. An offset that this agent never looked
/// at, because the clock was set twice within a second, is not known.
package struct WallOffsets {
  /// A change of less than this is the clock's own correction, not a step.
  static let stepNs: UInt64 = 50_000_000
  /// So long an offset of the past is remembered.
  static let keptNs: UInt64 = 3_600_000_000_000
  /// So many offsets of the past are remembered.
  static let most = 4

  /// Wall time less monotonic time.
  private var current: UInt64
  private var former: [(offset: UInt64, untilNs: UInt64)] = []

  package init(_ now: HostTime) { current = now.unixNs &- now.monotonicNs }

  /// Notices a step.
  package mutating func observe(_ now: HostTime) {
    let offset = now.unixNs &- now.monotonicNs
    if _fastPath(Self.distance(offset, current) < Self.stepNs) {
      // The corrections of the clock's page are all that moves it.
      if _slowPath(offset != current) { current = offset }
    } else {
      step(to: offset, now.monotonicNs)
    }
  }

  private static func distance(_ one: UInt64, _ other: UInt64) -> UInt64 {
    Int64(bitPattern: one &- other).magnitude
  }

  @inline(never)
  private mutating func step(to offset: UInt64, _ nowNs: UInt64) {
    former.removeAll { past in
      Self.distance(past.offset, offset) < Self.stepNs
        || nowNs &- past.untilNs > Self.keptNs
    }
    former.append((current, nowNs))
    if former.count > Self.most { former.removeFirst() }
    current = offset
  }

  /// When a message with this stamp was sent, by the monotonic clock; never after `now`.
  ///
  /// `kernel` is asked where the stamp is not of just now: another agent may have noticed a step
  /// that this one has not.
  package mutating func sentNs(
    stamp: UInt64, _ now: HostTime, kernel: () -> HostTime = HostTime.kernel
  ) -> UInt64 {
    // A stamp of just now may seem to be to come: corrections of the clock's page, and the counters
    // of two cores, lie between.
    let age = Int64(bitPattern: now.unixNs &- stamp)
    if _fastPath(age.magnitude < Self.stepNs) {
      return now.monotonicNs &- UInt64(max(0, age))
    }
    return search(stamp, kernel())
  }

  @inline(never)
  private mutating func search(_ stamp: UInt64, _ now: HostTime) -> UInt64 {
    observe(now)
    var youngest: UInt64?
    for offset in [current] + former.map(\.offset) {
      let wallNs = now.monotonicNs &+ offset
      // The counters of two cores may differ a little.
      guard stamp < wallNs || stamp - wallNs < Self.stepNs else { continue }
      youngest = min(youngest ?? .max, stamp < wallNs ? wallNs - stamp : 0)
    }
    let age = youngest ?? 0
    return age < now.monotonicNs ? now.monotonicNs - age : 0
  }
}
