import BusLog

/// How large a stream's log may become, in bytes of its ring.
struct LogGrowth: Sendable, Equatable {
  /// When readers keep the window full.
  var windowMax: UInt64
  /// When a payload does not fit otherwise.
  var payloadMax: UInt64

  /// Larger windows than this are for publishers that ask for them: memory is charged when it is
  /// made, and nothing is gained by them while readers keep up.
  static let usualWindowMax: UInt64 = 4 << 20

  /// What a publisher that asked for nothing may use of what the router allows.
  init(allowed: UInt64) {
    windowMax = min(allowed, Self.usualWindowMax)
    payloadMax = allowed
  }

  /// One limit for both.
  init(most: UInt64) {
    windowMax = most
    payloadMax = most
  }
}
