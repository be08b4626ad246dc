import BusJSON
import BusText

/// A column of a listing: a stable field name in JSON and, unless it is for JSON only, a title.
struct Column {
  /// What becomes of a column where the terminal is too narrow for all.
  enum Worth: Equatable {
    /// It tells which row this is, or is what the listing is for: always there, never cut.
    case always
    /// It goes; the highest number first.
    case drops(Int)
    /// It is cut, and only then, as the last of all, goes.
    case shortens
  }

  let field: String
  let title: String?
  let isNumber: Bool
  let worth: Worth

  init(
    _ field: String, _ title: String? = nil, isNumber: Bool = false, _ worth: Worth = .always
  ) {
    self.field = field
    self.title = title
    self.isNumber = isNumber
    self.worth = worth
  }
}

/// Rows of the same fields: a table for people, JSON lines for programs.
struct TextTable {
  let columns: [Column]
  var rows: [[JSONValue]] = []
  /// What a table says when there are no rows.
  let empty: String

  init(_ columns: [Column], empty: String) {
    self.columns = columns
    self.empty = empty
  }

  /// The listing as it is to be printed, with a line feed at the end of each line; `width` is the
  /// terminal's, nil for as wide as it gets.
  func text(asJSON: Bool, width: Int?, style: Style) -> TerminalText {
    let lines: [TerminalText] =
      asJSON
      ? rows.map { JSONValue.line(zip(columns, $0).map { ($0.field, $1) }) }
      : rows.isEmpty ? [TerminalText(empty)] : Table(self, width: width).lines(style)
    return .joined(lines.map { $0 + "\n" })
  }
}
