/// When a run counts: the machine's floor must not have moved while it ran.
///
/// ```swift
/// var rule = StabilityRule(runsWanted: 5)
/// while rule.verdict == .goOn {
///   if rule.take(before: pingPong(), after: pingPong()) { keep(run) }
/// }
/// ```
public struct StabilityRule: Equatable, Sendable {
  /// How far the ping-pong may move within a run: 1.3 is 30 %.
  public static let moveMax = 1.3
  /// So many repeated runs end the measurement.
  public static let repeatsMax = 10

  /// What to do next.
  public enum Verdict: Equatable, Sendable {
    /// Measure another run.
    case goOn
    /// Enough runs count.
    case done
    /// Too many runs did not count.
    case unstable
  }

  /// Runs that counted.
  public private(set) var accepted = 0
  /// Runs that did not count and were repeated.
  public private(set) var repeated = 0
  /// The least and the most ping-pong of all runs, in nanoseconds; nil while there is none.
  public private(set) var range: ClosedRange<Double>?
  private let runsWanted: Int
  private let judgesFloor: Bool

  /// A measurement of so many runs that count; `judgesFloor` false: every run does.
  public init(runsWanted: Int, judgesFloor: Bool = true) {
    self.runsWanted = runsWanted
    self.judgesFloor = judgesFloor
  }

  /// Judges a run by the ping-pong before and after it, in nanoseconds; true: it counts.
  ///
  /// Without a ping-pong (one CPU) every run counts: nothing tells how the machine moved.
  public mutating func take(before: Double?, after: Double?) -> Bool {
    if let before, let after {
      let isNumber = before.isFinite && after.isFinite
      let low = min(before, after)
      let high = max(before, after)
      if isNumber {
        range = min(low, range?.lowerBound ?? low)...max(high, range?.upperBound ?? high)
      }
      if judgesFloor && !(isNumber && high <= low * Self.moveMax) {
        repeated += 1
        return false
      }
    }
    accepted += 1
    return true
  }

  /// What to do next.
  public var verdict: Verdict {
    if accepted >= runsWanted { return .done }
    return repeated >= Self.repeatsMax ? .unstable : .goOn
  }
}

/// How far apart the machine's cores are just now.
public enum MachineState: String, Sendable, CaseIterable {
  /// The cores share a cache: the usual state.
  case near
  /// The hypervisor has moved a core away.
  case far

  /// Where near ends, in nanoseconds of ping-pong.
  public static let nearBelow = 110.0

  /// The state that a ping-pong in nanoseconds tells.
  public init(pingPong: Double) { self = pingPong < Self.nearBelow ? .near : .far }
}
