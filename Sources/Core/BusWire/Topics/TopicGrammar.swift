/// The one grammar of topics, patterns, channels, services and agent names.
enum TopicGrammar {
  /// What a checked text consists of.
  struct Shape {
    var tokens = 0
    var firstTokenIsWildcard = false
    /// UTF-8 bytes of the tokens before the first wildcard, the dot behind them not counted.
    var literalBytes = 0
    var isLiteral = true
  }

  static let dot = UInt8(ascii: ".")
  static let one = UInt8(ascii: "*")
  static let rest = UInt8(ascii: ">")

  /// Decodes bytes of unknown origin.
  ///
  /// - Throws: `tooLong` before anything is copied, `notUTF8`.
  static func text(_ bytes: Span<UInt8>) throws(TopicError) -> String {
    guard bytes.count <= Topic.bytesMax else { throw .tooLong(bytes: bytes.count) }
    do {
      return String(copying: try UTF8Span(validating: bytes))
    } catch {
      throw .notUTF8
    }
  }

  /// Checks a text against the grammar.
  static func check(_ text: String, wildcards: Bool) throws(TopicError) -> Shape {
    let bytes = text.utf8.count
    guard bytes > 0 else { throw .empty }
    guard bytes <= Topic.bytesMax else { throw .tooLong(bytes: bytes) }
    var shape = Shape()
    var token = Token()
    for scalar in text.unicodeScalars {
      if scalar == "." {
        try close(token, last: false, wildcards: wildcards, into: &shape)
        token = Token(position: token.position + 1, end: token.end + 1)
        continue
      }
      switch scalar {
      case "*": token.ones += 1
      case ">": token.rests += 1
      default:
        guard isAllowed(scalar) else { throw .badCharacter(scalar, position: token.position) }
      }
      token.scalars += 1
      token.end += UTF8.width(scalar)
    }
    try close(token, last: true, wildcards: wildcards, into: &shape)
    guard shape.tokens <= Topic.tokensMax else { throw .tooManyTokens(tokens: shape.tokens) }
    return shape
  }

  private struct Token {
    var position = 1
    var end = 0
    var scalars = 0
    var ones = 0
    var rests = 0
  }

  private static func close(
    _ token: Token, last: Bool, wildcards: Bool, into shape: inout Shape
  ) throws(TopicError) {
    guard token.scalars > 0 else { throw .emptyToken(position: token.position) }
    shape.tokens = token.position
    guard token.ones + token.rests > 0 else {
      if shape.isLiteral { shape.literalBytes = token.end }
      return
    }
    guard wildcards else { throw .wildcardInTopic(position: token.position) }
    guard token.scalars == 1 else { throw .wildcardNotAlone(position: token.position) }
    guard token.rests == 0 || last else { throw .restNotLast(position: token.position) }
    shape.isLiteral = false
    if token.position == 1 { shape.firstTokenIsWildcard = true }
  }

  /// Printable ASCII but for space; beyond ASCII only letters, digits and the marks they carry,
  /// so that no invisible or direction-changing character makes two names look the same.
  private static func isAllowed(_ scalar: Unicode.Scalar) -> Bool {
    if scalar.isASCII { return scalar.value > 0x20 && scalar.value < 0x7F }
    guard !scalar.properties.isDefaultIgnorableCodePoint else { return false }
    switch scalar.properties.generalCategory {
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter,
      .decimalNumber, .letterNumber, .otherNumber, .nonspacingMark, .spacingMark:
      return true
    default:
      return false
    }
  }
}
