import BusAdmin

/// A value of a JSON line or of a table's cell.
enum JSON: Equatable {
  case text(String)
  case integer(Int)
  case unsigned(UInt64)
  case decimal(Double)
  case flag(Bool)
  case list([JSON])
  case null

  /// One object on one line, its fields in the order given.
  static func line(_ fields: [(String, JSON)]) -> String {
    var text = "{"
    for (index, (name, value)) in fields.enumerated() {
      if index > 0 { text += "," }
      text += quoted(name) + ":" + value.encoded
    }
    return text + "}"
  }

  /// The value as JSON.
  var encoded: String {
    switch self {
    case .text(let text): Self.quoted(text)
    case .integer(let number): String(number)
    case .unsigned(let number): String(number)
    case .decimal(let number): number.isFinite ? String(number) : "null"
    case .flag(let flag): flag ? "true" : "false"
    case .list(let items): "[" + items.map(\.encoded).joined(separator: ",") + "]"
    case .null: "null"
    }
  }

  /// The value as a person reads it in a table.
  var shown: String {
    switch self {
    case .text(let text): SafeText.printable(text)
    case .list(let items): items.map(\.shown).joined(separator: ", ")
    case .flag(let flag): flag ? "yes" : "no"
    case .null: "-"
    default: encoded
    }
  }

  /// Text of unknown origin without anything that moves a cursor or changes a colour.
  static func printable(_ text: String) -> String { SafeText.printable(text) }

  private static func quoted(_ text: String) -> String {
    var quoted = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": quoted += "\\\""
      case "\\": quoted += "\\\\"
      case "\n": quoted += "\\n"
      case "\r": quoted += "\\r"
      case "\t": quoted += "\\t"
      case _ where scalar.value < 0x20 || scalar.value == 0x7F:
        let hex = String(scalar.value, radix: 16)
        quoted += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
      default: quoted.unicodeScalars.append(scalar)
      }
    }
    return quoted + "\""
  }
}
