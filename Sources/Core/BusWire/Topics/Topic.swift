/// A dotted name: tokens joined by dots, without wildcards, at most 127 bytes and 16 tokens.
///
/// Channels, services and agents are named by the same grammar. A token holds printable ASCII but
/// for space, `.`, `*` and `>`, and letters, digits and marks of every script. Two topics are equal
/// when their UTF-8 bytes are; nothing is case-folded or normalised.
///
///     let topic = try Topic("alerts.disk")
///     topic.isWithin(try Topic("alerts"))  // true
public struct Topic: Sendable, CustomStringConvertible {
  /// Most UTF-8 bytes of a topic or pattern.
  public static let bytesMax = 127
  /// Most tokens of a topic or pattern.
  public static let tokensMax = 16

  /// The topic as written.
  public let text: String
  /// How many tokens it has, 1 to `tokensMax`.
  public let tokenCount: Int

  /// Checks a text.
  ///
  /// - Throws: `TopicError` with the first thing that is wrong.
  public init(_ text: String) throws(TopicError) {
    let shape = try TopicGrammar.check(text, wildcards: false)
    self.init(unchecked: text, tokens: shape.tokens)
  }

  /// Checks bytes of unknown origin, for example of a topic table in shared memory.
  ///
  /// - Throws: `TopicError` with the first thing that is wrong.
  public init(utf8 bytes: Span<UInt8>) throws(TopicError) {
    try self.init(TopicGrammar.text(bytes))
  }

  init(unchecked text: String, tokens: Int) {
    self.text = text
    self.tokenCount = tokens
  }

  /// The topic as written.
  public var description: String { text }

  /// Whether its first token is `bcs`, which belongs to the bus itself.
  public var isReserved: Bool { Topic.isReserved(text.utf8.span) }

  /// Whether it is `channel` itself or lies below it.
  public func isWithin(_ channel: Topic) -> Bool {
    let bytes = text.utf8.span
    let prefix = channel.text.utf8.span
    guard bytes.count >= prefix.count else { return false }
    for index in prefix.indices where bytes[index] != prefix[index] { return false }
    return bytes.count == prefix.count || bytes[prefix.count] == TopicGrammar.dot
  }

  /// Its first `tokens` tokens; less than 1 counts as 1, and it has no more than all.
  public func prefix(tokens: Int) -> Topic {
    let wanted = max(1, tokens)
    guard wanted < tokenCount else { return self }
    var seen = 0
    let end = text.utf8.firstIndex { byte in
      if byte == TopicGrammar.dot { seen += 1 }
      return seen == wanted
    }
    return Topic(unchecked: String(text[..<(end ?? text.endIndex)]), tokens: wanted)
  }

  static func isReserved(_ bytes: Span<UInt8>) -> Bool {
    guard bytes.count >= 3, bytes[0] == UInt8(ascii: "b"), bytes[1] == UInt8(ascii: "c"),
      bytes[2] == UInt8(ascii: "s")
    else { return false }
    return bytes.count == 3 || bytes[3] == TopicGrammar.dot
  }
}

extension Topic: Hashable {
  /// Whether both have the same bytes; canonically equivalent spellings are different topics.
  public static func == (left: Topic, right: Topic) -> Bool {
    left.text.utf8.elementsEqual(right.text.utf8)
  }

  /// Feeds the text; equal bytes feed equally.
  public func hash(into hasher: inout Hasher) {
    hasher.combine(text)
  }
}

extension Topic: Comparable {
  /// Order of the UTF-8 bytes.
  public static func < (left: Topic, right: Topic) -> Bool {
    left.text.utf8.lexicographicallyPrecedes(right.text.utf8)
  }
}
