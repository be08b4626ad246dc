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
  static func onError(_ text: String, _ colour: Colour) -> String {
    Style(isOn: Terminal.showsColour(2)).paint(text, colour)
  }

  /// The text in a colour.
  func paint(_ text: String, _ colour: Colour) -> String {
    isOn && !text.isEmpty ? "\u{1B}[\(colour.rawValue)m\(text)\u{1B}[0m" : text
  }

  /// The text in the colour that its meaning has everywhere in bcs.
  func byMeaning(_ text: String) -> String {
    switch text {
    case "ok", "PASS": paint(text, .green)
    case "degraded", "slow": paint(text, .yellow)
    case "missing", "FAIL": paint(text, .red)
    default: text
    }
  }
}
