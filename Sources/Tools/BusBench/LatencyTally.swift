import Histogram

/// One-way times in ticks of the CPU's counter.
///
/// What is usual goes into a plain table, one add a message; the rare long times into the
/// histogram at once. Both end as value and count, to be summed over workers and runs.
struct LatencyTally {
  private static let fineTicks = 65536
  private var fine = [UInt32](repeating: 0, count: Self.fineTicks)
  private var coarse = Histogram<UInt64>(numberOfSignificantValueDigits: .three)
  private(set) var most: UInt64 = 0

  /// Counts a time; one that seems negative (counters of two CPUs differ by a few ticks) is 0.
  @inline(__always)
  mutating func record(sent: UInt64, received: UInt64) {
    let ticks = received > sent ? received &- sent : 0
    if ticks > most { most = ticks }
    if ticks < UInt64(Self.fineTicks) {
      fine[Int(ticks)] &+= 1
    } else {
      coarse.record(ticks)
    }
  }

  /// Every value that occurred, with its count.
  var counts: [LatencyCount] {
    var all: [LatencyCount] = []
    for (ticks, count) in fine.enumerated() where count > 0 {
      all.append(LatencyCount(ticks: UInt64(ticks), count: UInt64(count)))
    }
    for value in coarse.recordedValues() {
      all.append(LatencyCount(ticks: min(value.value, most), count: value.count))
    }
    return all
  }
}

/// A time in ticks and how often it occurred.
public struct LatencyCount: Codable, Equatable, Sendable {
  /// The time, in ticks of the CPU's counter.
  public let ticks: UInt64
  /// How often.
  public let count: UInt64

  /// A time and how often it occurred.
  public init(ticks: UInt64, count: UInt64) {
    self.ticks = ticks
    self.count = count
  }
}

/// Percentiles of one-way times, in nanoseconds.
public struct LatencySummary: Equatable, Sendable {
  /// Half of the messages took at most this.
  public var p50: Double
  /// 95 % took at most this.
  public var p95: Double
  /// 99 % took at most this.
  public var p99: Double
  /// 99.9 % took at most this.
  public var p999: Double
  /// The longest.
  public var max: Double
  /// How many messages were timed.
  public var count: UInt64

  /// The summary of these times; nil when there are none.
  ///
  /// Percentiles are good to three digits, the maximum is exact.
  ///
  /// - Parameters:
  ///   - counts: the times of all workers, in any order.
  ///   - ticksPerNs: the rate of the counter.
  public init?(_ counts: [LatencyCount], ticksPerNs: Double) {
    guard let most = counts.map(\.ticks).max(), ticksPerNs > 0 else { return nil }
    var histogram = Histogram<UInt64>(
      highestTrackableValue: Swift.max(most, 2), numberOfSignificantValueDigits: .three)
    for one in counts { histogram.record(one.ticks, count: one.count) }
    func percentile(_ share: Double) -> Double {
      Double(Swift.min(histogram.valueAtPercentile(share), most)) / ticksPerNs
    }
    p50 = percentile(50)
    p95 = percentile(95)
    p99 = percentile(99)
    p999 = percentile(99.9)
    max = Double(most) / ticksPerNs
    count = histogram.totalCount
  }
}
