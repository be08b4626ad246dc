/// A topic in which `*` stands for one token and a last `>` for one or more tokens.
///
/// A pattern whose first token is a wildcard means every channel its owner may read, new ones
/// included, but never the names below `bcs`, which have to be spelled out.
///
///     let pattern = try TopicPattern("alerts.*.full")
///     pattern.matches(try Topic("alerts.disk.full"))  // true
public struct TopicPattern: Sendable, CustomStringConvertible {
  /// The pattern as written.
  public let text: String
  /// How many tokens it has, wildcards included, 1 to `Topic.tokensMax`.
  public let tokenCount: Int
  /// Whether it starts with `*` or `>`.
  public let firstTokenIsWildcard: Bool
  /// Whether it has no wildcard, so that it matches one topic.
  public let isLiteral: Bool
  private let literalBytes: Int

  /// Checks a text.
  ///
  /// - Throws: `TopicError` with the first thing that is wrong.
  public init(_ text: String) throws(TopicError) {
    let shape = try TopicGrammar.check(text, wildcards: true)
    self.text = text
    self.tokenCount = shape.tokens
    self.firstTokenIsWildcard = shape.firstTokenIsWildcard
    self.isLiteral = shape.isLiteral
    self.literalBytes = shape.literalBytes
  }

  /// Checks bytes of unknown origin, for example of a control message.
  ///
  /// - Throws: `TopicError` with the first thing that is wrong.
  public init(utf8 bytes: Span<UInt8>) throws(TopicError) {
    try self.init(TopicGrammar.text(bytes))
  }

  /// The pattern that matches one topic.
  public init(_ topic: Topic) {
    self.text = topic.text
    self.tokenCount = topic.tokenCount
    self.firstTokenIsWildcard = false
    self.isLiteral = true
    self.literalBytes = topic.text.utf8.count
  }

  /// The pattern as written.
  public var description: String { text }

  /// The tokens before the first wildcard; nil when the first token is one.
  public var literalPrefix: Topic? {
    if isLiteral { return Topic(unchecked: text, tokens: tokenCount) }
    if firstTokenIsWildcard { return nil }
    let utf8 = text.utf8
    let literal = text[..<utf8.index(utf8.startIndex, offsetBy: literalBytes)]
    let dots = literal.utf8.count { $0 == TopicGrammar.dot }
    return Topic(unchecked: String(literal), tokens: dots + 1)
  }

  /// Whether a topic matches; allocates nothing.
  public func matches(_ topic: Topic) -> Bool {
    matches(utf8: topic.text.utf8.span)
  }

  /// Whether the bytes of a topic match; allocates nothing.
  ///
  /// Bytes that are no topic give an answer without meaning, never a trap.
  public func matches(utf8 topic: Span<UInt8>) -> Bool {
    if firstTokenIsWildcard && Topic.isReserved(topic) { return false }
    let pattern = text.utf8.span
    var place = 0
    // Wildcards are whole tokens, so both sides can be walked byte by byte in lockstep.
    for index in pattern.indices {
      let byte = pattern[index]
      if byte == TopicGrammar.rest { return place < topic.count }
      guard place < topic.count else { return false }
      if byte == TopicGrammar.one {
        while place < topic.count, topic[place] != TopicGrammar.dot { place += 1 }
      } else {
        guard topic[place] == byte else { return false }
        place += 1
      }
    }
    return place == topic.count
  }
}

extension TopicPattern: Hashable {
  /// Whether both have the same bytes.
  public static func == (left: TopicPattern, right: TopicPattern) -> Bool {
    left.text.utf8.elementsEqual(right.text.utf8)
  }

  /// Feeds the text; equal bytes feed equally.
  public func hash(into hasher: inout Hasher) {
    hasher.combine(text)
  }
}
