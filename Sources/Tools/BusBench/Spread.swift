/// The middle of what several runs gave, with the ends beside it.
public struct Spread: Equatable, Sendable {
  /// Half of the runs gave at most this; of an even number, the mean of the middle two.
  public let median: Double
  /// The least of all runs.
  public let least: Double
  /// The most of all runs.
  public let most: Double

  /// The spread of these values; nil when there are none or one is no number.
  public init?(_ values: [Double]) {
    let sorted = values.sorted()
    guard let least = sorted.first, let most = sorted.last, values.allSatisfy(\.isFinite) else {
      return nil
    }
    let middle = sorted.count / 2
    self.least = least
    self.most = most
    median = sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
  }
}
