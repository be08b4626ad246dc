/// Which channel every topic belongs to: the longest declared prefix, else the first token.
///
/// `bcs.broadcast` is always declared. Agents and router must use the same map, because the channel
/// decides which log a message lies in and who is given that log.
///
///     var map = ChannelMap()
///     map.declare(try Topic("alerts.disk"))
///     map.channel(of: try Topic("alerts.disk.full"))  // alerts.disk
///     map.channel(of: try Topic("alerts.cpu"))        // alerts
public struct ChannelMap: Sendable, Equatable {
  /// The channel that everybody may use unless the policy says otherwise.
  public static let broadcast = Topic(unchecked: "bcs.broadcast", tokens: 2)

  private var declared: Set<Topic>
  private var tokensMax: Int

  /// A map in which only `bcs.broadcast` is declared.
  public init() {
    declared = [Self.broadcast]
    tokensMax = Self.broadcast.tokenCount
  }

  /// The declared channels, in byte order.
  public var channels: [Topic] { declared.sorted() }

  /// Makes a prefix a channel of its own; declaring it again changes nothing.
  public mutating func declare(_ channel: Topic) {
    declared.insert(channel)
    tokensMax = max(tokensMax, channel.tokenCount)
  }

  /// The channel a topic belongs to.
  ///
  /// - Complexity: one look-up for each token, each makes a short string: keep the answer.
  public func channel(of topic: Topic) -> Topic {
    var tokens = min(topic.tokenCount, tokensMax)
    while tokens > 1 {
      let prefix = topic.prefix(tokens: tokens)
      if declared.contains(prefix) { return prefix }
      tokens -= 1
    }
    return topic.prefix(tokens: 1)
  }

  /// Whether a name is a channel: declared, or a single token.
  public func isChannel(_ name: Topic) -> Bool {
    name.tokenCount == 1 || declared.contains(name)
  }

  /// Whether a topic of this channel could match, topics of channels declared below it left out.
  ///
  /// A subscription to `alerts.disk.>` reaches `alerts` only while `alerts.disk` is not declared.
  public func reaches(_ pattern: TopicPattern, channel: Topic) -> Bool {
    guard pattern.couldMatchChannel(channel) else { return false }
    // The channel's own tokens, then what the pattern asks for up to its next wildcard: if that
    // lies in a deeper channel, so does every topic that matches here; if not, a token that no
    // channel uses in the wildcard's place gives a topic of this one.
    var prefix = channel
    let tokens = pattern.text.unicodeScalars.split(separator: ".")
    for token in tokens.dropFirst(channel.tokenCount) {
      if token.first == "*" || token.first == ">" { break }
      prefix = Topic(
        unchecked: "\(prefix.text).\(Substring(token))", tokens: prefix.tokenCount + 1)
    }
    return self.channel(of: prefix) == channel
  }
}
