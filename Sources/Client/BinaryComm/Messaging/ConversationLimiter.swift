public import BusWire

/// How much one conversation may send before it is taken for a loop.
public struct ConversationLimit: Sendable, Equatable {
  /// Messages a second, in the long run.
  public var messagesPerSecond: Double
  /// Messages at once.
  public var burst: Double

  /// A limit; the default is far above what people and models write, and far below a loop.
  public init(messagesPerSecond: Double = 1000, burst: Double = 2000) {
    self.messagesPerSecond = messagesPerSecond
    self.burst = burst
  }
}

/// A conversation that was stopped because it sent too much.
public struct TrippedConversation: Sendable, Equatable {
  /// The conversation.
  public let conversation: BusUUID
  /// Messages it sent before it was stopped.
  public let sent: UInt64
  /// Messages that were refused since.
  public let refused: UInt64
}

/// Stops conversations that run in circles: by hops, and by a token bucket for each conversation.
///
/// A bucket that ran empty stays shut until somebody resets it: a loop that is slowed down is a
/// loop that nobody finds.
package struct ConversationLimiter: Sendable {
  private struct Bucket: Sendable {
    var tokens: Double
    var lastNs: UInt64
    var sent: UInt64 = 0
    var refused: UInt64 = 0
    var isShut = false
  }
  private let limit: ConversationLimit
  private var buckets: [BusUUID: Bucket] = [:]

  /// A limiter that knows of no conversation.
  package init(limit: ConversationLimit) { self.limit = limit }

  /// Lets a message of a context pass, or throws why not.
  package mutating func pass(_ context: MessageContext, nowNs: UInt64) throws(BusError) {
    guard context.hops <= WireLimit.hopsMax else {
      throw .tooManyHops(
        "the work was passed on \(context.hops) times, \(WireLimit.hopsMax) is most")
    }
    guard let conversation = context.conversation else { return }
    var bucket =
      buckets[conversation] ?? Bucket(tokens: limit.burst, lastNs: nowNs)
    let passed = nowNs > bucket.lastNs ? Double(nowNs - bucket.lastNs) / 1e9 : 0
    bucket.tokens = min(limit.burst, bucket.tokens + passed * limit.messagesPerSecond)
    bucket.lastNs = max(bucket.lastNs, nowNs)
    if bucket.tokens < 1 { bucket.isShut = true }
    guard !bucket.isShut else {
      bucket.refused += 1
      buckets[conversation] = bucket
      throw .rateLimited(
        "conversation \(conversation) sent \(bucket.sent) messages: more than \(limit.burst) "
          + "at once and \(limit.messagesPerSecond) a second")
    }
    bucket.tokens -= 1
    bucket.sent += 1
    if buckets.count >= Self.bucketsMax, buckets[conversation] == nil { forgetIdle(nowNs) }
    buckets[conversation] = bucket
  }

  /// Conversations whose bucket would be full again are as if they had never been.
  private mutating func forgetIdle(_ nowNs: UInt64) {
    let limit = limit
    buckets = buckets.filter { _, bucket in
      guard !bucket.isShut else { return true }
      let passed = nowNs > bucket.lastNs ? Double(nowNs - bucket.lastNs) / 1e9 : 0
      return bucket.tokens + passed * limit.messagesPerSecond < limit.burst
    }
  }

  /// How many conversations it knows of.
  package var count: Int { buckets.count }

  /// The conversations that were stopped, in no order.
  package var tripped: [TrippedConversation] {
    buckets.compactMap { id, bucket in
      guard bucket.isShut else { return nil }
      return TrippedConversation(conversation: id, sent: bucket.sent, refused: bucket.refused)
    }
  }

  /// Lets a conversation go on; false when it was not stopped.
  package mutating func reset(_ conversation: BusUUID) -> Bool {
    guard buckets[conversation]?.isShut == true else { return false }
    buckets[conversation] = nil
    return true
  }

  /// How many conversations are kept that may go on.
  package static var bucketsMax: Int { 4096 }
}
