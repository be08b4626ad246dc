import BinaryComm
import BusTestSupport
import BusWire
import CBusABI
import Foundation
import Glibc
import Synchronization

// Attacks of a requester on a service of the real library. Expectation: how often the handler runs
// for the hostile message; a sound request behind it must run once.

struct RequestRow: Sendable {
  let name: String
  var items: [UInt8] = []
  var payload: [UInt8] = Array("work".utf8)
  var topic: UInt64 = 0
  var type = UInt64(BUS_TYPE_REQUEST)
  var flags = UInt64(BUS_FLAG_REPLY_EXPECTED)
  var hops: UInt64 = 0
  var correlation: UInt64 = 9
  /// Nanoseconds since 1970; nil: now.
  var stamp: UInt64?
  var source: BusUUID?
  var moving: (@Sendable (RawLog, UInt64) -> Void)?
  let runs: ClosedRange<Int>

  var row: AttackRow {
    AttackRow("request: \(name)") { stand, report in
      let victim = try stand.victim("kit.victim")
      let counter = Counter()
      try await victim.serve("kit.work", executor: OwnThreads.shared) { request in
        counter.add(request.payload == Array("last".utf8) ? .last : .hostile)
        return request.payload
      }
      let (peer, log) = try Self.reach(stand)
      let now = Self.now
      log.topics([Array("kit.work".utf8), Array("kit.other".utf8)])
      log.publish(
        line: 0, items: items, payload: payload, topic: topic, type: type, flags: flags,
        hops: hops, correlation: correlation, stamp: stamp ?? now, source: source)
      let mover = try moving.map { step in try Mover { step(log, $0) } }
      let next = (64 + items.count + payload.count + 63) / 64
      log.publish(
        line: next, items: [], payload: Array("last".utf8), topic: 0,
        type: UInt64(BUS_TYPE_REQUEST), flags: UInt64(BUS_FLAG_REPLY_EXPECTED), correlation: 77,
        stamp: now)
      // The handler of the earlier one may begin later: each runs in a task of its own.
      for _ in 0..<2000
      where counter.value(.last) == 0 || counter.value(.hostile) < runs.lowerBound {
        await rest(milliseconds: 5)
      }
      mover?.stop()
      report.result("\(counter.value(.last))", is: "1", "runs for the sound request behind it")
      let found = counter.value(.hostile)
      report.holds(runs.contains(found), "the handler ran \(found) times, not \(runs)")
      report.work(found, atMost: 1, "runs for one message")
      peer.leave()
      victim.close()
    }
  }

  /// Nanoseconds since 1970.
  static var now: UInt64 { UInt64(Date().timeIntervalSince1970 * 1e9) }

  private final class Counter: Sendable {
    enum Kind { case hostile, last }
    private let counts = Mutex<(Int, Int)>((0, 0))
    func add(_ kind: Kind) {
      counts.withLock { if kind == .last { $0.1 += 1 } else { $0.0 += 1 } }
    }
    func value(_ kind: Kind) -> Int { counts.withLock { kind == .last ? $0.1 : $0.0 } }
  }

  /// A log of a hostile peer in the inbox of whoever answers `kit.work`.
  static func reach(
    _ stand: Stand, capacity: Int = 16384
  ) throws -> (HostilePeer, RawLog) {
    let peer = try stand.attacker("kit.requester")
    return (peer, try reach(with: peer, capacity: capacity))
  }

  /// The same for a peer that is registered already.
  static func reach(with peer: HostilePeer, capacity: Int = 16384) throws -> RawLog {
    var frame = RawFrame(kind: 23)
    frame.text(Array("kit.work".utf8))
    frame.number(1, 1)
    guard let answer = try peer.ask(frame), answer.kind == RawReply.Kind.responders else {
      throw SetUpFailure("kit.work was not resolved")
    }
    let (_, end) = answer.text(0)
    // Behind group, provisional, before and total: the list, which is whole in one frame.
    guard answer.number(end + 6, 2) == 1 else { throw SetUpFailure("nobody answers kit.work") }
    let inbox = "bcs.inbox.\(answer.number(end + 8, 8)).normal"
    let log = try peer.log(inbox, capacity: capacity)
    try peer.open(log)
    try peer.letIn()
    return log
  }

  private static func item(_ kind: UInt16, _ value: [UInt8], saying: Int? = nil) -> [UInt8] {
    FeedRow.item(kind, value, saying: saying)
  }
  private static func deadline(_ ns: UInt64) -> [UInt8] { item(2, numbered(ns)) }

  static var all: [AttackRow] {
    (fields + extensions + cancels).map(\.row) + RequestSeriesRows.all
  }

  static let fields: [RequestRow] = [
    RequestRow(name: "a sound one", runs: 1...1),
    RequestRow(name: "without a payload", payload: [], runs: 1...1),
    RequestRow(name: "for a name that is not answered", topic: 1, runs: 0...0),
    RequestRow(name: "for a place beyond the topic table", topic: 2, runs: 0...0),
    RequestRow(name: "for place max, and no extension", topic: .max, runs: 0...0),
    RequestRow(name: "passed on 16 times", hops: 16, runs: 1...1),
    RequestRow(name: "passed on 17 times", hops: 17, runs: 0...0),
    RequestRow(name: "passed on 255 times", hops: 255, runs: 0...0),
    RequestRow(name: "in another agent's name", source: .random(), runs: 0...0),
    RequestRow(name: "of correlation 0", correlation: 0, runs: 1...1),
    RequestRow(name: "of correlation max", correlation: 0xFFFF_FFFF, runs: 1...1),
    RequestRow(name: "with every flag", flags: 0xFFFF_FFFF, runs: 0...1),
    RequestRow(name: "stamped in 1970", stamp: 0, runs: 0...0),
    RequestRow(name: "stamped max", stamp: .max, runs: 1...1),
    RequestRow(name: "stamped at the sign bit", stamp: 1 << 63, runs: 1...1),
    RequestRow(name: "a heartbeat", type: UInt64(BUS_TYPE_HEARTBEAT), runs: 0...0),
    RequestRow(name: "a broadcast", type: UInt64(BUS_TYPE_BROADCAST), runs: 0...0),
    RequestRow(name: "an event", type: UInt64(BUS_TYPE_EVENT), runs: 0...0),
    RequestRow(
      name: "a response to what was never asked", type: UInt64(BUS_TYPE_RESPONSE), runs: 0...0),
    RequestRow(
      name: "a part of a response to what was never asked", type: UInt64(BUS_TYPE_RESPONSE),
      flags: UInt64(BUS_FLAG_STREAMED), runs: 0...0),
    RequestRow(
      name: "an error of no bytes for what was never asked", payload: [],
      type: UInt64(BUS_TYPE_ERROR), runs: 0...0),
    RequestRow(
      name: "an error whose text is no UTF-8", payload: [1, 0, 0, 0, 0xFF, 0xFE],
      type: UInt64(BUS_TYPE_ERROR), runs: 0...0),
  ]

  static let extensions: [RequestRow] = [
    RequestRow(name: "with a deadline of max", items: deadline(.max), runs: 1...1),
    RequestRow(name: "with a deadline of the sign bit", items: deadline(1 << 63), runs: 1...1),
    RequestRow(name: "with a deadline of 0", items: deadline(0), runs: 0...0),
    RequestRow(name: "with a deadline of 1 ns", items: deadline(1), runs: 0...0),
    RequestRow(name: "with two deadlines", items: deadline(.max) + deadline(1), runs: 0...0),
    RequestRow(name: "with a deadline of 4 bytes", items: item(2, [1, 2, 3, 4]), runs: 0...0),
    RequestRow(name: "with a deadline of no bytes", items: item(2, []), runs: 0...0),
    RequestRow(
      name: "with a conversation of 15 bytes", items: item(3, [UInt8](repeating: 1, count: 15)),
      runs: 0...0),
    RequestRow(
      name: "with a trace of 26 bytes", items: item(4, [UInt8](repeating: 1, count: 26)),
      runs: 0...0),
    RequestRow(
      name: "with a trace of zeros", items: item(4, [UInt8](repeating: 0, count: 25)),
      runs: 0...1),
    RequestRow(name: "with a content type that is no UTF-8", items: item(5, [0xFF]), runs: 0...0),
    RequestRow(name: "with a content name with a NUL", items: item(6, [97, 0]), runs: 0...0),
    RequestRow(name: "with a checksum of 3 bytes", items: item(7, [1, 2, 3]), runs: 0...0),
    RequestRow(
      name: "with a key of 65 bytes", items: item(8, [UInt8](repeating: 1, count: 65)),
      runs: 0...0),
    RequestRow(
      name: "with an item that runs over the end", items: item(5, [97], saying: 100),
      runs: 0...0),
    RequestRow(
      name: "with an item of max bytes", items: item(900, [97], saying: 0xFFFF), runs: 0...0),
    RequestRow(name: "with an unknown item", items: item(900, [1, 2, 3]), runs: 1...1),
    RequestRow(
      name: "with filler alone", items: [UInt8](repeating: 0, count: 800), runs: 1...1),
    RequestRow(
      name: "with a content type that moves between text and none while it is read",
      items: item(5, Array("text/plain".utf8)),
      moving: { log, step in
        log.memory.put(step % 2 == 0 ? 97 : 0xFF, at: log.record(0) + 70, width: 1)
      }, runs: 0...1),
  ]

  private static func cancel(_ name: String, _ payload: [UInt8]) -> RequestRow {
    RequestRow(
      name: "a cancel \(name)", payload: payload, type: UInt64(BUS_TYPE_COMMAND),
      flags: UInt64(BUS_FLAG_CANCEL), runs: 0...0)
  }

  static let cancels: [RequestRow] = [
    cancel("of no bytes", []), cancel("of 7 bytes", [UInt8](repeating: 0, count: 7)),
    cancel("of 9 bytes", [UInt8](repeating: 0, count: 9)),
    cancel("of what was never sent", numbered(0)),
    cancel("of what is far ahead", numbered(1 << 40)),
    cancel("at the sign bit", numbered(1 << 63)), cancel("at max", numbered(.max)),
  ]
}
