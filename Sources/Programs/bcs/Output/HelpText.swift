/// The help of a command, as the argument parser writes it.
enum HelpText {
  /// The text with its line of usage broken between options; the parser leaves that one line as
  /// long as it is, and the terminal would break it within a word.
  static func fitted(_ text: String, to width: Int) -> String {
    text.split(separator: "\n", omittingEmptySubsequences: false)
      .map { $0.hasPrefix(mark) ? usage($0, width) : String($0) }
      .joined(separator: "\n")
  }

  private static let mark = "USAGE: "

  private static func usage(_ line: Substring, _ width: Int) -> String {
    let indent = String(repeating: " ", count: mark.count)
    return TextWrap.fill(pieces(of: line.dropFirst(mark.count)), width: width - mark.count)
      .enumerated().map { ($0.offset == 0 ? mark : indent) + $0.element }
      .joined(separator: "\n")
  }

  /// What stands between spaces, an option with its value in brackets as one piece.
  private static func pieces(of usage: Substring) -> [String] {
    var pieces: [String] = []
    var depth = 0
    for word in usage.split(separator: " ") {
      if depth > 0 {
        pieces[pieces.count - 1] += " " + word
      } else {
        pieces.append(String(word))
      }
      depth += word.count { $0 == "[" } - word.count { $0 == "]" }
    }
    return pieces
  }
}
