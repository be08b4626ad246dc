/// Keeps equal log lines from being written again and again: the first is, the rest is counted.
public struct RepeatedLines: Sendable {
  /// For how long equal lines are counted before they are summed up, in ns.
  public static let intervalNs: UInt64 = 10_000_000_000
  /// How many kinds are told apart; those beyond are counted together.
  public static let kindsMax = 64

  private var counts: [String: Int] = [:]
  private var beyond = 0
  private var sinceNs: UInt64?

  /// Nothing was said so far.
  public init() {}

  /// Whether a line of this kind is to be written now; it is counted otherwise.
  ///
  /// `isShown`: false for a line below the level of the log, which is neither written nor counted.
  public mutating func isFirst(_ kind: String, isShown: Bool = true) -> Bool {
    guard isShown else { return false }
    if let count = counts[kind] {
      counts[kind] = count + 1
      return false
    }
    guard counts.count < Self.kindsMax else {
      beyond += 1
      return false
    }
    counts[kind] = 0
    return true
  }

  /// One line for each kind that came again, once the interval is over; monotonic ns.
  public mutating func due(_ nowNs: UInt64) -> [String] {
    guard let since = sinceNs else {
      sinceNs = nowNs
      return []
    }
    guard nowNs &- since >= Self.intervalNs else { return [] }
    sinceNs = nowNs
    defer {
      counts = [:]
      beyond = 0
    }
    var lines = counts.filter { $0.value > 0 }.sorted { $0.key < $1.key }.map {
      "\($0.value) times more: \($0.key)"
    }
    if beyond > 0 { lines.append("\(beyond) lines of other kinds were left out") }
    return lines
  }
}
