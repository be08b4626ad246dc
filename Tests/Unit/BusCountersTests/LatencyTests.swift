import BusCounters
import BusTestSupport
import Testing

@Suite("Histograms of times")
struct LatencyTests {
  @Test("buckets follow each other without a hole, each at most a quarter as wide as its times")
  func buckets() {
    for bucket in 0..<LatencyScale.buckets {
      let low = LatencyScale.lowerNs(of: bucket)
      #expect(LatencyScale.bucket(ofNs: low) == bucket)
      if bucket > 0 { #expect(LatencyScale.bucket(ofNs: low - 1) == bucket - 1) }
      guard let high = LatencyScale.upperNs(of: bucket) else { continue }
      #expect(high > low)
      #expect(bucket < 4 || (high - low) * 4 <= low)
    }
    #expect(LatencyScale.upperNs(of: LatencyScale.buckets - 1) == nil)
    #expect(LatencyScale.bucket(ofNs: .max) == LatencyScale.buckets - 1)
    #expect(LatencyScale.lowerNs(of: LatencyScale.buckets - 1) > 100_000_000_000)
  }

  @Test("a percentile lies in the bucket of the time at that place in order")
  func percentiles() {
    var random = Seed.announced(for: "percentiles").generator()
    for _ in 0..<200 {
      var times: [UInt64] = []
      var histogram = LatencyHistogram()
      for _ in 0..<Int.random(in: 1...500, using: &random) {
        let bits = UInt64.random(in: 1...45, using: &random)
        let time = UInt64.random(in: 0..<(1 << bits), using: &random)
        times.append(time)
        histogram.note(ns: time)
      }
      times.sort()
      #expect(histogram.total == UInt64(times.count))
      #expect(histogram.sumNs == times.reduce(0, &+))
      for share in [0.01, 0.5, 0.9, 0.99, 1] {
        let place = max(0, Int((share * Double(times.count)).rounded(.up)) - 1)
        let bucket = LatencyScale.bucket(ofNs: times[place])
        guard let found = histogram.percentile(share) else {
          Issue.record("no percentile of \(times.count) times")
          continue
        }
        #expect(found >= LatencyScale.lowerNs(of: bucket))
        #expect(found <= LatencyScale.upperNs(of: bucket) ?? .max)
      }
    }
  }

  @Test("an empty histogram has no percentile, and differences show what is new only")
  func differences() {
    var histogram = LatencyHistogram()
    #expect(histogram.percentile(0.99) == nil)
    histogram.note(ns: 1_000_000)
    let earlier = histogram
    #expect(histogram.since(earlier).percentile(0.5) == nil)
    histogram.note(ns: 100)
    let news = histogram.since(earlier)
    #expect(news.total == 1 && news.sumNs == 100)
    #expect(news.percentile(0.99).map { LatencyScale.bucket(ofNs: $0) } != nil)
    // A bucket that went back is no huge number.
    #expect(earlier.since(histogram).total == 0)
    var both = earlier
    both.add(news)
    #expect(both == histogram)
  }
}
