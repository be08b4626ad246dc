import BusJSON

extension JSONValue {
  /// The value as a person reads it in a table.
  var shown: String {
    switch self {
    case .text(let text): text.printable
    case .list(let items): items.map(\.shown).joined(separator: ", ")
    case .boolean(let flag): flag ? "yes" : "no"
    case .null: "-"
    default: rendered
    }
  }
}

extension StringProtocol {
  /// Text of unknown origin without anything that moves a cursor or changes a colour.
  var printable: String {
    guard unicodeScalars.contains(where: Self.isControl) else { return String(self) }
    var safe = ""
    for scalar in unicodeScalars {
      if Self.isControl(scalar) {
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
}
