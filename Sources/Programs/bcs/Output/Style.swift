import BusText

/// Colour, where there is a terminal that shows it.
struct Style {
  enum Colour: String {
    case bold = "1"
    case red = "31"
    case green = "32"
    case yellow = "33"
    case faint = "2"
  }

  let isOn: Bool

  /// The style of standard output.
  static var output: Style { Style(isOn: Terminal.showsColour(1)) }

  /// Text for standard error.
  static func onError(_ text: TerminalText, _ colour: Colour) -> TerminalText {
    Style(isOn: Terminal.showsColour(2)).paint(text, colour)
  }

  /// The text in a colour.
  func paint(_ text: TerminalText, _ colour: Colour) -> TerminalText {
    isOn && !text.isEmpty ? "\u{1B}[\(colour.rawValue)m\(text)\u{1B}[0m" : text
  }

  /// Text from elsewhere in a colour.
  func paint(_ foreign: String, _ colour: Colour) -> TerminalText {
    paint(TerminalText(foreign), colour)
  }

  /// The text in the colour that its meaning has everywhere in bcs.
  func byMeaning(_ text: String) -> TerminalText {
    switch text {
    case "ok", "PASS": paint(text, .green)
    case "degraded", "slow": paint(text, .yellow)
    case "missing", "FAIL": paint(text, .red)
    default: TerminalText(text)
    }
  }
}
