public import BusAdmin
import BusCounters
import BusText

/// The screen of `bcs top` as lines of text: a pure function of what was seen and chosen.
public enum TopView {
  /// The least room in which the list can be read.
  public static let least = (width: 60, height: 8)

  /// A line, and what it is.
  public struct Line: Equatable, Sendable {
    /// How a line stands out.
    public enum Role: Equatable, Sendable {
      /// Figures of the whole bus.
      case summary
      /// Something is wrong.
      case alert
      /// The titles of the columns.
      case titles
      /// A row of the list.
      case row
      /// The row of an agent that has ended.
      case ended
      /// The keys.
      case keys
    }

    /// The text, at most as wide as asked for.
    public let text: String
    /// What it is.
    public let role: Role

    /// A line of text.
    public init(_ text: String, _ role: Role) {
      self.text = text
      self.role = role
    }
  }

  /// The screen; `height` lines at most, all rows when it is nil.
  ///
  /// `clock` is the time of day, empty to leave it out.
  public static func lines(
    _ picture: BusDelta, _ state: inout TopState, width: Int, height: Int?, clock: String = ""
  ) -> [Line] {
    let rows = state.arranged(picture.traffic)
    var lines = [summary(picture, width, clock), health(picture, width)]
    if let fault = picture.faults.first {
      let text = "\(fault.agent): its counters cannot be read: \(fault.reason)"
      lines.append(line(text, .alert, width))
    }
    if let text = picture.unseenEnds { lines.append(line(text, .alert, width)) }
    if state.showsKeys {
      lines += keyLines.prefix(height.map { max(1, $0 - lines.count) } ?? .max).map {
        line($0, .row, width)
      }
      return filled(lines, to: height)
    }
    let columns = TopColumn.chosen(width, rows)
    lines.append(line(TopColumn.titles(columns, state), .titles, width))
    let room = height.map { max(1, $0 - lines.count - 1) } ?? rows.count
    state.settle(rows: rows.count, room: room)
    for one in rows.dropFirst(state.scroll).prefix(room) {
      lines.append(line(TopColumn.row(columns, one), one.hasEnded ? .ended : .row, width))
    }
    if rows.isEmpty { lines.append(line(nothing(picture, state), .row, width)) }
    guard let height else { return lines }
    lines = filled(lines, to: height - 1)
    let keys = keys(state, shown: min(room, rows.count), of: rows.count, width)
    return lines + [line(keys, .keys, width)]
  }

  private static func filled(_ lines: [Line], to height: Int?) -> [Line] {
    lines + Array(repeating: Line("", .row), count: max(0, (height ?? 0) - lines.count))
  }

  private static let keyLines = [
    "", "q                 quit", "s                 sort by the next column",
    "r                 reverse the order", "/                 filter by agent or channel",
    "space, p          pause, go on", "arrows, k, j      scroll by a row",
    "page up, down     scroll by ten rows", "", "any key           back to the list",
  ]

  private static func line(_ text: String, _ role: Line.Role, _ width: Int) -> Line {
    var text = SafeText.fitted(SafeText.printable(text), to: width)
    while text.last == " " { text.removeLast() }
    return Line(text, role)
  }

  private static func summary(_ picture: BusDelta, _ width: Int, _ clock: String) -> Line {
    let p99 = picture.recentPercentile(0.99).map { NumberFormat.time(ns: $0) } ?? "-"
    let all = [
      "bcs top", "\(picture.agents) active", counted(picture.channels.count, "channel"),
      "sent \(NumberFormat.count(picture.sentPerSecond))/s",
      "received \(NumberFormat.count(picture.receivedPerSecond))/s", "p99 \(p99)",
    ]
    // What is worth least stands last, and gives way to the time of day.
    let room = width - (clock.isEmpty ? 0 : SafeText.width(clock) + 2)
    let text = joined(all, most: room)
    guard !clock.isEmpty else { return line(text, .summary, width) }
    return line(SafeText.fitted(text, to: room) + "  " + clock, .summary, width)
  }

  /// As many of the pieces, from the first on, as there is room for.
  private static func joined(_ pieces: [String], most room: Int) -> String {
    var text = ""
    for piece in pieces {
      let longer = text.isEmpty ? piece : text + "  " + piece
      guard SafeText.width(longer) <= room else { break }
      text = longer
    }
    return text
  }

  private static func health(_ picture: BusDelta, _ width: Int) -> Line {
    let broken = picture.channels.filter { !$0.holds }
    if let gone = picture.routerGoneNs {
      let text = "router gone for \(gone / 1_000_000_000) s; figures are live"
      return line(text, .alert, width)
    }
    if let first = broken.first {
      let more = broken.count > 1 ? ", and on \(broken.count - 1) more" : ""
      let who = first.suspects.joined(separator: " or ")
      let text = "counters of \(who) on \(first.channel) cannot be true\(more)"
      return line(text, .alert, width)
    }
    let lost = picture.traffic.reduce(0) { $0 &+ $1.lost }
    let pending = picture.channels.reduce(0) { $0 &+ $1.pending }
    let text =
      "balance holds on \(counted(picture.channels.count, "channel"))  "
      + "pending \(NumberFormat.count(pending))  lost \(NumberFormat.count(lost))"
    return line(text, .summary, width)
  }

  private static func counted(_ count: Int, _ what: String) -> String {
    "\(count) \(what)\(count == 1 ? "" : "s")"
  }

  private static func nothing(_ picture: BusDelta, _ state: TopState) -> String {
    picture.traffic.isEmpty
      ? "Nobody publishes or reads. Try `bcs pub` and `bcs sub`."
      : "Nothing matches '\(state.filter)'."
  }

  private static func keys(_ state: TopState, shown: Int, of all: Int, _ width: Int) -> String {
    if state.isTyping { return "filter: \(state.filter)_   return: keep, escape: all" }
    let part = shown < all ? ["\(state.scroll + 1)-\(state.scroll + shown) of \(all)"] : []
    return joined(
      (state.isPaused ? ["PAUSED"] : []) + ["q quit", "? keys"] + part + [
        "s sort: \(state.order.rawValue)", "r reverse",
        state.filter.isEmpty ? "/ filter" : "/ '\(state.filter)'", "space pause",
      ], most: width)
  }
}
