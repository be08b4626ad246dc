import BusWire

/// One subscription of one agent.
struct Reading: Hashable, Comparable {
  let reader: Incarnation
  let subscription: UInt32

  static func < (left: Reading, right: Reading) -> Bool {
    (left.reader, left.subscription) < (right.reader, right.subscription)
  }
}

/// Which subscriptions can reach a channel, and which streams a pattern: by the first token.
///
/// What comes out still has to be judged by the policy; what does not come out cannot match, so
/// that the work for one log or one subscription does not grow with what others read and publish.
struct SubscriptionIndex {
  private var byToken: [Topic: Set<Reading>] = [:]
  private var anyToken: Set<Reading> = []
  private var inboxes: [Incarnation: Reading] = [:]
  private var streams: [Topic: Set<StreamID>] = [:]

  mutating func insert(_ reading: Reading, _ subscription: Subscription) {
    if subscription.isInbox {
      inboxes[reading.reader] = reading
    } else if let token = subscription.pattern.literalPrefix?.prefix(tokens: 1) {
      byToken[token, default: []].insert(reading)
    } else {
      anyToken.insert(reading)
    }
  }

  mutating func remove(_ reading: Reading, _ subscription: Subscription) {
    if subscription.isInbox {
      inboxes[reading.reader] = nil
    } else if let token = subscription.pattern.literalPrefix?.prefix(tokens: 1) {
      byToken[token]?.remove(reading)
      if byToken[token]?.isEmpty == true { byToken[token] = nil }
    } else {
      anyToken.remove(reading)
    }
  }

  /// Whoever may want a channel, in a fixed order.
  func candidates(for channel: Topic) -> [Reading] {
    // Nothing but the owner's own subscription reads an inbox.
    if let inbox = InboxChannel(channel.text) { return inboxes[inbox.owner].map { [$0] } ?? [] }
    return anyToken.union(byToken[channel.prefix(tokens: 1)] ?? []).sorted()
  }

  mutating func insert(_ stream: StreamID, on channel: Topic) {
    streams[channel.prefix(tokens: 1), default: []].insert(stream)
  }

  mutating func remove(_ stream: StreamID, on channel: Topic) {
    let token = channel.prefix(tokens: 1)
    streams[token]?.remove(stream)
    if streams[token]?.isEmpty == true { streams[token] = nil }
  }

  /// The streams that a pattern may want; nil: any of them.
  func streams(for pattern: TopicPattern) -> Set<StreamID>? {
    pattern.literalPrefix.map { streams[$0.prefix(tokens: 1)] ?? [] }
  }
}
