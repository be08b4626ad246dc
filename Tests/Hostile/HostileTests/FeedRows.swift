import BinaryComm
import BusLog
import BusWire

// Attacks of a publisher on the bus on a reader of the real library: topics, extensions, and what
// the router has looked at before.

/// An entry of a topic table, or an extension, and the topics that the reader is handed.
struct FeedRow: Sendable {
  let name: String
  var mode = ReadMode.lossless
  /// What the log's topic table holds.
  var table: [[UInt8]] = [Array("alerts.x".utf8)]
  /// The topic that the record names: its place in the table, or none.
  var topic: UInt64 = 0
  var items: [UInt8] = []
  /// What is done to the log before it is read.
  var strike: @Sendable (RawLog) -> Void = { _ in }
  /// What is done to it when a message was found to be wanted, and was not looked at yet.
  var whileHanded: (@Sendable (RawLog) -> Void)?
  var moving: (@Sendable (RawLog, UInt64) -> Void)?
  let expected: [[String]]
  var errors: [[String]] = [[]]

  var row: AttackRow {
    AttackRow(name) { stand, report in
      let feed = try Feed(stand, mode)
      feed.log.topics(table)
      feed.log.publish(
        line: 0, items: items, payload: Array("payload".utf8), topic: topic)
      strike(feed.log)
      feed.whileHanded = whileHanded
      if let step = moving {
        let log = feed.log
        let mover = try Mover { step(log, $0) }
        feed.expect(expected, errors, report)
        mover.stop()
      } else {
        feed.expect(expected, errors, report)
      }
    }
  }

  /// An item of an extension, padded as it should be.
  static func item(_ kind: UInt16, _ value: [UInt8], saying length: Int? = nil) -> [UInt8] {
    let said = length ?? value.count
    var bytes = [UInt8(kind & 255), UInt8(kind >> 8), UInt8(said & 255), UInt8(said >> 8 & 255)]
    bytes += value
    while bytes.count % 8 != 0 { bytes.append(0) }
    return bytes
  }
  static func item(_ kind: UInt16, _ text: String) -> [UInt8] { item(kind, Array(text.utf8)) }
}

enum FeedRows {
  static var all: [AttackRow] { (tables + places + extensions + movements).map(\.row) }

  // MARK: The topic table

  private static let entries: [(String, [UInt8], [String])] = [
    ("a sound one", Array("alerts.x".utf8), ["alerts.x"]),
    ("the channel itself", Array("alerts".utf8), []),
    ("nothing", [], []),
    ("a byte that is no UTF-8", Array("alerts.".utf8) + [0xFF], []),
    ("half a character", Array("alerts.".utf8) + [0xC3], []),
    ("a NUL", Array("alerts.a\0b".utf8), []),
    ("a byte too many", Array("alerts.".utf8) + [UInt8](repeating: 97, count: 121), []),
    ("17 tokens", Array(("alerts" + String(repeating: ".a", count: 16)).utf8), []),
    ("a topic of another channel", Array("orders.new".utf8), []),
    ("a topic that begins like the channel", Array("alertsx.y".utf8), []),
    ("a wildcard", Array("alerts.*".utf8), []),
    ("the rest", Array("alerts.>".utf8), []),
    ("an empty token", Array("alerts..x".utf8), []),
    ("an escape sequence", Array("alerts.\u{1B}[2J".utf8), []),
    ("a mark that turns the text round", Array("alerts.\u{202E}x".utf8), []),
  ]

  static var tables: [FeedRow] {
    entries.map { what, entry, expected in
      FeedRow(
        name: "topic table: an entry of \(what)", table: [entry], expected: [expected])
    }
  }

  private static let used: [(String, UInt64, [String])] = [
    ("0", 0, []), ("1", 1, []), ("a byte less than the entry", 9, []),
    ("max", 0xFFFF_FFFF, ["alerts.x"]), ("the sign bit", 1 << 31, ["alerts.x"]),
  ]

  private static let ids: [(String, UInt64)] = [
    ("1", 1), ("1023", 1023), ("1024", 1024), ("one below that of the extension", .max - 1),
    ("the sign bit", 1 << 63),
  ]

  static var places: [FeedRow] {
    used.map { what, value, expected in
      FeedRow(
        name: "topic table: its bytes in use are \(what)",
        strike: { $0.memory.put(value, at: LogPlace.topicsUsed, width: 4) },
        expected: [expected])
    }
      + ids.map { what, id in
        FeedRow(
          name: "topic table: a record names place \(what) of one", topic: id, expected: [[]])
      } + [
        FeedRow(
          name: "topic table: full of entries of no bytes, and a record names the last",
          table: [[UInt8]](repeating: [], count: 2000), topic: 1999, expected: [[]]),
        FeedRow(
          name: "topic table: an entry says more bytes than the table has",
          strike: { $0.memory.put(0xFFFF, at: LogPlace.topics, width: 2) }, expected: [[]]),
      ]
  }

  // MARK: Extensions

  private static let topicItem: UInt16 = 1
  private static func item(_ text: String) -> [UInt8] { FeedRow.item(topicItem, text) }

  private static let itemRows: [(String, [UInt8], [String])] = [
    ("a sound topic", item("alerts.y"), ["alerts.y"]),
    ("no topic at all", [], []),
    ("a topic of another channel", item("orders.new"), []),
    ("a topic of another channel that the pattern covers", item("alertsx.y"), []),
    ("a topic of no bytes", FeedRow.item(topicItem, []), []),
    ("a topic that is no UTF-8", FeedRow.item(topicItem, [0xFF, 0xFE]), []),
    ("a topic with a NUL", item("alerts.a\0b"), []),
    ("a topic that is too long", item("alerts." + String(repeating: "a", count: 121)), []),
    ("a topic with a wildcard", item("alerts.*"), []),
    ("two topics", item("alerts.y") + item("alerts.z"), []),
    ("a topic that runs over the end", FeedRow.item(topicItem, [97], saying: 100), []),
    ("a topic of max bytes", FeedRow.item(topicItem, [97], saying: 0xFFFF), []),
    (
      "an unknown item before the topic", FeedRow.item(900, [1, 2]) + item("alerts.y"),
      ["alerts.y"]
    ),
    ("an unknown item of max bytes", FeedRow.item(900, [1], saying: 0xFFFF), []),
    ("filler alone", [UInt8](repeating: 0, count: 64), []),
    (
      "a deadline of three bytes beside the topic",
      FeedRow.item(2, [1, 2, 3]) + item("alerts.y"), []
    ),
    (
      "a trace of 24 bytes beside the topic",
      FeedRow.item(4, [UInt8](repeating: 1, count: 24)) + item("alerts.y"), []
    ),
  ]

  static var extensions: [FeedRow] {
    itemRows.flatMap { what, items, expected in
      [ReadMode.lossless, .lossy].map { mode in
        FeedRow(
          name: "extension, \(mode): \(what)", mode: mode, topic: .max, items: items,
          expected: [expected])
      }
    }
  }

  // MARK: What moves while it is read

  static let movements: [FeedRow] = [
    FeedRow(
      name: "extension: the topic is another one when it is named than when it was judged",
      topic: .max, items: item("alerts.y"),
      whileHanded: { log in
        log.memory.put(Array("alerts.z".utf8), at: log.record(0) + 68)
      }, expected: [["alerts.y"]]),
    FeedRow(
      name: "topic table: an entry moves between this channel and another one",
      moving: { log, step in
        log.memory.put(Array((step % 2 == 0 ? "alerts" : "orders").utf8), at: LogPlace.topics + 2)
      }, expected: [["alerts.x"], []]),
    FeedRow(
      name: "extension: the topic moves between this channel and another one", topic: .max,
      items: item("alerts.y"),
      moving: { log, step in
        log.memory.put(Array((step % 2 == 0 ? "alerts" : "orders").utf8), at: log.record(0) + 68)
      }, expected: [["alerts.y"], [], [""]]),
    FeedRow(
      name: "extension: the topic moves between text and bytes that are none", topic: .max,
      items: item("alerts.y"),
      moving: { log, step in
        log.memory.put(step % 2 == 0 ? 97 : 0xFF, at: log.record(0) + 68, width: 1)
      }, expected: [["alerts.y"], [], [""]]),
    FeedRow(
      name: "extension: the length of the topic moves", topic: .max, items: item("alerts.y"),
      moving: { log, step in
        log.memory.put(step % 2 == 0 ? 8 : 0xFFFF, at: log.record(0) + 66, width: 2)
      }, expected: [["alerts.y"], [], [""]]),
  ]
}
