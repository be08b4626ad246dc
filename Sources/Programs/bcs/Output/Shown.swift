import BusJSON
import BusText

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
  var printable: String { SafeText.printable(String(self)) }
}
