import BusJSON
import BusText

/// A column of a listing: a stable field name in JSON and, unless it is for JSON only, a title.
struct Column {
  let field: String
  let title: String?
  let isNumber: Bool

  init(_ field: String, _ title: String? = nil, isNumber: Bool = false) {
    self.field = field
    self.title = title
    self.isNumber = isNumber
  }
}

/// Rows of the same fields: a table for people, JSON lines for programs.
struct Listing {
  let columns: [Column]
  var rows: [[JSONValue]] = []
  /// What a table says when there are no rows.
  let empty: String

  init(_ columns: [Column], empty: String) {
    self.columns = columns
    self.empty = empty
  }

  /// The listing as it is to be printed, with a line feed at the end of each line.
  func text(asJSON: Bool, width: Int?, style: Style) -> TerminalText {
    let lines: [TerminalText] =
      asJSON
      ? rows.map { JSONValue.line(zip(columns, $0).map { ($0.field, $1) }) }
      : table(width: width, style: style)
    return .joined(lines.map { $0 + "\n" })
  }

  private func table(width: Int?, style: Style) -> [TerminalText] {
    guard !rows.isEmpty else { return [TerminalText(empty)] }
    let shown = columns.indices.filter { columns[$0].title != nil }
    let cells = rows.map { row in shown.map { row[$0].shown } }
    let titles = shown.map { columns[$0].title ?? "" }
    var widths = titles.indices.map { place in
      max(titles[place].count, cells.map { $0[place].count }.max() ?? 0)
    }
    if let width { Self.fit(&widths, titles: titles, into: width) }
    let isNumber = shown.map { columns[$0].isNumber }
    func line(_ cells: [String], _ paint: (String) -> TerminalText) -> TerminalText {
      var line: TerminalText = ""
      for (place, cell) in cells.enumerated() {
        let cut = Self.cut(cell, to: widths[place])
        let gap = TerminalText(String(repeating: " ", count: widths[place] - cut.count))
        let isLast = place == cells.count - 1
        line += isNumber[place] ? gap + paint(cut) : paint(cut) + (isLast ? "" : gap)
        line += isLast ? "" : "  "
      }
      return line
    }
    return [line(titles) { style.paint($0, .bold) }]
      + cells.map { row in line(row) { style.byMeaning($0) } }
  }

  /// Takes room from the widest column, again and again, until the table fits or cannot shrink.
  private static func fit(_ widths: inout [Int], titles: [String], into room: Int) {
    let gaps = 2 * (widths.count - 1)
    var excess = widths.reduce(gaps, +) - room
    while excess > 0 {
      guard let widest = widths.indices.max(by: { widths[$0] < widths[$1] }),
        widths[widest] > max(6, titles[widest].count)
      else { return }
      widths[widest] -= 1
      excess -= 1
    }
  }

  private static func cut(_ text: String, to width: Int) -> String {
    text.count <= width ? text : text.prefix(max(0, width - 1)) + "…"
  }
}
