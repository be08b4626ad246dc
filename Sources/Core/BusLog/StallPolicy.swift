/// How long a lossless reader may hold its publisher back before it is evicted.
public struct StallPolicy: Equatable, Sendable {
  /// Longest time without any progress while a publisher is blocked; 0 = for ever.
  public var stallNs: UInt64

  /// A policy; the default is 5 s.
  public init(stallNs: UInt64 = 5_000_000_000) { self.stallNs = stallNs }

  /// Longest blocked time in which a reader must consume an eighth of the ring.
  ///
  /// A reader that
  /// moves one record at a time just before each stall ends is evicted by this one.
  var crawlNs: UInt64 { stallNs &* 12 }
}

/// The eviction clock of one reader: runs only while a publisher is blocked by it.
struct StallClock {
  private var lastNs: UInt64 = 0
  private var cursor: UInt64 = 0
  private var idleNs: UInt64 = 0
  private var crawlCursor: UInt64 = 0
  private var crawlNs: UInt64 = 0

  /// The publisher found room: time passes without counting until it is blocked again.
  mutating func pause() { lastNs = 0 }

  /// The publisher is blocked by this reader now.
  ///
  /// Returns why it is to be evicted, or nil.
  mutating func blocked(
    cursor now: UInt64, nowNs: UInt64, eighth: UInt64, policy: StallPolicy
  ) -> String? {
    // A publisher that only tries now and then was not blocked all the time in between.
    let most = max(policy.stallNs / 4, 1)
    let passed = lastNs == 0 || nowNs < lastNs ? 0 : min(nowNs - lastNs, most)
    lastNs = nowNs
    idleNs = now == cursor ? idleNs + passed : 0
    cursor = now
    crawlNs += passed
    if now >= crawlCursor &+ eighth {
      crawlCursor = now
      crawlNs = 0
    }
    guard policy.stallNs > 0 else { return nil }
    if idleNs > policy.stallNs {
      return "no progress for \(idleNs / 1_000_000) ms while its publisher waited"
    }
    if crawlNs > policy.crawlNs {
      return "less than an eighth of the log in \(crawlNs / 1_000_000) ms of a waiting publisher"
    }
    return nil
  }
}
