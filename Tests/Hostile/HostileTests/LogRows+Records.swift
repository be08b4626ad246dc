import BusLog
import BusWire
import CBusABI

private let wire = UInt64(BUS_WIRE_MAGIC) | 1 << 32
private let stranger = BusUUID(agentName: "stranger")

extension LogRows {
  // MARK: Headers of records

  /// Words of the ninth record's header; it takes one line, which is committed.
  static let headerWords: [WordTable] = [
    WordTable(
      "magic", at: 0, width: 4, all: "corrupt 8/0/0",
      [("0", 0), ("1", 1), ("max", 0xFFFF_FFFF), ("one more", 0xAF42_CAFF), ("sign", 1 << 31)]),
    WordTable(
      "version", at: 4, width: 2, all: "corrupt 8/0/0",
      [("0", 0), ("2", 2), ("max", 0xFFFF), ("the sign bit", 0x8000)]),
    WordTable(
      "type", at: 6, width: 2,
      [
        ("0", 0, [["corrupt 8/0/0"]]), ("two types at once", 3, [["corrupt 8/0/0"]]),
        ("one that is not known", 0x80, [["corrupt 8/0/0"]]),
        ("max", 0xFFFF, [["corrupt 8/0/0"]]), ("the sign bit", 0x8000, [["corrupt 8/0/0"]]),
        ("a request", 1, [["open 9/0/0"]]), ("a broadcast", 0x40, [["open 9/0/0"]]),
        ("padding of a wrong size", 0xFF00, [["corrupt 8/0/0"]]),
        ("rotated", 0xFF01, [["rotated 8/0/0"]]), ("closed", 0xFF02, [["ended 8/0/0"]]),
        ("behind the last control record", 0xFF03, [["corrupt 8/0/0"]]),
      ]),
    WordTable(
      "length", at: 8, width: 4, all: "corrupt 8/0/0",
      [
        ("1, a line more than committed", 1), ("max", 0xFFFF_FFFF), ("the sign bit", 1 << 31),
        ("16 MiB", 16 << 20), ("16 MiB and a byte", 16 << 20 + 1),
        ("all but wrapping", 0xFFFF_FFC0), ("the ring", UInt64(LogRow.capacity)),
      ]),
    WordTable(
      "priority", at: 12, width: 1,
      [
        ("0", 0, [["open 9/0/0"]]), ("6", 6, [["open 9/0/0"]]), ("7", 7, [["corrupt 8/0/0"]]),
        ("max", 255, [["corrupt 8/0/0"]]), ("the sign bit", 128, [["corrupt 8/0/0"]]),
      ]),
    WordTable(
      "hops", at: 13, width: 1, all: "open 9/0/0",
      [("1", 1), ("17", 17), ("max", 255), ("the sign bit", 128)]),
    WordTable(
      "length of the extension", at: 14, width: 2, all: "corrupt 8/0/0",
      [
        ("1, off the grid", 1), ("7, off the grid", 7), ("8, a line more than committed", 8),
        ("max", 0xFFFF), ("the largest", 0xFFF8), ("the sign bit", 0x8000),
      ]),
    WordTable(
      "timestamp", at: 16, width: 8, all: "open 9/0/0",
      [("0", 0), ("max", .max), ("the sign bit", 1 << 63)]),
    WordTable(
      "source", at: 24, width: 8, all: "open 8/0/1",
      [
        ("0", 0), ("max", .max), ("another agent", stranger.word0),
        ("one bit off", LogRow.owner.word0 ^ 1 << 63),
      ]),
    WordTable(
      "second half of the source", at: 32, width: 8, all: "open 8/0/1",
      [("0", 0), ("max", .max), ("one bit off", LogRow.owner.word1 ^ 1)]),
    WordTable(
      "destination", at: 40, width: 8, all: "open 9/0/0",
      [("1", 1), ("max", .max), ("the sign bit", 1 << 63)]),
    WordTable(
      "topic", at: 48, width: 8, all: "open 9/0/0",
      [("max", .max), ("the sign bit", 1 << 63), ("1024", 1024)]),
    WordTable(
      "flags", at: 56, width: 4, all: "open 9/0/0", [("max", 0xFFFF_FFFF), ("1", 1)]),
    WordTable("correlation", at: 60, width: 4, all: "open 9/0/0", [("max", 0xFFFF_FFFF)]),
  ]

  static var records: [LogRow] {
    let fields = headerWords.flatMap { word in
      word.values.map { value in
        LogRow(
          name: "record: \(word.word) is \(value.label)",
          between: { log in
            log.memory.put(576, at: LogPlace.reserve)
            log.write(8)
            log.memory.put(value.value, at: log.record(8) + word.at, width: word.width)
            log.memory.put(576, at: LogPlace.commit)
          }, expected: value.expected)
      }
    }
    return fields + controlRecords + movingRecords
  }

  static let controlRecords: [LogRow] = [
    LogRow(
      name: "record: a control record with a priority",
      between: { log in control(log, 0xFF01, word1: 1 << 32) }, expected: [["corrupt 8/0/0"]]),
    LogRow(
      name: "record: a control record with an extension",
      between: { log in control(log, 0xFF02, word1: 8 << 48) }, expected: [["corrupt 8/0/0"]]),
    LogRow(
      name: "record: a control record with a length off the grid",
      between: { log in control(log, 0xFF01, word1: 1) }, expected: [["corrupt 8/0/0"]]),
    LogRow(
      name: "record: padding that says the rest of the ring where one line is committed",
      between: { log in control(log, 0xFF00, word1: UInt64(LogRow.capacity - 512 - 64)) },
      expected: [["corrupt 8/0/0"]]),
    LogRow(
      name: "record: padding to the ring's end, then a record at its start",
      between: { log in
        control(log, 0xFF00, word1: UInt64(LogRow.capacity - 512 - 64))
        log.write(256)
        log.memory.put(UInt64(LogRow.capacity) + 64, at: LogPlace.reserve)
        log.memory.put(UInt64(LogRow.capacity) + 64, at: LogPlace.commit)
      }, expected: [["open 9/0/0"]]),
    LogRow(
      name: "record: nothing is read behind bytes that are no record, even when they are mended",
      between: { log in
        log.publish(2, from: 8)
        log.memory.put(0, at: log.record(8))
      }, after: { $0.write(8) }, expected: [["corrupt 8/0/0"]]),
  ]

  private static func control(_ log: RawLog, _ type: UInt64, word1: UInt64) {
    log.memory.put(576, at: LogPlace.reserve)
    log.memory.put(wire | type << 48, at: log.record(8))
    log.memory.put(word1, at: log.record(8) + 8)
    log.memory.put(576, at: LogPlace.commit)
  }

  static let movingRecords: [LogRow] = [
    LogRow(
      name: "record: the length moves between nothing and max while it is read",
      between: { $0.publish(8, from: 8) },
      moving: { log, step in
        log.memory.put(step % 2 == 0 ? 0 : 0xFFFF_FFFF, at: log.record(12) + 8, width: 8)
      }, expected: [["open 16/0/0", "corrupt 12/0/0"]]),
    LogRow(
      name: "record: the source moves between the owner and another agent while it is read",
      between: { $0.publish(8, from: 8) },
      moving: { log, step in
        log.memory.put(
          step % 2 == 0 ? LogRow.owner.word0 : stranger.word0, at: log.record(12) + 24)
      }, expected: [["open 16/0/0", "open 15/0/1"]]),
    LogRow(
      name: "record: the type moves between an event and the end of the stream",
      between: { $0.publish(8, from: 8) },
      moving: { log, step in
        log.memory.put(wire | (step % 2 == 0 ? 4 : 0xFF02) << 48, at: log.record(12))
      }, expected: [["open 16/0/0", "ended 12/0/0"]]),
  ]

  // MARK: Position index

  /// The publisher says that it is two rings ahead, and where whole records begin.
  private static func overrun(
    _ log: RawLog, position: UInt64, sequence: UInt64, slots: Int = 1
  ) {
    let commit = 512 + 2 * UInt64(log.capacity)
    for line in 0..<log.capacity / 64 { log.write(line) }
    log.memory.put(commit, at: LogPlace.reserve)
    for slot in 0..<slots {
      log.memory.put(sequence, at: LogPlace.index + slot * 16 + 8)
      log.memory.put(position, at: LogPlace.index + slot * 16)
    }
    log.memory.put(commit, at: LogPlace.commit)
  }

  private static let resyncs: [(String, UInt64, UInt64, String)] = [
    ("is empty", 0, 0, "corrupt 8/0/0"),
    ("names a sound start", 18944, 296, "open 232/288/0"),
    ("names a sound start and no loss", 18944, 8, "open 232/0/0"),
    ("names more lost messages than lines", 18944, 297, "corrupt 8/0/0"),
    ("names max messages", 18944, .max, "corrupt 8/0/0"),
    ("names the sign bit of messages", 18944, 1 << 63, "corrupt 8/0/0"),
    ("names fewer messages than were read", 18944, 7, "corrupt 8/0/0"),
    ("names a start off the grid", 18945, 296, "corrupt 8/0/0"),
    ("names a start near the pen", 18880, 295, "open 233/287/0"),
    ("names a start that is overwritten", 16832, 263, "corrupt 8/0/0"),
    ("names a start behind the commit", 33344, 521, "corrupt 8/0/0"),
    ("names a start at the sign bit", 1 << 63, 296, "corrupt 8/0/0"),
    ("names max as the start", .max, 296, "corrupt 8/0/0"),
    ("names where the reader stands", 512, 8, "corrupt 8/0/0"),
  ]

  static var index: [LogRow] {
    let modes: [ReadMode] = [.lossy, .latest]
    let sound = resyncs.map { text, position, sequence, expected in
      LogRow(
        name: "index: an entry \(text)", modes: modes,
        between: { overrun($0, position: position, sequence: sequence, slots: 16) },
        expected: [[expected]])
    }
    return sound + [
      LogRow(
        name: "index: position and sequence move while the reader looks for a start", modes: modes,
        between: { overrun($0, position: 18944, sequence: 296) },
        moving: { log, step in
          log.memory.put(step % 3 == 0 ? .max : 296, at: LogPlace.index + 8)
          log.memory.put(step % 2 == 0 ? 18944 : 1 << 62, at: LogPlace.index)
        }, expected: [["open 8/0/0", "open 232/288/0", "corrupt 8/0/0"]])
    ]
  }
}
