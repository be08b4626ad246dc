import BusText

/// A listing laid out for a terminal.
///
/// Widths are in columns of the terminal, of which some characters take two and some none.
struct Table {
  private let columns: [Column]
  private let cells: [[String]]
  private var widths: [Int]
  private let room: Int?

  /// Lays out the columns that have a title.
  init(_ listing: TextTable, width: Int?) {
    let shown = listing.columns.indices.filter { listing.columns[$0].title != nil }
    columns = shown.map { listing.columns[$0] }
    cells = listing.rows.map { row in shown.map { row[$0].shown } }
    room = width
    widths = []
    widths = columns.indices.map(natural)
  }

  /// The lines; where not even what must be there fits side by side, each row takes several.
  func lines(_ style: Style) -> [TerminalText] {
    var table = self
    guard let places = table.fit() else { return cells.flatMap { stacked($0, style) } }
    let titles = columns.map { $0.title ?? "" }
    return [table.line(titles, places) { style.paint($0, .bold) }]
      + cells.map { row in table.line(row, places) { style.byMeaning($0) } }
  }

  private func natural(_ place: Int) -> Int {
    cells.reduce(SafeText.width(columns[place].title ?? "")) { max($0, SafeText.width($1[place])) }
  }

  /// The columns that stay, with widths that fit; nil when they cannot.
  private mutating func fit() -> [Int]? {
    var places = Array(columns.indices)
    guard let room else { return places }
    func excess(_ widths: [Int]) -> Int {
      places.reduce(2 * (places.count - 1)) { $0 + widths[$1] } - room
    }
    while true {
      var tried = widths
      // What may be cut gives way first, each down to what can still be read.
      for place in places where columns[place].worth == .shortens {
        let least = max(Self.leastCut, SafeText.width(columns[place].title ?? ""))
        tried[place] -= max(0, min(excess(tried), tried[place] - least))
      }
      if excess(tried) <= 0 {
        widths = tried
        return places
      }
      guard let next = places.max(by: { rank($0) < rank($1) }), rank(next) > -1 else { return nil }
      places.removeAll { $0 == next }
    }
  }

  /// A cell is not cut below this many columns.
  private static let leastCut = 12

  private func rank(_ place: Int) -> Int {
    switch columns[place].worth {
    case .always: -1
    case .shortens: 0
    case .drops(let rank): rank
    }
  }

  private func line(
    _ cells: [String], _ places: [Int], _ paint: (String) -> TerminalText
  ) -> TerminalText {
    var line: TerminalText = ""
    for (number, place) in places.enumerated() {
      let cut = SafeText.cut(cells[place], to: widths[place])
      let gap = TerminalText(
        String(repeating: " ", count: max(0, widths[place] - SafeText.width(cut))))
      let isLast = number == places.count - 1
      if columns[place].isNumber {
        line += gap + paint(cut)
      } else {
        line += isLast ? paint(cut) : paint(cut) + gap
      }
      if !isLast { line += "  " }
    }
    return line
  }

  /// One row as titles with values, on as many lines as it takes.
  private func stacked(_ row: [String], _ style: Style) -> [TerminalText] {
    var lines: [TerminalText] = []
    var line: TerminalText = style.paint(row[0], .bold)
    var used = SafeText.width(row[0])
    for place in columns.indices.dropFirst() where row[place] != "-" && !row[place].isEmpty {
      let title = columns[place].title ?? ""
      let more = SafeText.width(title) + 1 + SafeText.width(row[place])
      if let room, used + 2 + more > room {
        lines.append(line)
        (line, used) = ("", 0)
      }
      line += "  \(title) \(style.byMeaning(row[place]))"
      used += 2 + more
    }
    return lines + [line]
  }
}
