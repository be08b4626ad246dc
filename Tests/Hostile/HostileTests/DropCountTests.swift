import BusTestSupport
import CBusABI
import Foundation
import Glibc
import Testing

/// Messages that a service does not hand over because of what another process did, as an operator
/// sees them counted.
@Suite("Drops that another process causes", .serialized)
struct DropCountTests {
  struct Row: Sendable, CustomTestStringConvertible {
    let testDescription: String
    var items: [UInt8] = []
    var payload = Array("work".utf8)
    var topic: UInt64 = 0
    var type = UInt64(BUS_TYPE_REQUEST)
    var flags = UInt64(BUS_FLAG_REPLY_EXPECTED)
    /// The stable name of the reason.
    let reason: String

    init(_ name: String, reason: String) {
      testDescription = name
      self.reason = reason
    }

    func with(_ change: (inout Row) -> Void) -> Row {
      var row = self
      change(&row)
      return row
    }
  }

  static let rows: [Row] = [
    Row("a request for a name that nobody answers any more", reason: "unknown_name")
      .with { $0.topic = 1 },
    Row("an event for such a name", reason: "unknown_name")
      .with { ($0.topic, $0.type, $0.flags) = (1, UInt64(BUS_TYPE_EVENT), 0) },
    Row("a request that the policy does not allow", reason: "denied").with { $0.topic = 2 },
    Row("an event that the policy does not allow", reason: "denied")
      .with { ($0.topic, $0.type, $0.flags) = (2, UInt64(BUS_TYPE_EVENT), 0) },
    Row("a request for a name beyond the topic table", reason: "denied").with { $0.topic = 9 },
    Row("a request whose extension breaks the format", reason: "malformed")
      .with { $0.items = FeedRow.item(2, [1, 2, 3, 4]) },
    Row("a message of a kind that no inbox has", reason: "malformed")
      .with { $0.type = UInt64(BUS_TYPE_HEARTBEAT) },
    Row("a cancel of seven bytes", reason: "malformed").with { row in
      (row.type, row.flags) = (UInt64(BUS_TYPE_COMMAND), UInt64(BUS_FLAG_CANCEL))
      row.payload = [UInt8](repeating: 0, count: 7)
    },
  ]

  /// The requester may call two names, of which the service answers one, and not a third one.
  private static let policy = """
    agents:
      - name: kit.service
        users: [\(getuid())]
        services: {answer: [kit.work, kit.secret]}
      - name: kit.requester
        users: [\(getuid())]
        services: {call: [kit.work, kit.other]}
      - {name: operator, users: [\(getuid())], watch: true}
    """

  private static func objects(_ text: String) throws -> [[String: Any]] {
    try text.split(separator: "\n").map { line in
      try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any] ?? [:]
    }
  }

  @Test("stat and metrics count it once, under its reason, and nothing else", arguments: rows)
  func counted(row: Row) throws {
    let home = try TemporaryDirectory("drops")
    let directory = home.file("run")
    try Self.policy.write(toFile: home.file("policy.yaml"), atomically: true, encoding: .utf8)
    let router = try Child.start(
      try Programs.path("msg_router"),
      ["--dir", directory, "--json", "--policy", home.file("policy.yaml")])
    defer { router.kill() }
    try router.waitForLine(containing: "\"event\":\"ready\"")
    let bcs = try Programs.path("bcs")
    let service = try Child.start(
      bcs, ["reply", "kit.work", "--echo", "--name", "kit.service", "--dir", directory])
    defer { service.kill() }
    while service.isRunning, !service.stderrSoFar.contains("answering") { usleep(5000) }

    let peer = try HostilePeer("\(directory)/router.sock")
    defer { peer.leave() }
    try peer.register("kit.requester")
    let log = try RequestRow.reach(with: peer)
    log.topics([Array("kit.work".utf8), Array("kit.other".utf8), Array("kit.secret".utf8)])
    log.publish(
      line: 0, items: row.items, payload: row.payload, topic: row.topic, type: row.type,
      flags: row.flags, correlation: 9, stamp: RequestRow.now)
    // Sound, and behind it: when it was handed over, the other one was judged.
    log.publish(
      line: (64 + row.items.count + row.payload.count + 63) / 64, items: [],
      payload: Array("last".utf8), topic: 0, type: UInt64(BUS_TYPE_REQUEST),
      flags: UInt64(BUS_FLAG_REPLY_EXPECTED), correlation: 77, stamp: RequestRow.now)

    let look = ["--name", "operator", "--interval", "0.1", "--dir", directory]
    var inbox: [String: Any]?
    while service.isRunning, inbox?["messages"] as? Int != 1 {
      let rows = try Self.objects(try Child.run(bcs, ["stat", "--json"] + look).stdout)
      inbox = rows.first {
        $0["agent"] as? String == "kit.service" && $0["direction"] as? String == "in"
      }
    }
    #expect(inbox?["channel"] as? String == "inbox.kit.service")
    #expect(inbox?["dropped"] as? Int == 1)
    #expect(inbox?["drops"] as? [String] == ["\(row.reason)=1"])
    let metrics = try Child.run(bcs, ["metrics"] + look).stdout.split(separator: "\n")
    // The peer takes no replies: those are dropped, too, where they would be sent.
    let drops = metrics.filter {
      $0.hasPrefix("bcs_messages_dropped_total{") && $0.contains("direction=\"received\"")
    }
    #expect(drops.count == 1 && drops[0].contains("reason=\"\(row.reason)\""), "\(drops)")
    #expect(drops.allSatisfy { $0.hasSuffix(" 1") && $0.contains("kit.service") })
  }
}
