extension SafeText {
  /// How many columns of a terminal the text takes.
  public static func width(_ text: String) -> Int {
    let bytes = text.utf8
    // One column for each character of plain ASCII.
    if bytes.allSatisfy({ $0 >= 0x20 && $0 < 0x7F }) { return bytes.count }
    return text.reduce(0) { $0 + width($1) }
  }

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

  /// The text in at most so many columns.
  public static func cut(_ text: String, to room: Int) -> String {
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
