/// Why a text is not a topic or a topic pattern.
///
/// Positions count tokens from 1. The description is a sentence for the person who wrote the text.
public enum TopicError: Error, Equatable, Sendable {
  /// The text has no characters.
  case empty
  /// The text has more than `Topic.bytesMax` bytes.
  case tooLong(bytes: Int)
  /// The text has more than `Topic.tokensMax` tokens.
  case tooManyTokens(tokens: Int)
  /// Nothing stands before, between or behind two dots.
  case emptyToken(position: Int)
  /// A character that no token may hold: a space, a control character, a symbol outside ASCII.
  case badCharacter(Unicode.Scalar, position: Int)
  /// The bytes are not UTF-8.
  case notUTF8
  /// A topic to publish on holds `*` or `>`.
  case wildcardInTopic(position: Int)
  /// `*` or `>` shares its token with other characters.
  case wildcardNotAlone(position: Int)
  /// `>` is not the last token.
  case restNotLast(position: Int)
}

extension TopicError: CustomStringConvertible {
  /// A sentence that says what is wrong and what to write instead.
  public var description: String {
    switch self {
    case .empty:
      "The topic is empty: write one or more tokens joined by dots, for example alerts.disk."
    case .tooLong(let bytes):
      "The topic has \(bytes) bytes: shorten it to \(Topic.bytesMax) or fewer."
    case .tooManyTokens(let tokens):
      "The topic has \(tokens) tokens: use \(Topic.tokensMax) or fewer."
    case .emptyToken(let position):
      "Token \(position) of the topic is empty: "
        + "remove the dot at the start or end, or one of two dots in a row."
    case .badCharacter(let scalar, let position):
      "Token \(position) of the topic holds \(scalar.named): use letters and digits of any "
        + "script and the printable signs of ASCII, no spaces."
    case .notUTF8:
      "The topic is not UTF-8: encode it as UTF-8."
    case .wildcardInTopic(let position):
      "Token \(position) of the topic holds a wildcard: "
        + "publish on one topic; * and > belong to subscriptions."
    case .wildcardNotAlone(let position):
      "Token \(position) of the pattern mixes a wildcard with other characters: "
        + "let * or > be the whole token."
    case .restNotLast(let position):
      "Token \(position) of the pattern is > but tokens follow it: "
        + "> matches all the rest, so put it last, or use * for one token."
    }
  }

}

extension Unicode.Scalar {
  /// The scalar as text that cannot disturb a terminal or a log.
  var named: String {
    if self == " " { return "a space" }
    if (0x21...0x7E).contains(value) { return "'\(self)'" }
    let hex = String(value, radix: 16, uppercase: true)
    return "the character U+" + String(repeating: "0", count: max(0, 4 - hex.utf8.count)) + hex
  }
}
