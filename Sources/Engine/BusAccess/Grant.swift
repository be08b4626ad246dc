public import BusWire

/// A right to one channel with everything below it, or to every channel.
///
/// Rights are whole channels because a reader maps a channel's memory as a whole. `alerts` and
/// `alerts.>` therefore mean the same, `>` means every channel but those of `bcs`, and `alerts.*`
/// is refused: no memory holds just that.
public struct Grant: Hashable, Sendable, CustomStringConvertible {
  /// The channel; nil for every channel.
  public let channel: Topic?
  private let below: TopicPattern?

  /// Reads a grant as it stands in a policy.
  ///
  /// - Throws: `PolicyError` for a bad pattern, one that is not a whole channel, a reserved name.
  public init(_ text: String) throws(PolicyError) {
    let pattern: TopicPattern
    do { pattern = try TopicPattern(text) } catch { throw .badName(text, error) }
    let literal = pattern.literalPrefix
    if let literal, literal.isReserved, !literal.isWithin(ChannelMap.broadcast) {
      throw .reservedName(text)
    }
    let rest = pattern.tokenCount - (literal?.tokenCount ?? 0)
    guard pattern.isLiteral || (rest == 1 && text.utf8.last == UInt8(ascii: ">")) else {
      throw .partOfAChannel(text)
    }
    self.init(channel: literal)
  }

  /// The right to a channel and everything below it.
  ///
  /// - Parameter channel: nil for every channel but those of `bcs`.
  public init(channel: Topic?) {
    self.channel = channel
    // A name too long to have anything below it has no such pattern.
    below = try? TopicPattern(channel.map { "\($0).>" } ?? ">")
  }

  /// The grant as a pattern.
  public var description: String { below?.text ?? channel?.text ?? ">" }

  /// Whether the channel is given as a whole.
  public func covers(channel other: Topic) -> Bool {
    guard let channel else { return !other.isReserved }
    return other.isWithin(channel)
  }

  /// Whether every topic the pattern matches is given.
  public func covers(_ pattern: TopicPattern) -> Bool {
    if let channel, TopicPattern(channel).covers(pattern) { return true }
    return below?.covers(pattern) ?? false
  }
}
