import BinaryComm
import BusLog
import BusTestSupport
import BusWire
import Glibc

// Attacks that take what belongs to all, and such that name what belongs to others.

enum ShareRows {
  static var all: [AttackRow] { foreignNames + limits + [streams, unread, arena, silent] }

  // MARK: Names of others

  /// Frames that name an attachment; the honest party's are among those that are tried.
  private static let ofAttachments: [(String, UInt16, [FrameField])] = [
    ("attach", 8, [.number("slot", 0, 2)]), ("detach", 9, []),
    ("released", 10, [.number("generation", 0, 4)]),
    (
      "joined", 11,
      [
        .number("generation", 0, 4), .number("startPosition", 1 << 40, 8),
        .number("startSequence", 7, 8), .number("departed", .max, 8),
      ]
    ),
    ("joinRefused", 12, [.text("reason", "gone")]), ("evict", 13, [.text("reason", "gone")]),
  ]

  /// Frames that name a stream.
  private static let ofStreams: [(String, UInt16, [FrameField])] = [
    ("retireLog", 4, [.number("generation", 0, 4)]), ("closeStream", 5, []),
    ("restoreReader", 18, [.number("attachment", 5, 8), .number("readerIncarnation", 5, 8)]),
  ]

  static var foreignNames: [AttackRow] {
    ofAttachments.map { name, kind, rest in
      AttackRow("names of others: \(name) for every attachment there may be") { stand, report in
        try Self.name(stand, report, kind, rest) { around in
          (around.attachment - 400..<around.attachment + 8).filter { $0 != around.attachment }
        }
      }
    }
      + ofStreams.map { name, kind, rest in
        AttackRow("names of others: \(name) for every stream there may be") { stand, report in
          try Self.name(stand, report, kind, rest) { around in
            Array(around.stream - 100..<around.stream + 100)
          }
        }
      } + [takeOver, inboxOfAnother, nameOfAnother]
  }

  /// Sends the frame for each number; nothing comes of any.
  private static func name(
    _ stand: Stand, _ report: Report, _ kind: UInt16, _ rest: [FrameField],
    _ numbers: ((attachment: UInt64, stream: UInt64)) -> [UInt64]
  ) throws {
    let peer = try stand.attacker("kit.names")
    guard let done = try peer.subscribe("honest.>"), done.kind == RawReply.Kind.subscribed else {
      throw SetUpFailure("not subscribed")
    }
    // The announce came before the answer: subscribe again to see one.
    let around = try peer.announced("honest.news")
    let before = peer.framesReceived
    let tried = numbers(around)
    for number in tried {
      var frame = RawFrame(kind: kind, request: 0)
      frame.number(number, 8)
      for field in rest { frame.put(field) }
      try peer.send(frame.bytes)
    }
    let value = try peer.routerValue("agents")
    report.holds(value != nil, "the connection does not go on")
    report.work(peer.framesReceived - before, atMost: tried.count + 8, "frames of the router")
  }

  private static let takeOver = AttackRow("names of others: a log for another agent's stream") {
    stand, report in
    let peer = try stand.attacker("kit.names")
    _ = try peer.subscribe("honest.>")
    let around = try peer.announced("honest.news")
    let log = try peer.log("honest", generation: 1)
    let answer = try peer.restore(log, stream: around.stream)
    report.result(answer?.errorCode?.name ?? "taken", is: "INVALID")
    report.work(1, atMost: 1, "frames")
  }

  private static let inboxOfAnother = AttackRow("names of others: the inbox of another agent") {
    stand, report in
    let peer = try stand.attacker("kit.names")
    for number in peer.incarnation - 20..<peer.incarnation {
      let answer = try peer.subscribe("bcs.inbox.\(number).>", mode: 1, number: number & 0xFFFF)
      report.result(answer?.errorCode?.name ?? "subscribed", is: "DENIED", "inbox \(number)")
    }
    report.work(peer.framesReceived, atMost: 40, "frames")
  }

  private static let nameOfAnother = AttackRow("names of others: UUIDs that belong to a name") {
    stand, report in
    let cases: [(BusUUID, String)] = [
      (BusUUID(agentName: "auditor"), "INVALID"), (.zero, "INVALID"),
      (BusUUID(high: 0, low: .max), "INVALID"),
      (BusUUID(agentName: "honest.sender"), "INVALID"),
    ]
    for (uuid, expected) in cases {
      let peer = try stand.attacker()
      try peer.hello()
      let segment = try RawReaderSegment(owner: uuid, incarnation: peer.incarnation)
      let answer = try peer.register("guest.1", uuid, segment)
      report.result(answer?.errorCode?.name ?? "registered", is: expected, "\(uuid)")
      peer.leave()
    }
    let auditor = try stand.victim("auditor")
    report.result(auditor.name, is: "auditor")
    report.work(cases.count, atMost: 4, "frames")
  }

  // MARK: Limits of one agent

  private static func many(
    _ stand: Stand, _ report: Report, most: Int, _ make: (Int) -> RawFrame
  ) throws {
    let peer = try stand.attacker("kit.limits")
    var taken = 0
    var code = "none"
    for number in 0...most {
      guard let answer = try peer.ask(make(number)) else { break }
      if let error = answer.errorCode {
        code = error.name
        break
      }
      taken += 1
    }
    report.result(code, is: "RESOURCE_EXHAUSTED", "the answer to one too many")
    report.work(taken, atMost: most, "that were taken")
  }

  private static func named(_ kind: UInt16, _ number: Int, _ rest: [UInt64]) -> RawFrame {
    var frame = RawFrame(kind: kind)
    frame.text(Array("kit.n\(number)".utf8))
    for value in rest { frame.number(value, 1) }
    return frame
  }

  static let limits: [AttackRow] = [
    AttackRow("limits: names that one agent answers") { stand, report in
      try many(stand, report, most: 256) { named(22, $0, [1, 1]) }
    },
    AttackRow("limits: names that one agent asks for") { stand, report in
      try many(stand, report, most: 1024) { named(23, $0, [1]) }
    },
    AttackRow("limits: subscriptions of one agent") { stand, report in
      try many(stand, report, most: 256) { number in
        var frame = RawFrame(kind: 6)
        frame.number(UInt64(number + 1), 4)
        frame.text(Array("kit.s\(number).>".utf8))
        frame.number(2, 1)
        frame.number(0, 3)
        return frame
      }
    },
  ]

  // MARK: What is shared

  /// One publisher with as many logs as it gets, and a late honest one that must be read all the
  /// same.
  private static let streams = AttackRow("shares: one agent's logs on one channel, without end") {
    stand, report in
    let (listener, sender) = (try stand.victim("kit.victim"), try stand.victim("kit.late"))
    var reader = try listener.reader("alerts.>", mode: .lossy, wait: .sleep)
    let peer = try stand.attacker("kit.streams")
    var taken = 0
    var code = "none"
    for _ in 0..<1000 {
      let answer = try peer.restore(try peer.log("alerts"))
      if let error = answer?.errorCode {
        code = error.name
        break
      }
      taken += 1
    }
    report.result(code, is: "RESOURCE_EXHAUSTED", "the answer to one log too many")
    report.work(taken, atMost: 64, "logs on one channel")
    var publisher = try sender.publisher(on: "alerts")
    var came = 0
    for number in 0..<200 where came == 0 {
      try publisher.publish("alerts.late", numbered(UInt64(number)))
      came += try reader.poll { _ in }
      if came == 0 { _ = try reader.wait(timeout: .milliseconds(20)) }
    }
    report.holds(came > 0, "nothing of the late publisher reached the reader")
  }

  /// An agent that asks and asks, and reads nothing.
  private static let unread = AttackRow("shares: queries whose answers nobody reads") {
    stand, report in
    let peer = try stand.attacker("kit.unread")
    var frame = RawFrame(kind: 14)
    frame.number(2, 1)
    var sent = 0
    while sent < 20_000, try peer.trySend(frame.bytes) { sent += 1 }
    report.holds(sent < 20_000, "the router takes query after query of an agent that does not read")
    report.work(sent, atMost: 4000, "queries that were taken")
  }

  /// An agent that makes logs until it is refused.
  private static let arena = AttackRow("shares: an agent fills all the memory that it gets") {
    stand, report in
    let peer = try stand.attacker("kit.arena")
    var taken = 0
    var code = "none"
    for number in 0..<64 {
      let log = try peer.log("kita\(number)", capacity: 16 << 20)
      let answer = try peer.restore(log)
      if let error = answer?.errorCode {
        code = error.name
        break
      }
      taken += 1
    }
    report.result(code, is: "RESOURCE_EXHAUSTED", "the answer to one log too many")
    report.work(taken, atMost: 16, "logs of 16 MiB")
    let newcomer = try stand.victim("kit.newcomer")
    var publisher = try newcomer.publisher(on: "news")
    try publisher.publish("news.x", numbered(1))
    report.holds(newcomer.isConnected, "a newcomer is not served")
  }

  /// Connections that say nothing.
  private static let silent = AttackRow("shares: a hundred connections that say nothing") {
    stand, report in
    for _ in 0..<100 { _ = try stand.attacker() }
    let newcomer = try stand.victim("kit.newcomer")
    report.holds(newcomer.isConnected, "a newcomer is not served")
    report.work(100, atMost: 100, "connections")
  }
}
