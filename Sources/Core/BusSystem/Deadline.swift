import Glibc

/// A moment on the clock that nobody sets and that never steps (`CLOCK_MONOTONIC`).
package struct Deadline: Hashable, Comparable, Sendable {
  /// Nanoseconds of the clock.
  package let ns: UInt64

  /// A moment of the clock.
  package init(ns: UInt64) { self.ns = ns }

  /// A time from now on; one that is negative ends now, one that is too long never.
  package init(after timeout: Duration) {
    let (seconds, attoseconds) = timeout.components
    let now = Self.nowNs
    guard seconds >= 0, attoseconds >= 0 else {
      self.init(ns: now)
      return
    }
    let (whole, isTooLong) = UInt64(seconds).multipliedReportingOverflow(by: 1_000_000_000)
    let (sum, over) = now.addingReportingOverflow(whole)
    let (end, overAgain) = sum.addingReportingOverflow(UInt64(attoseconds / 1_000_000_000))
    self.init(ns: isTooLong || over || overAgain ? .max : end)
  }

  /// One that does not come.
  package static let never = Deadline(ns: .max)

  /// The clock's time now.
  package static var nowNs: UInt64 {
    var time = timespec()
    unsafe clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
  }

  /// Whether it has come.
  package var isOver: Bool { leftNs == 0 }

  /// Nanoseconds until it comes, 0 when it has.
  package var leftNs: UInt64 {
    let now = Self.nowNs
    return ns > now ? ns - now : 0
  }

  /// What is left until it comes, never negative.
  package var left: Duration { .nanoseconds(Int64(clamping: leftNs)) }

  /// Which comes first.
  package static func < (one: Deadline, other: Deadline) -> Bool { one.ns < other.ns }
}
