/// Text of unknown origin, made fit for a terminal.
public enum SafeText {
  /// The text without anything that moves a cursor or changes a colour.
  public static func printable(_ text: String) -> String {
    guard text.unicodeScalars.contains(where: isControl) else { return text }
    var safe = ""
    for scalar in text.unicodeScalars {
      if isControl(scalar) {
        safe += "\\u{\(String(scalar.value, radix: 16))}"
      } else {
        safe.unicodeScalars.append(scalar)
      }
    }
    return safe
  }

  private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .control, .format, .lineSeparator, .paragraphSeparator: true
    default: false
    }
  }

  /// How many columns of a terminal the text takes.
  public static func width(_ text: String) -> Int { text.reduce(0) { $0 + width($1) } }

  static func width(_ character: Character) -> Int {
    guard let first = character.unicodeScalars.first else { return 0 }
    switch first.properties.generalCategory {
    case .nonspacingMark, .enclosingMark: return 0
    default: break
    }
    let shows = character.unicodeScalars.contains { $0.properties.isEmojiPresentation }
    return shows || wide.contains { $0.contains(first.value) } ? 2 : 1
  }

  /// East Asian scripts, whose characters take two columns.
  private static let wide: [ClosedRange<UInt32>] = [
    0x1100...0x115F, 0x2E80...0x303E, 0x3041...0xA4CF, 0xAC00...0xD7A3, 0xF900...0xFAFF,
    0xFE30...0xFE6F, 0xFF00...0xFF60, 0xFFE0...0xFFE6, 0x1F300...0x1F64F, 0x1F900...0x1F9FF,
    0x20000...0x3FFFD,
  ]

  /// The text in exactly so many columns: cut with an ellipsis, or filled with spaces.
  public static func fitted(_ text: String, to room: Int, rightAligned: Bool = false) -> String {
    let cut = cut(text, to: room)
    let gap = String(repeating: " ", count: max(0, room - width(cut)))
    return rightAligned ? gap + cut : cut + gap
  }

  private static func cut(_ text: String, to room: Int) -> String {
    guard width(text) > room else { return text }
    guard room > 0 else { return "" }
    var (cut, used) = ("", 0)
    for character in text {
      let more = width(character)
      if used + more > room - 1 { break }
      cut.append(character)
      used += more
    }
    return cut + "…"
  }
}
