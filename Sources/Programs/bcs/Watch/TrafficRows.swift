import BusAdmin
import BusCounters
import BusJSON
import BusTerminal

/// How what the agents count is shown in listings.
enum TrafficRows {
  static var listing: TextTable {
    TextTable(
      [
        Column("kind"), Column("agent", "AGENT"), Column("channel", "CHANNEL"),
        Column("direction", "DIR"), Column("lane", "LANE", .drops(6)), Column("log"),
        Column("mode", "MODE", .drops(5)),
        Column("streams"), Column("messages", "MESSAGES", isNumber: true),
        Column("rate", "MSG/S", isNumber: true, .drops(1)), Column("messages_per_second"),
        Column("bytes"), Column("byte_rate", "BYTE/S", isNumber: true, .drops(8)),
        Column("bytes_per_second"), Column("depth", "DEPTH", isNumber: true, .drops(3)),
        Column("lost", "LOST", isNumber: true), Column("gaps"), Column("gap_messages"),
        Column("dropped", "DROPPED", isNumber: true, .drops(4)), Column("drops"),
        Column("errors", "ERRORS", isNumber: true, .drops(9)), Column("window_full"),
        Column("p50", "P50", isNumber: true, .drops(10)),
        Column("p99", "P99", isNumber: true, .drops(2)),
        Column("p50_ns"), Column("p99_ns"), Column("ended"), Column("category"),
        Column("incarnation"),
      ], empty: "No agent has published or received anything.")
  }

  static func row(_ one: ChannelTraffic) -> [JSONValue] {
    let (middle, slow) = (one.percentile(0.5), one.percentile(0.99))
    return names(one) + rates(one) + losses(one) + [
      time(middle), time(slow), JSONValue(middle), JSONValue(slow), .boolean(one.hasEnded),
      .text(one.category), .unsigned(one.key.incarnation),
    ]
  }

  private static func names(_ one: ChannelTraffic) -> [JSONValue] {
    [
      .text("traffic"), .text(one.agent), .text(one.key.channel),
      .text(one.key.direction == .sent ? "out" : "in"), .text("\(one.key.lane)"),
      .text("\(one.key.kind)"), .text(one.key.mode == .none ? "-" : "\(one.key.mode)"),
    ]
  }

  private static func rates(_ one: ChannelTraffic) -> [JSONValue] {
    let (messages, bytes) = (one.recent?.messagesPerSecond, one.recent?.bytesPerSecond)
    return [
      .integer(one.streams), .unsigned(one.counts.messages),
      JSONValue(messages.map { NumberFormat.count($0) }), JSONValue(messages),
      .unsigned(one.counts.bytes), JSONValue(bytes.map { NumberFormat.bytes($0) }),
      JSONValue(bytes),
    ]
  }

  private static func losses(_ one: ChannelTraffic) -> [JSONValue] {
    [
      JSONValue(one.depth), .unsigned(one.lost), .unsigned(one.counts.gapEvents),
      .unsigned(one.counts.gapMessages), .unsigned(one.counts.droppedAll),
      drops(one.counts.drops), .unsigned(one.counts.errors), .unsigned(one.counts.blocked),
    ]
  }

  /// Reasons with their counts, such as `filtered=12`, without those that never happened.
  static func drops(_ drops: [UInt64]) -> JSONValue {
    .list(
      DropReason.allCases.filter { drops[$0.rawValue] > 0 }
        .map { .text("\($0.name)=\(drops[$0.rawValue])") })
  }

  private static func time(_ ns: UInt64?) -> JSONValue {
    JSONValue(ns.map { NumberFormat.time(ns: $0) })
  }
}

/// How the balance of channels is shown.
enum BalanceRows {
  static var listing: TextTable {
    TextTable(
      [
        Column("kind"), Column("channel", "CHANNEL"), Column("lane", "LANE", .drops(2)),
        Column("log"),
        Column("streams", "STREAMS", isNumber: true, .drops(3)),
        Column("published", "PUBLISHED", isNumber: true, .drops(1)),
        Column("readings", "READINGS", isNumber: true), Column("sent", "SENT", isNumber: true),
        Column("delivered", "= DELIVERED", isNumber: true),
        Column("pending", "+ PENDING", isNumber: true), Column("gaps", "+ GAPS", isNumber: true),
        Column("dropped", "+ DROPPED", isNumber: true), Column("drops", "BY REASON", .shortens),
        Column("balance", "BALANCE"), Column("unseen"), Column("faults"),
        Column("suspects"), Column("unsettled"),
      ], empty: "No channels.")
  }

  static func row(_ one: ChannelBalance, log: LogVerdict) -> [JSONValue] {
    [
      .text("balance"), .text(one.channel), .text("\(one.lane)"), .text("\(one.kind)"),
      .integer(one.streams), .unsigned(one.published), .integer(one.readings),
      .unsigned(one.sent), .unsigned(one.delivered), .unsigned(one.pending), .unsigned(one.gaps),
      .unsigned(one.dropped), TrafficRows.drops(one.drops),
      .text(!one.holds ? "broken" : log.liar != nil ? "log differs" : "ok"),
      .integer(one.unseen), .integer(one.faults), .list(one.suspects.map { .text($0) }),
      .integer(one.unsettled),
    ]
  }
}

/// What the router reads in the logs themselves, beside what their publishers' counters say.
enum LogVerdict {
  /// The same.
  case agrees
  /// Something else: the publisher's counters are not to be believed.
  case differs(publisher: String)
  /// No router, or the stream came or went meanwhile.
  case unknown

  /// The publisher whose counters say something else.
  var liar: String? {
    if case .differs(let publisher) = self { publisher } else { nil }
  }
}

/// The messages in each stream's log, read by the router before and after a look at the counters.
struct LogPositions {
  let before: [UInt64: UInt64]
  let after: [UInt64: UInt64]

  /// The messages of each stream that has some.
  static func read(_ rows: [[String: String]]) -> [UInt64: UInt64] {
    var found: [UInt64: UInt64] = [:]
    for row in rows where row["state"] == "open" {
      // A log that was registered and is not in use yet has no message, whatever the stream has.
      guard let stream = row["stream"].flatMap(UInt64.init),
        let messages = row["messages"].flatMap(UInt64.init), messages > 0
      else { continue }
      found[stream] = messages
    }
    return found
  }

  /// Whether the counters of each channel's publishers say what the logs say; the rows are gone
  /// through once, however many channels they name.
  func verdicts(in sample: BusSample) -> LogVerdicts {
    var verdicts = LogVerdicts()
    for agent in sample.agents {
      for row in agent.rows where row.state == .live && row.identity.direction == .sent {
        guard let least = before[row.identity.stream], let most = after[row.identity.stream],
          least <= most
        else { continue }
        let count = row.counts.messages
        verdicts.add(
          count >= least && count <= most ? .agrees : .differs(publisher: agent.name),
          of: row.identity)
      }
    }
    return verdicts
  }
}

/// What the logs say of the publishers of each channel.
struct LogVerdicts {
  private struct Key: Hashable {
    let channel: String
    let kind: CounterKind
    let lane: CounterLane
  }
  private var found: [Key: LogVerdict] = [:]

  /// Takes what the log of one stream says; the first publisher that it contradicts is the liar.
  mutating func add(_ verdict: LogVerdict, of identity: CounterIdentity) {
    let key = Key(channel: identity.channel, kind: identity.kind, lane: identity.lane)
    if found[key]?.liar == nil { found[key] = verdict }
  }

  /// What they say of a channel.
  func of(_ channel: ChannelBalance) -> LogVerdict {
    found[Key(channel: channel.channel, kind: channel.kind, lane: channel.lane)] ?? .unknown
  }
}
