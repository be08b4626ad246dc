/// Text that may be written to a terminal or a pipe: the one form in which the programs print.
///
/// What stands in the source is printed as it is; whatever is interpolated came from elsewhere
/// (names, topics, reasons, error texts of other agents) and is made harmless on its way in:
///
///     let line: TerminalText = "error: \(reason)"
///
/// A reason of several lines has to say what becomes of them: `block` keeps them, `entry` indents
/// all but the first, so that none can pass for a line of the program. A `String` in a variable
/// does not become one of these without one of the three.
public struct TerminalText: Sendable, Equatable, ExpressibleByStringInterpolation,
  CustomStringConvertible
{
  /// The text, as it is to be written.
  public private(set) var description: String

  /// Text from elsewhere, on one line.
  public init(_ foreign: some StringProtocol) {
    description = SafeText.printable(String(foreign))
  }

  /// Text of the program itself: only for the compiler, which hands in literals.
  public init(stringLiteral: String) { description = stringLiteral }

  /// Literals with text from elsewhere between them.
  public init(stringInterpolation: Interpolation) { description = stringInterpolation.text }

  private init(safe: String) { description = safe }

  /// Text from elsewhere whose lines and tabs stay.
  public static func block(_ foreign: String) -> TerminalText {
    TerminalText(safe: SafeText.block(foreign))
  }

  /// Text from elsewhere that is part of a line of ours: its further lines are indented.
  ///
  /// A line feed at its end begins no further line.
  public static func entry(_ foreign: String, indent: Int = 4) -> TerminalText {
    var text = foreign
    while text.utf8.last == 0x0A { text.unicodeScalars.removeLast() }
    let lines = SafeText.block(text).split(separator: "\n", omittingEmptySubsequences: false)
    return TerminalText(
      safe: lines.joined(separator: "\n" + String(repeating: " ", count: indent)))
  }

  /// Several, with a text between them.
  public static func joined(
    _ all: some Sequence<TerminalText>, separator: TerminalText = ""
  ) -> TerminalText {
    TerminalText(
      safe: all.map(\.description).joined(separator: separator.description))
  }

  /// One after the other.
  public static func + (left: TerminalText, right: TerminalText) -> TerminalText {
    TerminalText(safe: left.description + right.description)
  }

  /// Appends.
  public static func += (left: inout TerminalText, right: TerminalText) {
    left.description += right.description
  }

  /// Whether there is nothing in it.
  public var isEmpty: Bool { description.isEmpty }

  /// The bytes to write.
  public var utf8: String.UTF8View { description.utf8 }

  /// Collects literals and what stands between them.
  public struct Interpolation: StringInterpolationProtocol {
    var text = ""

    /// Begins one.
    public init(literalCapacity: Int, interpolationCount: Int) {
      text.reserveCapacity(literalCapacity + 16 * interpolationCount)
    }

    /// Takes a piece of the source.
    public mutating func appendLiteral(_ literal: String) { text += literal }

    /// Takes what is harmless already.
    public mutating func appendInterpolation(_ safe: TerminalText) { text += safe.description }

    /// Takes anything else as text from elsewhere.
    public mutating func appendInterpolation(_ foreign: some Any) {
      text += SafeText.printable("\(foreign)")
    }
  }
}
