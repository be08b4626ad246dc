import BinaryComm
import BusTestSupport
import BusWire
import Glibc
import Synchronization

// Peers that are crowded, slow or cancelled rather than hostile; and what another test holds.

enum UnluckyRows {
  static var all: [AttackRow] { [streams, gather, cancelled] }

  /// Counts runs of a handler.
  final class Runs: Sendable {
    private let count = Atomic(0)
    var value: Int { count.load(ordering: .acquiring) }
    func add() { count.wrappingAdd(1, ordering: .releasing) }
  }

  // MARK: A requester that asks for a stream and reads nothing of it

  private static let streams = AttackRow(
    "crowded: a requester that does not read, beside one that does"
  ) { stand, report in
    let (victim, reader) = (try stand.victim("kit.victim"), try stand.victim("kit.reader"))
    let runs = Runs()
    try await victim.serve("kit.work", executor: OwnThreads.shared) { request in
      runs.add()
      for part in 0..<300 {
        try await request.send([UInt8](repeating: UInt8(part & 255), count: 512))
      }
      return []
    }
    let (peer, log) = try RequestRow.reach(stand)
    // It has an inbox, so that it is answered, and never attaches to what is put there.
    _ = try peer.subscribe("bcs.inbox.\(peer.incarnation).>", mode: 1, number: 5)
    log.topics([Array("kit.work".utf8)])
    log.publish(
      line: 0, items: [], payload: [], topic: 0, type: 1, flags: 8, correlation: 9,
      stamp: RequestRow.now)
    for _ in 0..<1000 where runs.value == 0 { await rest(milliseconds: 5) }
    var parts = 0
    var error = "none"
    do {
      for try await _ in try await reader.replies("kit.work", [], timeout: .seconds(10)) {
        parts += 1
      }
    } catch let failure as BusError {
      error = failure.code.name
    }
    report.result("\(parts) parts, \(error)", is: "301 parts, none")
    report.work(runs.value, atMost: 2, "runs")
    peer.leave()
    victim.close()
    reader.close()
  }

  // MARK: A responder that stands still

  private static let gather = AttackRow(
    "crowded: one of two responders stands still"
  ) { stand, report in
    let (victim, healthy) = (try stand.victim("kit.victim"), try stand.victim("kit.healthy"))
    let runs = Runs()
    try await healthy.serve("kit.both", executor: OwnThreads.shared) { request in
      runs.add()
      return request.payload
    }
    let peer = try stand.attacker("kit.still")
    _ = try peer.subscribe("bcs.inbox.\(peer.incarnation).>", mode: 1, number: 5)
    var answer = RawFrame(kind: 22)
    answer.text(Array("kit.both".utf8))
    answer.number(1, 1)
    answer.number(1, 1)
    _ = try peer.ask(answer)
    // The way to the healthy one is made first, however long that takes.
    _ = try await victim.gather("kit.both", [1], until: .first, timeout: .seconds(20))
    var replies = 0
    var failures: Set<String> = []
    for _ in 0..<20 {
      do throws(BusError) {
        let all = try await victim.gather(
          "kit.both", [UInt8](repeating: 1, count: 1024), timeout: .milliseconds(250))
        replies += all.replies.count
      } catch {
        failures.insert(error.code.name)
      }
    }
    report.result("\(replies) replies, \(failures.sorted())", is: "20 replies, []")
    report.work(runs.value, atMost: 21, "runs of the healthy one")
    peer.leave()
    victim.close()
    healthy.close()
  }

  // MARK: Cancelled before it was sent

  private static let cancelled = AttackRow(
    "cancelled: fifty requests, each of a task that is cancelled when it makes it"
  ) { stand, report in
    let (victim, service) = (try stand.victim("kit.victim"), try stand.victim("kit.service"))
    let runs = Runs()
    try await service.serve("kit.slow", executor: OwnThreads.shared) { request in
      runs.add()
      return request.payload
    }
    _ = try await victim.request("kit.slow", [1])
    var outcomes: [String: Int] = [:]
    for _ in 0..<50 {
      let task = Task(executorPreference: OwnThreads.shared) { () -> String in
        // By itself: a cancel from outside may come when the handler has run.
        unsafe withUnsafeCurrentTask { unsafe $0?.cancel() }
        do throws(BusError) {
          _ = try await victim.request("kit.slow", [1])
          return "answered"
        } catch {
          return error.code.name
        }
      }
      outcomes[await task.value, default: 0] += 1
    }
    report.result("\(outcomes)", is: "\(["CANCELLED": 50])")
    report.work(runs.value, atMost: 1, "runs of the handler")
    victim.close()
    service.close()
  }
}
