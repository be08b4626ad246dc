/// Text of unknown origin, made fit for a terminal.
public enum SafeText {
  /// The text on one line, without anything that moves a cursor, changes a colour, or changes the
  /// order in which characters are shown: each such character is written as `\u{1b}`.
  public static func printable(_ text: String) -> String {
    escaped(text, looked: oneLine) { scalar in isUnsafe(scalar) ? notation(of: scalar) : nil }
  }

  /// As `printable`, but line feeds and tabs stay.
  public static func block(_ text: String) -> String {
    escaped(text, looked: lines) { scalar in isUnsafe(scalar) ? notation(of: scalar) : nil }
  }

  /// Whether a character must not reach a terminal as it is: controls (C0, DEL, C1), format
  /// characters such as bidirectional overrides, line and paragraph separators.
  public static func isUnsafe(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .control, .format, .lineSeparator, .paragraphSeparator: true
    default: false
    }
  }

  private static func notation(of scalar: Unicode.Scalar) -> String {
    "\\u{\(String(scalar.value, radix: 16))}"
  }

  /// First bytes, in UTF-8, of characters that may be unsafe.
  ///
  /// Most text has none of them, so that a byte costs one look in a table.
  public static let oneLine: [Bool] = (0...255).map { byte in
    byte < 0x20 || byte == 0x7F || unsafeLeads.contains(UInt8(byte))
  }

  private static let lines: [Bool] = {
    var looked = oneLine
    looked[0x09] = false
    looked[0x0A] = false
    return looked
  }()

  /// Every first byte of more than one under which Unicode has a format character or a separator.
  private static let unsafeLeads: Set<UInt8> = [
    0xC2, 0xD8, 0xDB, 0xDC, 0xE0, 0xE1, 0xE2, 0xEF, 0xF0, 0xF3,
  ]

  /// The text with some characters replaced; `looked` says under which first bytes to look.
  public static func escaped(
    _ text: String, looked: [Bool], _ replacement: (Unicode.Scalar) -> String?
  ) -> String {
    let bytes = Array(text.utf8)
    var out: [UInt8] = []
    var (copied, place) = (0, 0)
    while place < bytes.count {
      guard looked[Int(bytes[place])] else {
        place += 1
        continue
      }
      let (scalar, length) = character(in: bytes, at: place)
      if let text = replacement(scalar) {
        out += bytes[copied..<place]
        out += Array(text.utf8)
        copied = place + length
      }
      place += length
    }
    guard copied > 0 else { return text }
    out += bytes[copied...]
    return String(decoding: out, as: UTF8.self)
  }

  /// The character that begins there, in valid UTF-8.
  private static func character(in bytes: [UInt8], at place: Int) -> (Unicode.Scalar, Int) {
    let first = UInt32(bytes[place])
    let length = first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4
    guard length > 1 else { return (Unicode.Scalar(bytes[place]), 1) }
    var value = first & (0x7F >> UInt32(length))
    for byte in bytes[place..<min(bytes.count, place + length)].dropFirst() {
      value = value << 6 | UInt32(byte & 0x3F)
    }
    return (Unicode.Scalar(value) ?? "\u{FFFD}", length)
  }
}
