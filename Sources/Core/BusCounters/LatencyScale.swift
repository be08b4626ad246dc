import CBusABI

/// The buckets of a histogram of times: fine at a hundred nanoseconds, wide at a minute.
///
/// Four buckets for each power of two, so a bucket is at most a quarter as wide as what it holds;
/// below 64 ns each is 16 ns wide, and the last holds everything from 103 s on.
public enum LatencyScale {
  /// How many buckets there are.
  @inlinable public static var buckets: Int { 127 }
  @usableFromInline static var unitShift: UInt64 { 4 }

  /// The bucket that a time belongs to.
  @inlinable @inline(__always)
  public static func bucket(ofNs time: UInt64) -> Int {
    let units = time &>> unitShift
    guard units >= 4 else { return Int(truncatingIfNeeded: units) }
    let exponent = 63 &- units.leadingZeroBitCount
    let quarter = Int(truncatingIfNeeded: (units &>> UInt64(exponent &- 2)) & 3)
    return min((exponent &- 1) &* 4 &+ quarter, buckets &- 1)
  }

  /// The shortest time of a bucket.
  public static func lowerNs(of bucket: Int) -> UInt64 {
    guard bucket >= 4 else { return UInt64(max(0, bucket)) << unitShift }
    return UInt64(4 + bucket % 4) << (UInt64(bucket / 4 - 1) + unitShift)
  }

  /// The time at which the next bucket begins; nil for the last, which has no end.
  public static func upperNs(of bucket: Int) -> UInt64? {
    bucket < buckets - 1 ? lowerNs(of: bucket + 1) : nil
  }
}

/// Times counted by bucket.
public struct LatencyHistogram: Equatable, Sendable {
  /// How many times fell into each bucket of ``LatencyScale``.
  public private(set) var counts: [UInt64]
  /// All times together, in ns, wrapping.
  public private(set) var sumNs: UInt64

  /// No times at all.
  public init() {
    counts = Array(repeating: 0, count: LatencyScale.buckets)
    sumNs = 0
  }

  init(counts: [UInt64], sumNs: UInt64) {
    self.counts = counts
    self.sumNs = sumNs
  }

  /// How many times were counted.
  public var total: UInt64 { counts.reduce(0, &+) }

  /// Counts one time.
  public mutating func note(ns: UInt64) {
    counts[LatencyScale.bucket(ofNs: ns)] &+= 1
    sumNs &+= ns
  }

  /// Adds what another histogram counted.
  public mutating func add(_ other: LatencyHistogram) {
    for bucket in counts.indices { counts[bucket] &+= other.counts[bucket] }
    sumNs &+= other.sumNs
  }

  /// What was counted since an earlier look at the same histogram.
  ///
  /// A bucket that went back counts as empty: its owner started anew, or lies.
  public func since(_ earlier: LatencyHistogram) -> LatencyHistogram {
    let differences = zip(counts, earlier.counts).map { $0 >= $1 ? $0 - $1 : 0 }
    return LatencyHistogram(counts: differences, sumNs: sumNs &- earlier.sumNs)
  }

  /// The time that a share of all times does not exceed, in ns; nil when none was counted.
  ///
  /// Within a bucket times are taken as evenly spread.
  public func percentile(_ share: Double) -> UInt64? {
    let all = counts.reduce(Double(0)) { $0 + Double($1) }
    guard all > 0 else { return nil }
    let wanted = max(0, min(1, share)) * all
    var before = Double(0)
    for (bucket, count) in counts.enumerated() where count > 0 {
      let here = Double(count)
      if before + here >= wanted {
        let low = LatencyScale.lowerNs(of: bucket)
        guard let high = LatencyScale.upperNs(of: bucket) else { return low }
        return low + UInt64((wanted - before) / here * Double(high - low))
      }
      before += here
    }
    return counts.lastIndex { $0 > 0 }.map { LatencyScale.lowerNs(of: $0) }
  }
}
