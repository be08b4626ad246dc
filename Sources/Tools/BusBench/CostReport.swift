import BusJSON

/// What a bus costs beside its messages: the figures of one kind, run by run.
struct CostReport {
  /// One figure: its name for people, its key in JSON, and how it is shown.
  struct Row {
    let name: String
    let key: String
    let values: [Double]
    let show: (Double) -> String
  }

  let mode: String
  let title: String
  let counts: [JSONField]
  let rows: [Row]

  /// The figures for people.
  var table: String {
    let figures = rows.map { row in
      let spread = Spread(row.values)
      let cells = [spread?.median, spread?.least, spread?.most]
      return [row.name] + cells.map { $0.map(row.show) ?? "-" }
    }
    return ([title] + aligned([["", "median", "least", "most"]] + figures))
      .joined(separator: "\n")
  }

  /// One object: the medians, then every run.
  var json: JSONValue {
    let medians = rows.map { JSONField($0.key, JSONValue(Spread($0.values)?.median)) }
    let count = rows.map(\.values.count).min() ?? 0
    let runs = (0..<count).map { run in
      JSONValue.object(rows.map { JSONField($0.key, JSONValue($0.values[run])) })
    }
    return .object(
      [JSONField("mode", .text(mode))] + counts + medians + [JSONField("runs", .list(runs))])
  }
}
