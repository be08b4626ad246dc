import BusLog
import BusMemory
import BusWire
import CBusABI

private let wire = UInt64(BUS_WIRE_MAGIC) | 1 << 32
private let stranger = BusUUID(agentName: "stranger")

// Attacks that make a reader walk on and on, and such that change what it has already looked at.

extension LogRows {
  /// Fills the ring, and leads a reader that was overrun to a commit that no ring can reach.
  private static func lead(
    _ log: RawLog, commit: UInt64, _ fill: (RawLog, Int) -> Void
  ) {
    for line in 0..<log.capacity / 64 { fill(log, line) }
    log.memory.put(640, at: LogPlace.reserve)
    log.memory.put(9, at: LogPlace.index + 8)
    log.memory.put(576, at: LogPlace.index)
    log.memory.put(commit, at: LogPlace.commit)
  }

  private static let fillings: [(String, @Sendable (RawLog, Int) -> Void)] = [
    ("of sound records", { log, line in log.write(line) }),
    ("of another agent's records", { log, line in log.write(line, source: stranger) }),
    (
      "of padding",
      { log, line in
        log.memory.put(wire | 0xFF00 << 48, at: log.record(line))
        log.memory.put(UInt64(log.capacity - line * 64 - 64), at: log.record(line) + 8)
      }
    ),
  ]

  private static let commits: [(String, UInt64)] = [
    ("2^62", 1 << 62), ("2^40", 1 << 40), ("a ring and two lines ahead", 640 + 16384),
  ]

  static var walks: [LogRow] {
    fillings.flatMap { what, fill in
      commits.map { text, commit in
        LogRow(
          name: "walk: a ring \(what), an index that leads there, commit \(text)",
          between: { lead($0, commit: commit, fill) },
          expected: [["evicted 8/0/0"], ["corrupt 8/0/0"], ["corrupt 8/0/0"]])
      }
    } + [
      LogRow(
        name: "walk: a whole ring of another agent's records, committed at once",
        between: { log in
          for line in 0..<log.capacity / 64 { log.write(line, source: stranger) }
          log.memory.put(512 + UInt64(log.capacity), at: LogPlace.reserve)
          log.memory.put(512 + UInt64(log.capacity), at: LogPlace.commit)
        }, expected: [["open 8/0/256"]]),
      LogRow(
        name: "walk: destinations move while commit runs far ahead", modes: [.latest],
        between: { lead($0, commit: 1 << 50) { log, line in log.write(line) } },
        moving: { log, step in
          log.memory.put(step, at: log.record(Int(step % 256)) + 48)
        }, expected: [["corrupt 8/0/0"]]),
    ]
  }

  /// Changes of what a scan of the mode `latest` has looked at and not handed over yet.
  private static let secondLooks: [(String, Int, UInt64)] = [
    ("the source becomes another agent", 24, stranger.word0),
    ("the second half of the source changes", 32, stranger.word1),
    ("the destination becomes an agent", 40, stranger.word0),
    ("the topic becomes another one", 48, 5),
  ]

  static var rewrites: [AttackRow] {
    secondLooks.map { what, at, value in
      AttackRow("latest: \(what) between scan and hand-over") {
        _, report in
        let log = try LogRow.log()
        log.publish(2)
        let subject = try LogSubject(try LogRow.mapped(log), .latest)
        try subject.poll(log, report, limit: 1)
        log.memory.put(value, at: log.record(1) + at)
        try subject.poll(log, report, limit: 1)
        report.holds(
          subject.sources == [LogRow.owner], "a record of another source was handed over")
        report.holds(
          subject.topics.isSubset(of: [0, 1]), "a record of another topic was handed over")
        let counted = UInt64(subject.handed) + subject.gaps + subject.forged
        report.result("\(counted)", is: "2", "records handed over, lost or forged")
      }
    }
  }
}
