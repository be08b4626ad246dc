import BinaryComm
import BusCounters
import BusTestSupport
import BusWire
import CBusABI
import Glibc

// Attacks on conversations that take more than one message.

enum RequestSeriesRows {
  static var all: [AttackRow] { [foreignResponse] + cancels }

  // MARK: A response in another agent's place

  /// Correlation ids are consecutive numbers: whoever was asked once knows those that follow.
  private static let foreignResponse = AttackRow(
    "response: to a request that another agent was sent"
  ) { stand, report in
    let (victim, honest) = (try stand.victim("kit.victim"), try stand.victim("kit.honest"))
    var asker = try victim.messenger()
    var responder = try honest.messenger()
    try asker.answer("kit.work")
    let there = try asker.out.agent("kit.honest")
    let id = try asker.out.request(
      there, [1], SendOptions(timeoutNs: 30_000_000_000))
    var asked: InboxMessage?
    var heard: [[UInt8]] = []
    func turn() throws {
      _ = try asker.poll { message, _, _ in heard.append(message.bytes) }
      _ = try responder.poll { _, incoming, _ in asked = incoming }
      usleep(1000)
    }
    for _ in 0..<5000 where asked == nil { try turn() }
    let (peer, log) = try RequestRow.reach(stand)
    log.topics([Array("kit.work".utf8)])
    log.publish(
      line: 0, items: [], payload: Array("forged".utf8), topic: 0,
      type: UInt64(BUS_TYPE_RESPONSE), correlation: UInt64(id), stamp: RequestRow.now)
    for _ in 0..<5000 where asker.statistics.drops.isEmpty && heard.isEmpty { try turn() }
    report.result("\(asker.statistics.drops)", is: "\([DropReason.unknownCorrelation: 1])")
    if let asked { try responder.out.reply(to: asked, Array("honest".utf8)) }
    for _ in 0..<5000 where heard.isEmpty { try turn() }
    report.result("\(heard)", is: "\([Array("honest".utf8)])", "what answers the request")
    report.work(heard.count, atMost: 1, "responses")
    peer.leave()
    asker.close()
    responder.close()
    victim.close()
    honest.close()
  }

  // MARK: Cancels of requests that have not come

  /// How many cancels a responder keeps in mind for a peer whose requests have not come.
  private static let kept = 4096

  static var cancels: [AttackRow] {
    [(kept - 1, 0), (kept, 1)].map { others, runs in
      AttackRow("request: cancelled before it comes, and \(others) others as well") {
        stand, report in
        try await cancelFirst(stand, report, others: others, runs: runs)
      }
    }
  }

  /// A peer cancels a request, then many others, none of which has come; then the first one does.
  private static func cancelFirst(
    _ stand: Stand, _ report: Report, others: Int, runs: Int
  ) async throws {
    let victim = try stand.victim("kit.victim")
    let (hostile, last) = (UnluckyRows.Runs(), UnluckyRows.Runs())
    try await victim.serve("kit.work", executor: OwnThreads.shared) { request in
      let isLast = request.payload == Array("last".utf8)
      (isLast ? last : hostile).add()
      return request.payload
    }
    let (peer, log) = try RequestRow.reach(stand, capacity: 1 << 20)
    log.topics([Array("kit.work".utf8)])
    var line = 0
    func put(_ type: Int32, _ flags: UInt32, _ correlation: Int, _ payload: [UInt8]) {
      log.publish(
        line: line, items: [], payload: payload, topic: 0, type: UInt64(type),
        flags: UInt64(flags), correlation: UInt64(correlation), stamp: RequestRow.now)
      line += (64 + payload.count + 63) / 64
    }
    // The number of the request in its log: all the cancels lie before it.
    put(BUS_TYPE_COMMAND, BUS_FLAG_CANCEL, 9, numbered(UInt64(1 + others)))
    for other in 0..<others {
      put(BUS_TYPE_COMMAND, BUS_FLAG_CANCEL, 100 + other, numbered(1 << 40))
    }
    put(BUS_TYPE_REQUEST, BUS_FLAG_REPLY_EXPECTED, 9, Array("work".utf8))
    put(BUS_TYPE_REQUEST, BUS_FLAG_REPLY_EXPECTED, 77, Array("last".utf8))
    // The handler of the earlier one may begin later: each runs in a task of its own.
    for _ in 0..<2000 where last.value == 0 || hostile.value < runs {
      await rest(milliseconds: 5)
    }
    report.result("\(last.value)", is: "1", "runs for the request behind it")
    let found = hostile.value
    report.result("\(found)", is: "\(runs)", "runs for the request that was cancelled")
    report.work(found, atMost: 1, "runs for one message")
    peer.leave()
    victim.close()
  }
}
