extension BenchReport {
  /// The report for people: figures beside the floor.
  public var table: String {
    var lines = [plan.mode == .floor ? "floor" : plan.title]
    if isUnstable {
      lines.append("unstable: \(rule.repeated) runs moved the floor by more than 30 %")
      if let range = rule.range {
        let ends = [range.lowerBound, range.upperBound].map(nanoseconds)
        lines.append("ping-pong between \(ends[0]) and \(ends[1]); try again later")
      }
      return lines.joined(separator: "\n")
    }
    if plan.mode != .floor { lines += figureLines + countLines }
    return (lines + floorLines + remarks).joined(separator: "\n")
  }

  private var figureLines: [String] {
    var rows = [["", "median", "least", "most", "floor", "ratio"]]
    func add(
      _ name: String, _ spread: Spread?, _ show: (Double) -> String, floor: Double? = nil,
      ratio: Double? = nil
    ) {
      guard let spread else { return }
      rows.append([
        name, show(spread.median), show(spread.least), show(spread.most),
        floor.map(show) ?? "", ratio.map(twoDigits) ?? "",
      ])
    }
    let ratio = spread(ratio(of:))?.median
    let name =
      plan.mode == .request ? "requests/s" : plan.readers > 1 ? "deliveries/s" : "messages/s"
    if plan.isPair {
      let way = plan.mode == .request ? "RTT/2" : "one way"
      let lowest = plan.wait == .sleep ? floor.futexWake : floor.pingPong
      add("\(way) p50", spread(\.latency?.p50), nanoseconds, floor: lowest, ratio: ratio)
      add("\(way) p95", spread(\.latency?.p95), nanoseconds)
      add("\(way) p99", spread(\.latency?.p99), nanoseconds)
      add("\(way) p99.9", spread(\.latency?.p999), nanoseconds)
      add("longest", spread(\.latency?.max), nanoseconds)
      add(name, spread(\.perSecond), short)
    } else if plan.mode == .large {
      let copied = floor.memcpyPerSecond
      add("payload bytes/s", spread(bytesPerSecond), short, floor: copied, ratio: ratio)
      add(name, spread(\.perSecond), short)
    } else {
      add(name, spread(\.perSecond), short, floor: floor.ringPerSecond, ratio: ratio)
      add("payload bytes/s", spread(bytesPerSecond), short)
    }
    return aligned(rows)
  }

  private var countLines: [String] {
    let counts = [
      ("received and checked", sum(\.messages)), ("lost", sum(\.lost)),
      ("corrupt", sum(\.corrupt)), ("duplicate", sum(\.duplicate)),
      ("out of order", sum(\.outOfOrder)),
    ]
    let texts = counts.map { name, count in "\(name) \(grouped(count ?? 0))" }
    return [texts.joined(separator: ", ")]
  }

  private var floorLines: [String] {
    var parts: [String] = []
    if let before = floor.pingPongBefore, let after = floor.pingPongAfter {
      parts.append("ping-pong \(nanoseconds(before)) before, \(nanoseconds(after)) after")
    }
    if let ring = floor.ringPerSecond { parts.append("ring in C \(short(ring)) messages/s") }
    if let memcpy = floor.memcpyPerSecond {
      let block = plan.mode == .large ? "memcpy of such a block" : "memcpy"
      parts.append("\(block) \(short(memcpy))B/s")
    }
    if let wake = floor.futexWake { parts.append("futex wake \(nanoseconds(wake))") }
    var lines = ["floor, \(state ?? "one CPU"): " + parts.joined(separator: ", ")]
    if let clock {
      let costs = [
        ("counter", clock.ticks), ("clock_gettime", clock.clockGettime),
        ("system call", clock.syscall), ("atomic add", clock.atomicAdd),
        ("release store", clock.store), ("pause", clock.pause),
      ]
      lines.append(
        costs.map { name, cost in "\(name) \(nanoseconds(cost))" }.joined(separator: ", "))
    }
    return lines
  }

  private var remarks: [String] {
    var lines: [String] = []
    let states = Set(runs.compactMap(\.floor.state))
    if states.count > 1 {
      let near = runs.count { $0.floor.state == .near }
      lines.append("the machine changed: \(near) of \(runs.count) runs were near")
    }
    if !plan.judgesFloor { lines.append("runs count however the floor moved: no figures to quote") }
    if rule.repeated > 0 {
      lines.append("runs repeated because the floor had moved: \(rule.repeated)")
    }
    if plan.mode != .floor && !plan.isPinned && plan.processes > 2 {
      lines.append("more busy processes than CPUs of their own: this measures the scheduler, too")
    }
    return lines
  }
}

/// Columns of equal width, the first to the left, the others to the right.
func aligned(_ rows: [[String]]) -> [String] {
  let columns = rows.first?.count ?? 0
  let widths = (0..<columns).map { column in rows.map { $0[column].count }.max() ?? 0 }
  return rows.map { row in
    let cells = zip(row, widths).enumerated().map { column, cell in
      let gap = String(repeating: " ", count: cell.1 - cell.0.count)
      return column == 0 ? cell.0 + gap : gap + cell.0
    }
    return "  " + trimmedEnd(cells.joined(separator: "  "))
  }
}

private func trimmedEnd(_ text: String) -> String {
  var text = text[...]
  while text.last == " " { text.removeLast() }
  return String(text)
}

/// Nanoseconds in the unit that reads best.
func nanoseconds(_ value: Double) -> String {
  switch value {
  case ..<1000: "\(oneDigit(value)) ns"
  case ..<1e6: "\(twoDigits(value / 1e3)) µs"
  case ..<1e9: "\(twoDigits(value / 1e6)) ms"
  default: "\(twoDigits(value / 1e9)) s"
  }
}

/// A count with k, M or G.
func short(_ value: Double) -> String {
  switch value {
  case ..<1e4: "\(Int(value)) "
  case ..<1e6: "\(oneDigit(value / 1e3)) k"
  case ..<1e9: "\(oneDigit(value / 1e6)) M"
  default: "\(oneDigit(value / 1e9)) G"
  }
}

private func oneDigit(_ value: Double) -> String { fixed(value, 1) }

private func twoDigits(_ value: Double) -> String { fixed(value, 2) }

func fixed(_ value: Double, _ digits: Int) -> String {
  var scale = 1.0
  for _ in 0..<digits { scale *= 10 }
  guard value.isFinite, abs(value) < 1e15 else { return "\(value)" }
  let whole = Int((value * scale).rounded())
  let rest = String(abs(whole) % Int(scale))
  let sign = whole < 0 ? "-" : ""
  let zeros = String(repeating: "0", count: digits - rest.count)
  return "\(sign)\(abs(whole) / Int(scale)).\(zeros)\(rest)"
}
