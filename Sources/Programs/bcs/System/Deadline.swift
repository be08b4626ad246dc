/// A moment on the clock that never steps.
struct Deadline {
  private let atNs: UInt64

  /// That long from now.
  init(_ timeout: Duration) {
    let (seconds, attoseconds) = timeout.components
    let wanted = UInt64(max(0, seconds)).multipliedReportingOverflow(by: 1_000_000_000)
    let ns = wanted.overflow ? UInt64.max / 2 : wanted.partialValue
    atNs =
      System.monotonicNs &+ min(ns, UInt64.max / 2)
      &+ UInt64(max(0, attoseconds / 1_000_000_000))
  }

  /// Whether it has passed.
  var isOver: Bool { System.monotonicNs >= atNs }

  /// What is left until then, never negative.
  var left: Duration {
    let now = System.monotonicNs
    return .nanoseconds(now >= atNs ? 0 : Int64(clamping: atNs - now))
  }
}
