import BinaryComm
import BusLog
import BusTestSupport
import BusWire
import Glibc

// Attacks of a publisher on the bus that need more than one record.

enum PublisherRows {
  static var all: [AttackRow] { identities + [topics] + wildcards + ends + others }

  private static let auditor = BusUUID(agentName: "auditor")

  // MARK: What the router has looked at before

  /// Words of the identity that are changed after the router has taken the log.
  private static let changes: [(String, Int, UInt64)] = [
    ("agent", LogPlace.agent, auditor.word0),
    ("incarnation", LogPlace.incarnation, 1),
    ("generation", 64, 1 << 32 | 1),
    ("channel", LogPlace.channel, 0x7861_6C65_7274),
    ("magic", 0, 0),
    ("capacity", LogPlace.capacity, 1 << 30),
  ]

  static var identities: [AttackRow] {
    changes.map { what, at, value in
      AttackRow("identity, after the router looked: the \(what) changes") {
        stand, report in
        let feed = try Feed(stand, .lossless) { log in log.memory.put(value, at: at) }
        feed.log.topics([Array("alerts.x".utf8)])
        feed.log.publish(1, topic: 0)
        feed.read(2)
        report.holds(
          feed.sources.isSubset(of: [feed.peer.uuid]), "a message of another source was handed over"
        )
        report.result("\(feed.errors)", is: "[\"CORRUPT\"]", "errors")
        report.work(feed.polls, atMost: 40, "polls")
      }
    } + [forgery]
  }

  /// The publisher says in its own log that it is another one, and sends as that one.
  private static let forgery = AttackRow(
    "identity, after the router looked: the publisher becomes another agent"
  ) { stand, report in
    for mode in ReadMode.allCases {
      let feed = try Feed(stand, mode) { log in log.memory.put(auditor.bytes, at: LogPlace.agent) }
      feed.log.topics([Array("alerts.x".utf8)])
      feed.log.publish(4, source: auditor, topic: 0)
      feed.read(1)
      report.result("\(feed.topics.count)", is: "0", "messages in another agent's name")
      report.work(feed.polls, atMost: 40, "polls")
      feed.peer.leave()
    }
  }

  // MARK: A topic table without end

  /// Ids from the limit on name no topic, whatever the table holds.
  private static let topics = AttackRow("topics: a table of 100,000") { stand, report in
    let feed = try Feed(stand, .lossless, topicsBytes: 1 << 20)
    feed.log.topics([[UInt8]](repeating: Array("alerts.x".utf8), count: 100_000))
    let most = LogTopicTable.topicsMax
    for (number, topic) in ([99_999, most, most - 1, 0] as [UInt64]).enumerated() {
      feed.log.publish(1, from: number, topic: topic)
    }
    feed.expect([["alerts.x", "alerts.x"]], [[]], report)
    report.result("\(feed.statistics.received)", is: "4", "messages that were looked at")
  }

  // MARK: A pattern that covers every channel

  static let wildcards: [AttackRow] = [ReadMode.lossless, .lossy, .latest].map { mode in
    AttackRow(
      "extension, \(mode): a topic of another channel, and a reader of everything"
    ) { stand, report in
      let feed = try Feed(stand, mode, pattern: ">")
      feed.log.publish(
        line: 0, items: FeedRow.item(1, "orders.new"), payload: [1], topic: .max)
      feed.read(1)
      report.result("\(feed.topics)", is: "[]", "what came")
      report.work(feed.polls, atMost: 40, "polls")
    }
  }

  // MARK: Ends

  private static let finals: [(String, UInt64)] = [
    ("0", 0), ("1", 1), ("max", .max), ("the sign bit", 1 << 63), ("off the grid", 321),
    ("one record that is not there", 320), ("2^62", 1 << 62),
  ]

  static var ends: [AttackRow] {
    finals.map { what, commit in
      AttackRow("end: a publisher dies with its commit at \(what)") { stand, report in
        for mode in ReadMode.allCases {
          let feed = try Feed(stand, mode)
          feed.log.topics([Array("alerts.x".utf8)])
          feed.log.publish(4, topic: 0)
          feed.read(mode == .latest ? 1 : 4)
          let before = feed.topics.count
          feed.log.memory.put(commit, at: LogPlace.commit)
          feed.peer.leave()
          feed.readToTheEnd()
          report.result("\(feed.topics.count)", is: "\(before)", "\(mode): messages")
          let left = feed.statistics.streams
          report.result("\(left)", is: "0", "\(mode): streams that are still read")
          report.work(feed.polls, atMost: 80, "polls")
        }
      }
    }
  }

  // MARK: One publisher's trouble

  /// What is done to the log of the reading with this attachment.
  private typealias Strike = @Sendable (RawLog, UInt64) -> Void

  private static let troubles: [(String, Strike)] = [
    ("a record of zeros", { log, _ in log.memory.put(64, at: LogPlace.commit) }),
    ("a commit off the grid", { log, _ in log.memory.put(65, at: LogPlace.commit) }),
    (
      "messages that are void, since it went on without this reader",
      { log, attachment in
        log.topics([Array("alerts.void".utf8)])
        log.memory.put(attachment, at: LogPlace.departedList)
        log.memory.put(1, at: LogPlace.departed)
        log.publish(8, topic: 0)
      }
    ),
    (
      "a record of max bytes",
      { log, _ in
        log.publish(1, topic: 0)
        log.memory.put(0xFFFF_FFFF, at: log.record(0) + 8)
      }
    ),
    (
      "the end of its stream",
      { log, _ in
        log.publish(1, topic: 0)
        log.memory.put(0xFF02, at: log.record(0) + 6, width: 2)
      }
    ),
    (
      "a rotation into nothing",
      { log, _ in
        log.publish(1, topic: 0)
        log.memory.put(0xFF01, at: log.record(0) + 6, width: 2)
      }
    ),
  ]

  static var others: [AttackRow] {
    troubles.map { what, strike in
      AttackRow("asynchronous subscription: one publisher brings \(what)") {
        stand, report in
        try await Self.subscription(stand, report, strike)
      }
    }
  }

  private static func subscription(
    _ stand: Stand, _ report: Report, _ strike: Strike
  ) async throws {
    let peer = try stand.attacker("kit.feed")
    let log = try peer.log("alerts")
    try peer.open(log)
    let (listener, sender) = (try stand.victim("kit.victim"), try stand.victim("kit.sender"))
    async let opening = listener.subscribe("alerts.>", mode: .lossless)
    let attachment = try peer.letIn()
    let alerts = try await opening
    try await sender.publish("alerts.sound", numbered(1))
    strike(log, attachment)
    var iterator = alerts.makeAsyncIterator()
    var came: [String] = []
    var error = "none"
    for number in 2...4 {
      do throws(BusError) {
        if let message = try await iterator.next() { came.append(message.topic) }
        try await sender.publish("alerts.sound", numbered(UInt64(number)))
      } catch let failure {
        error = failure.code.name
      }
    }
    alerts.cancel()
    report.result("\(came)", is: "[\"alerts.sound\", \"alerts.sound\", \"alerts.sound\"]", "came")
    report.result(error, is: "none", "error of the sequence")
    report.work(came.count, atMost: 3, "messages")
  }
}
