import BusCounters
import BusMemory
import BusWire
import CBusABI
import Glibc

// Attacks on whoever looks at an agent's counters. Expectations: the rows that are seen, and how
// many of them are said to be unsettled; or the field for which the segment is refused.

enum CounterRows {
  static var all: [AttackRow] { words.flatMap(rows) + others.map(\.row) }

  private static let owner = BusUUID(agentName: "attacker")
  private static let incarnation: UInt64 = 11
  /// Rows in use in a sound segment.
  private static let inUse = 3
  /// The second row: those beside it must be seen whatever lies in this one.
  private static let row = RawCounters.rows + Int(BUS_COUNTERS_ROW_BYTES)

  struct Word: Sendable {
    let name: String
    let at: Int
    let width: Int
    let expected: String
    let values: [UInt64]

    init(_ name: String, _ at: Int, _ width: Int, _ expected: String, _ values: [UInt64]) {
      self.name = name
      self.at = at
      self.width = width
      self.expected = expected
      self.values = values
    }
  }

  private static let all8: [UInt64] = [1, .max, 1 << 63]

  static let words: [Word] = [
    Word("magic", 0, 4, "refused: magic", [0, 1, 0xFFFF_FFFF, 1 << 31]),
    Word("layout version", 4, 2, "refused: layout version", [0, 1, 3, 0xFFFF, 0x8000]),
    Word("part", 6, 2, "refused: identity", [1, 0xFFFF, 0x8000]),
    Word("segment size", 8, 8, "refused: identity", [0, 16384, 24577, 98304, .max, 1 << 63]),
    Word("agent", 16, 8, "3 rows, 0 unsettled", [0, .max]),
    Word("incarnation", 32, 8, "refused: identity", [0, 12, .max, 1 << 63]),
    Word("number of rows", 40, 4, "3 rows, 0 unsettled", [0, 1, 16, 0xFFFF_FFFF, 1 << 31]),
    Word("number of histograms", 44, 4, "3 rows, 0 unsettled", [0, 9, 0xFFFF_FFFF, 1 << 31]),
    Word("version of the part", 256, 8, "3 rows, 0 unsettled", [0, 1, 2, .max, 1 << 63]),
    Word("used, none", 264, 8, "0 rows, 0 unsettled", [0]),
    Word("used, one", 264, 8, "1 rows, 0 unsettled", [1]),
    Word("used, more than there are", 264, 8, "3 rows, 0 unsettled", [15, 16, .max, 1 << 63]),
    Word("state", row, 4, "2 rows, 0 unsettled", [0, 4, 0xFFFF_FFFF, 1 << 31]),
    Word("state ended or past", row, 4, "3 rows, 0 unsettled", [2, 3]),
    Word("tenancy", row + 4, 4, "3 rows, 0 unsettled", [0, 0xFFFF_FFFF, 1 << 31]),
    Word("direction", row + 8, 1, "2 rows, 0 unsettled", [0, 3, 128, 255]),
    Word("kind", row + 9, 1, "2 rows, 0 unsettled", [0, 3, 128, 255]),
    Word("lane", row + 10, 1, "2 rows, 0 unsettled", [2, 128, 255]),
    Word("mode", row + 11, 1, "2 rows, 0 unsettled", [4, 128, 255]),
    Word("histogram", row + 12, 2, "3 rows, 0 unsettled", [1, 12, 13, 0xFFFF, 0x8000]),
    Word("length of the channel", row + 14, 1, "3 rows, 0 unsettled", [0, 128, 129, 255]),
    Word("length of the peer", row + 15, 1, "3 rows, 0 unsettled", [0, 80, 81, 255]),
    Word("stream", row + 16, 8, "3 rows, 0 unsettled", all8),
    Word("peer's incarnation", row + 24, 8, "3 rows, 0 unsettled", all8),
    Word("channel's bytes", row + 40, 8, "3 rows, 0 unsettled", [0, .max, 0x1B5B_324A, 0xC3]),
    Word("peer's bytes", row + 168, 8, "3 rows, 0 unsettled", [0, .max, 0x1B5B_324A, 0xC3]),
    Word("row's version", row + 256, 8, "3 rows, 1 unsettled", [1, .max]),
    Word("row's version, even", row + 256, 8, "3 rows, 0 unsettled", [2, 1 << 63]),
  ]

  /// One row for each counting word, all of which go into sums.
  private static var counting: [Word] {
    stride(from: Int(BUS_COUNT_SEQUENCE), through: Int(BUS_COUNT_BLOCKED), by: 8).map {
      Word("counting word at \($0)", row + $0, 8, "3 rows, 0 unsettled", all8)
    }
  }

  private static func rows(_ word: Word) -> [AttackRow] {
    [
      AttackRow("counters: \(word.name) is \(word.values.map { "\($0)" }.joined(separator: ", "))")
      { _, report in
        for value in word.values {
          let counters = try sound()
          counters.memory.put(value, at: word.at, width: word.width)
          try check(counters, [word.expected], report)
        }
      }
    ]
  }

  // MARK: Several words, and words that move

  struct Several: Sendable {
    let name: String
    let strike: @Sendable (RawCounters) -> Void
    var moving: (@Sendable (RawCounters, UInt64) -> Void)?
    let expected: [String]

    var row: AttackRow {
      AttackRow("counters: \(name)") { _, report in
        let counters = try CounterRows.sound()
        strike(counters)
        guard let step = moving else { return try CounterRows.check(counters, expected, report) }
        let mover = try Mover { step(counters, $0) }
        for _ in 0..<50 { try CounterRows.check(counters, expected, report) }
        mover.stop()
      }
    }
  }

  private static let settledOrNot = ["3 rows, 0 unsettled", "3 rows, 1 unsettled"]

  private static var others: [Several] {
    [
      unsettled,
      Several(
        name: "every counting word of every row is max",
        strike: { counters in
          for word in counting {
            for number in 0..<inUse {
              counters.memory.put(
                .max, at: word.at + (number - 1) * Int(BUS_COUNTERS_ROW_BYTES))
            }
          }
        }, expected: ["3 rows, 0 unsettled"]),
      Several(
        name: "a histogram of max in each bucket",
        strike: { counters in
          counters.memory.put(3, at: row, width: 4)
          counters.memory.put(1, at: row + 12, width: 2)
          for at in stride(from: 12288, to: 13312, by: 8) { counters.memory.put(.max, at: at) }
        }, expected: ["3 rows, 0 unsettled"]),
      Several(
        name: "all rows in use, and more are said to be",
        strike: { counters in
          for number in 0..<15 { counters.row(number) }
          counters.memory.put(.max, at: Int(BUS_COUNTERS_USED))
        }, expected: ["15 rows, 0 unsettled"]),
      Several(
        name: "the version of a row never stops", strike: { _ in },
        moving: { counters, step in counters.memory.put(step, at: row + 256) },
        expected: settledOrNot),
      Several(
        name: "the version of the part never stops", strike: { _ in },
        moving: { counters, step in
          counters.memory.put(step, at: Int(BUS_COUNTERS_VERSION))
        }, expected: ["3 rows, 0 unsettled"]),
      Several(
        name: "the state moves between live and free", strike: { _ in },
        moving: { counters, step in counters.memory.put(step % 2, at: row, width: 4) },
        expected: settledOrNot + ["2 rows, 0 unsettled"]),
      Several(
        name: "the lengths and texts move", strike: { _ in },
        moving: { counters, step in
          counters.memory.put(step, at: row + 14, width: 2)
          counters.memory.put(step &* 0x9E37_79B9_7F4A_7C15, at: row + 40)
        }, expected: settledOrNot),
      Several(
        name: "the number of rows in use moves between none and max", strike: { _ in },
        moving: { counters, step in
          counters.memory.put(step % 2 == 0 ? 0 : .max, at: Int(BUS_COUNTERS_USED))
        }, expected: ["0 rows, 0 unsettled", "3 rows, 0 unsettled"]),
    ]
      + counting.map { word in
        Several(
          name: "\(word.name) is max", strike: { $0.memory.put(.max, at: word.at) },
          expected: [word.expected])
      }
  }

  private static var unsettled: Several {
    Several(
      name: "no row settles, and the version of the part never stops",
      strike: { counters in
        for number in 0..<15 {
          counters.row(number)
          let at = RawCounters.rows + number * Int(BUS_COUNTERS_ROW_BYTES)
          counters.memory.put(1, at: at + Int(BUS_COUNT_VERSION))
        }
      },
      moving: { counters, step in
        counters.memory.put(2 * step, at: Int(BUS_COUNTERS_VERSION))
      }, expected: ["15 rows, 15 unsettled"])
  }

  // MARK: The victim

  fileprivate static func sound() throws -> RawCounters {
    let counters = try RawCounters(owner: owner, incarnation: incarnation)
    for number in 0..<inUse { counters.row(number) }
    return counters
  }

  fileprivate static func check(
    _ counters: RawCounters, _ expected: [String], _ report: Report
  ) throws {
    var view = CounterView(agent: owner, incarnation: incarnation)
    do throws(MemoryError) {
      let segment = try PeerSegment(
        consuming: dup(counters.memory.descriptor), announced: UInt64(counters.memory.bytes))
      try view.add(segment, part: 0)
    } catch {
      guard case .layout(let field, _) = error else { throw error }
      report.result("refused: \(field)", isOneOf: expected)
      report.work(0, atMost: 0, "rows")
      return
    }
    var tries = 0
    let seen = view.look(nil, tries: &tries)
    report.work(tries, atMost: CounterView.triesMax(rows: 15), "tries of rows")
    let unsettled = seen.count { !$0.isSettled }
    report.result("\(seen.count) rows, \(unsettled) unsettled", isOneOf: expected)
    report.work(seen.count, atMost: 15, "rows of one look")
    for reading in seen {
      let identity = reading.identity
      report.work(identity.channel.utf8.count, atMost: 3 * 128, "bytes of a channel's name")
      report.work(identity.peer.utf8.count, atMost: 3 * 80, "bytes of a peer's name")
      // Sums of a stranger's words: they may wrap, and must not trap.
      var sum = CounterCounts()
      sum.add(reading.counts)
      sum.add(reading.leaving(.max).counts)
      report.holds(sum.expected == sum.sequence &- sum.start, "the sums do not hold")
      _ = (reading.counts.accounted, reading.times)
    }
  }
}
