import BusLog
import BusWire
import CBusABI

// Attacks on the words of a log that its readers look at. Expectations: state, then records handed
// over / lost / forged; three texts where the modes differ: lossless, lossy, latest.

/// A word, with what readers say to each value in it.
struct WordTable: Sendable {
  let word: String
  let at: Int
  let width: Int
  let values: [(label: String, value: UInt64, expected: [[String]])]

  init(_ word: String, at: Int, width: Int, _ values: [(String, UInt64, [[String]])]) {
    self.word = word
    self.at = at
    self.width = width
    self.values = values.map { (label: $0.0, value: $0.1, expected: $0.2) }
  }

  /// The same answer to several values.
  init(
    _ word: String, at: Int, width: Int, all expected: String, _ values: [(String, UInt64)]
  ) {
    self.init(word, at: at, width: width, values.map { ($0.0, $0.1, [[expected]]) })
  }
}

private let max64 = UInt64.max
private let sign64 = UInt64(1) << 63
private let sign32 = UInt64(1) << 31
private let max32 = UInt64(UInt32.max)
private let ring = UInt64(LogRow.capacity)
private let segment = UInt64(8192 + LogRow.capacity)

enum LogRows {
  static var all: [AttackRow] {
    (identity + hot + records + index + walks).map(\.row) + rewrites
  }

  // MARK: Identity

  static let identityWords: [WordTable] = [
    WordTable(
      "magic", at: 0, width: 4, all: "refused: magic",
      [("0", 0), ("1", 1), ("max", max32), ("the sign bit", sign32), ("one more", 0x474F_4C43)]),
    WordTable(
      "layout version", at: 4, width: 2, all: "refused: layout version",
      [("0", 0), ("max", 0xFFFF), ("the sign bit", 0x8000), ("one more", 3), ("one less", 1)]),
    WordTable(
      "kind", at: 6, width: 2, all: "refused: kind",
      [("0", 0), ("max", 0xFFFF), ("the sign bit", 0x8000), ("one more", 3)]),
    WordTable(
      "segment size", at: 8, width: 8, all: "refused: segment size",
      [
        ("0", 0), ("1", 1), ("max", max64), ("the sign bit", sign64), ("one more", segment + 1),
        ("twice as much", 2 * segment), ("of the ring alone", ring),
      ]),
    WordTable(
      "capacity", at: LogPlace.capacity, width: 8,
      [
        ("0", 0, [["refused: capacity"]]), ("1", 1, [["refused: capacity"]]),
        ("max", max64, [["refused: capacity"]]), ("the sign bit", sign64, [["refused: capacity"]]),
        ("one more", ring + 1, [["refused: capacity"]]),
        ("half", ring / 2, [["refused: capacity"]]),
        ("twice as much", ring * 2, [["refused: segment size"]]),
        ("beyond the largest", sign32, [["refused: capacity"]]),
      ]),
    WordTable(
      "base position", at: LogPlace.basePosition, width: 8, all: "refused: base position",
      [
        ("1", 1), ("off the grid", 65), ("the last byte of the ring", ring - 1), ("max", max64),
        ("the sign bit", sign64), ("behind the start", 64),
      ]),
    WordTable(
      "base sequence", at: LogPlace.baseSequence, width: 8, all: "open 8/0/0",
      [("1", 1), ("max", max64), ("the sign bit", sign64)]),
    WordTable(
      "generation", at: 64, width: 4, all: "refused: generation",
      [("1", 1), ("max", max32), ("the sign bit", sign32)]),
    WordTable(
      "hot offset", at: 68, width: 4,
      [
        ("0", 0, [["refused: hot offset"]]), ("max", max32, [["refused: hot offset"]]),
        ("the sign bit", sign32, [["refused: hot offset"]]),
        ("off the grid", 513, [["refused: hot offset"]]),
        ("of the topic table", 4096, [["refused: hot offset"]]),
        ("behind the last place", 3840, [["refused: hot offset"]]),
        ("another place, which is empty", 640, [["open 0/0/0"]]),
      ]),
    WordTable(
      "size of the topic table", at: 72, width: 4,
      [
        ("0", 0, [["refused: segment size"]]), ("1", 1, [["refused: capacity"]]),
        ("max", max32, [["refused: capacity"]]), ("the sign bit", sign32, [["refused: capacity"]]),
        ("one more", 4097, [["refused: capacity"]]),
        ("a page more", 8192, [["refused: segment size"]]),
      ]),
    WordTable(
      "ring offset", at: 76, width: 4, all: "refused: segment size",
      [("0", 0), ("1", 1), ("max", max32), ("the sign bit", sign32), ("a line more", 8256)]),
    WordTable(
      "length of the channel", at: LogPlace.channelLength, width: 2,
      all: "refused: channel length",
      [("0", 0), ("max", 0xFFFF), ("the sign bit", 0x8000), ("one too many", 128)]),
    WordTable(
      "channel", at: LogPlace.channel, width: 1, all: "refused: channel name",
      [("a byte that is no UTF-8", 0xFF), ("half a character", 0xC3)]),
  ]

  static var identity: [LogRow] {
    identityWords.flatMap { word in
      word.values.map { value in
        LogRow(
          name: "identity: \(word.word) is \(value.label)",
          before: { $0.memory.put(value.value, at: word.at, width: word.width) },
          expected: value.expected)
      }
    }
  }

  // MARK: Hot words

  /// Struck between two looks; a ninth record is committed where `more` says so.
  static let commitWord = WordTable(
    "commit", at: LogPlace.commit, width: 8,
    [
      ("0", 0, [["corrupt 8/0/0"]]), ("1", 1, [["corrupt 8/0/0"]]),
      ("one record back", 448, [["corrupt 8/0/0"]]), ("max", max64, [["corrupt 8/0/0"]]),
      ("off the grid", 520, [["corrupt 8/0/0"]]),
      ("one record that is not there", 576, [["corrupt 8/0/0"]]),
      ("a whole ring of nothing", 512 + ring, [["corrupt 8/0/0"]]),
      (
        "a ring and a line ahead", 576 + ring,
        [["evicted 8/0/0"], ["corrupt 8/0/0"], ["corrupt 8/0/0"]]
      ),
      ("2^62", 1 << 62, [["evicted 8/0/0"], ["corrupt 8/0/0"], ["corrupt 8/0/0"]]),
      ("the sign bit", sign64, [["evicted 8/0/0"], ["corrupt 8/0/0"], ["corrupt 8/0/0"]]),
      ("the sign bit and a line", sign64 | 512, [["corrupt 8/0/0"]]),
    ])

  static let besideARecord: [WordTable] = [
    WordTable(
      "reserve", at: LogPlace.reserve, width: 8,
      [
        ("0", 0, [["open 9/0/0"]]), ("1", 1, [["open 9/0/0"]]),
        ("off the grid", 577, [["open 9/0/0"]]),
        ("a whole ring ahead", 512 + ring, [["open 9/0/0"]]),
        ("a ring and a byte", 513 + ring, [["open 9/0/0"], ["corrupt 8/0/0"], ["corrupt 8/0/0"]]),
        ("max", max64, [["open 9/0/0"], ["corrupt 8/0/0"], ["corrupt 8/0/0"]]),
        ("the sign bit", sign64, [["open 9/0/0"], ["corrupt 8/0/0"], ["corrupt 8/0/0"]]),
      ]),
    WordTable(
      "sequence", at: LogPlace.sequence, width: 8, all: "open 9/0/0",
      [("0", 0), ("1", 1), ("max", max64), ("the sign bit", sign64)]),
    WordTable(
      "waiting", at: LogPlace.waiting, width: 4, all: "open 9/0/0",
      [("1", 1), ("max", max32), ("the sign bit", sign32)]),
    WordTable(
      "departed", at: LogPlace.departed, width: 8, all: "open 9/0/0",
      [("1", 1), ("8", 8), ("9", 9), ("max", max64), ("the sign bit", sign64)]),
  ]

  static var hot: [LogRow] {
    let ahead = commitWord.values.map { value in
      LogRow(
        name: "hot words: commit is \(value.label)",
        between: { $0.memory.put(value.value, at: commitWord.at) }, expected: value.expected)
    }
    let beside = besideARecord.flatMap { word in
      word.values.map { value in
        LogRow(
          name: "hot words: \(word.word) is \(value.label) beside a new record",
          between: { log in
            log.publish(1, from: 8)
            log.memory.put(value.value, at: word.at, width: word.width)
          }, expected: value.expected)
      }
    }
    return ahead + beside + departures + movingWords
  }

  static let departures: [LogRow] = [
    LogRow(
      name: "hot words: the list of the departed names the reader",
      between: { log in
        log.publish(1, from: 8)
        log.memory.put(LogSubject.attachment, at: LogPlace.departedList)
        log.memory.put(1, at: LogPlace.departed)
      }, expected: [["evicted 8/0/0"], ["open 9/0/0"], ["open 9/0/0"]]),
    LogRow(
      name: "hot words: the list names the reader and the count says max",
      between: { log in
        log.publish(1, from: 8)
        for slot in 0..<8 {
          log.memory.put(LogSubject.attachment, at: LogPlace.departedList + slot * 8)
        }
        log.memory.put(.max, at: LogPlace.departed)
      }, expected: [["evicted 8/0/0"], ["open 9/0/0"], ["open 9/0/0"]]),
    LogRow(
      name: "hot words: more left than the list holds, and the pen is a ring ahead",
      between: { log in
        log.publish(1, from: 8)
        log.memory.put(100, at: LogPlace.departed)
        log.memory.put(.max, at: LogPlace.reserve)
      }, expected: [["evicted 8/0/0"], ["corrupt 8/0/0"], ["corrupt 8/0/0"]]),
  ]

  static let movingWords: [LogRow] = [
    LogRow(
      name: "hot words: reserve moves between 0 and max while records are read",
      between: { $0.publish(8, from: 8) },
      moving: { log, step in log.memory.put(step % 2 == 0 ? 0 : .max, at: LogPlace.reserve) },
      expected: [["open 16/0/0"], moved, moved]),
    LogRow(
      name: "hot words: commit moves between one record and a ring ahead",
      moving: { log, step in
        log.memory.put(step % 2 == 0 ? 512 : 1 << 40, at: LogPlace.commit)
      },
      expected: [["open 8/0/0", "evicted 8/0/0"], movedCommit, movedCommit]),
    LogRow(
      name: "hot words: commit goes back and forth by a record",
      moving: { log, step in
        log.memory.put(step % 2 == 0 ? 512 : 448, at: LogPlace.commit)
      }, expected: [["open 8/0/0", "corrupt 8/0/0"]]),
    LogRow(
      name: "hot words: departed moves while records are read",
      between: { $0.publish(8, from: 8) },
      moving: { log, step in log.memory.put(step &* 0x9E37_79B9, at: LogPlace.departed) },
      expected: [["open 16/0/0"]]),
  ]

  /// A word that stands still when a reader looks twice and makes no sense ends its stream.
  private static let moved = (8...16).flatMap { ["open \($0)/0/0", "corrupt \($0)/0/0"] }
  private static let movedCommit = ["open 8/0/0", "corrupt 8/0/0"]
}
