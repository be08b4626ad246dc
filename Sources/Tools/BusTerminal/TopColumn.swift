import BusAdmin
import BusCounters
import BusText

/// A column of the list: which ones are there depends on the room.
struct TopColumn: Sendable {
  let title: String
  let width: Int
  let isNumber: Bool
  /// What the list must be sorted by for the title to be marked.
  let order: TopState.Order?
  let value: @Sendable (ChannelTraffic) -> String

  /// The columns for so much room: the names and the needed figures, then what else fits.
  static func chosen(_ width: Int, _ rows: [ChannelTraffic]) -> [TopColumn] {
    var extra: [TopColumn] = []
    var names = width - needed.reduce(0) { $0 + $1.width + 1 } - 1
    for column in optional where names - column.width - 1 >= namesComfortable {
      extra.append(column)
      names -= column.width + 1
    }
    let longest = rows.map { SafeText.width(SafeText.printable($0.agent)) }.max() ?? 0
    let agent = max(min(longest, names * 6 / 10), names / 2, 5)
    return [
      TopColumn(title: "AGENT", width: agent, isNumber: false, order: .agent) { $0.agent },
      TopColumn(title: "CHANNEL", width: names - agent, isNumber: false, order: .channel) {
        $0.key.channel
      },
    ] + needed + extra
  }

  /// Names get no further column's room below this.
  private static let namesComfortable = 40

  private static let needed = [
    TopColumn(title: "DIR", width: 3, isNumber: false, order: nil) {
      $0.key.direction == .sent ? "out" : "in"
    },
    TopColumn(title: "MSG/S", width: 6, isNumber: true, order: .rate) {
      $0.recent.map { NumberFormat.count($0.messagesPerSecond) } ?? "-"
    },
    TopColumn(title: "BYTE/S", width: 7, isNumber: true, order: .bytes) {
      $0.recent.map { NumberFormat.bytes($0.bytesPerSecond) } ?? "-"
    },
    TopColumn(title: "DEPTH", width: 6, isNumber: true, order: .depth) {
      $0.depth.map { NumberFormat.count($0) } ?? "?"
    },
    TopColumn(title: "LOST", width: 5, isNumber: true, order: .lost) {
      NumberFormat.count($0.lost)
    },
    TopColumn(title: "P99", width: 6, isNumber: true, order: .p99) {
      $0.percentile(0.99).map { NumberFormat.time(ns: $0) } ?? "-"
    },
  ]

  /// In the order in which they are worth their room.
  private static let optional = [
    TopColumn(title: "TOTAL", width: 5, isNumber: true, order: nil) {
      NumberFormat.count($0.counts.messages)
    },
    TopColumn(title: "P50", width: 6, isNumber: true, order: nil) {
      $0.percentile(0.5).map { NumberFormat.time(ns: $0) } ?? "-"
    },
    TopColumn(title: "MODE", width: 8, isNumber: false, order: nil) {
      $0.key.mode == .none ? "-" : "\($0.key.mode)"
    },
    TopColumn(title: "LANE", width: 6, isNumber: false, order: nil) { "\($0.key.lane)" },
    TopColumn(title: "ERR", width: 5, isNumber: true, order: nil) {
      NumberFormat.count($0.counts.errors)
    },
    TopColumn(title: "DROP", width: 5, isNumber: true, order: nil) {
      NumberFormat.count($0.counts.droppedAll)
    },
    TopColumn(title: "FULL", width: 5, isNumber: true, order: nil) {
      NumberFormat.count($0.counts.blocked)
    },
    TopColumn(title: "CATEGORY", width: 12, isNumber: false, order: nil) { $0.category },
  ]

  static func titles(_ columns: [TopColumn], _ state: TopState) -> String {
    joined(columns) { column in
      guard column.order == state.order else { return column.title }
      return String((state.isReversed ? "^" : "v") + column.title)
    }
  }

  static func row(_ columns: [TopColumn], _ one: ChannelTraffic) -> String {
    joined(columns) { SafeText.printable($0.value(one)) }
  }

  private static func joined(_ columns: [TopColumn], _ text: (TopColumn) -> String) -> String {
    columns.map { SafeText.fitted(text($0), to: $0.width, rightAligned: $0.isNumber) }
      .joined(separator: " ")
  }
}
