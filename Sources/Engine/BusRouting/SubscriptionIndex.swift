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
  /// The subscriptions of each agent.
  private typealias Numbers = [Incarnation: Set<UInt32>]

  private var byToken: [Topic: Numbers] = [:]
  private var anyToken: Numbers = [:]
  private var inboxes: [Incarnation: UInt32] = [:]
  private var streams: [Topic: Set<StreamID>] = [:]

  mutating func insert(_ reading: Reading, _ subscription: Subscription) {
    if subscription.isInbox {
      inboxes[reading.reader] = reading.subscription
    } else if let token = subscription.pattern.literalPrefix?.prefix(tokens: 1) {
      byToken[token, default: [:]][reading.reader, default: []].insert(reading.subscription)
    } else {
      anyToken[reading.reader, default: []].insert(reading.subscription)
    }
  }

  mutating func remove(_ reading: Reading, _ subscription: Subscription) {
    if subscription.isInbox {
      inboxes[reading.reader] = nil
    } else if let token = subscription.pattern.literalPrefix?.prefix(tokens: 1) {
      Self.remove(reading, from: &byToken[token, default: [:]])
      if byToken[token]?.isEmpty == true { byToken[token] = nil }
    } else {
      Self.remove(reading, from: &anyToken)
    }
  }

  private static func remove(_ reading: Reading, from numbers: inout Numbers) {
    numbers[reading.reader]?.remove(reading.subscription)
    if numbers[reading.reader]?.isEmpty == true { numbers[reading.reader] = nil }
  }

  /// The agents with subscriptions that may want a channel, in a fixed order.
  func agents(for channel: Topic) -> [Incarnation] {
    // Nothing but the owner's own subscription reads an inbox.
    if let inbox = InboxChannel(channel.text) {
      return inboxes[inbox.owner] == nil ? [] : [inbox.owner]
    }
    let named = byToken[channel.prefix(tokens: 1)] ?? [:]
    return (named.keys + anyToken.keys.filter { named[$0] == nil }).sorted()
  }

  /// Which of an agent's these are.
  func subscriptions(of agent: Incarnation, for channel: Topic) -> [UInt32] {
    if InboxChannel(channel.text) != nil { return inboxes[agent].map { [$0] } ?? [] }
    let named = byToken[channel.prefix(tokens: 1)]?[agent] ?? []
    return (Array(named) + (anyToken[agent] ?? [])).sorted()
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
