import BinaryComm
import BusTestSupport
import BusWire
import Foundation
import Glibc

// Attacks on an agent of the real library by whoever listens where it looks for its router.

enum FakeRouterRows {
  static var all: [AttackRow] {
    answers.map(\.row) + FrameShape.fromRouter.flatMap(news)
      + [lateAnswer, lateWishes, endedWatch, unreadable]
  }

  // MARK: A watch that nobody holds any more

  private static let endedWatch = AttackRow(
    "false router: goes on telling of counters after the watch has ended"
  ) { stand, report in
    let (fake, agent, peer) = try join(stand)
    defer { withExtendedLifetime(fake) {} }
    let begun = Latch()
    Thread.detachNewThread {
      _ = try? agent.watchCounters()
      begun.raise()
    }
    let asked = try peer.wait(for: 31)
    try peer.send(RawFrame(kind: RawReply.Kind.done, request: asked.request).bytes)
    // Without this a router goes on, to an agent that has no use for it.
    report.result("\(try peer.wait(for: 35).kind)", is: "35", "the end of the watch is told")
    while !begun.isRaised { usleep(1000) }
    report.work(peer.framesReceived, atMost: 8, "frames of the agent")
    agent.close()
    peer.leave()
  }

  // MARK: A log that cannot be read

  private static let unreadable = AttackRow(
    "false router: announces memory that is no log to a reader"
  ) { stand, report in
    let (fake, agent, peer) = try join(stand)
    let (judged, ended) = (Latch(), Latch())
    Thread.detachNewThread {
      let reader = try? agent.reader("alerts.>")
      judged.wait()
      _ = consume reader
      ended.raise()
    }
    let asked = try peer.wait(for: 6)
    var subscribed = RawFrame(kind: RawReply.Kind.subscribed, request: asked.request)
    subscribed.number(asked.number(0, 4), 4)
    subscribed.number(1, 4)
    try peer.send(subscribed.bytes)
    for attachment in [5, 6] as [UInt64] {
      var announce = RawFrame(kind: RawReply.Kind.announce, request: 0)
      announce.number(asked.number(0, 4), 4)
      announce.number(attachment, 8)
      for field in FrameShape.announce.fields.dropFirst(2) { announce.put(field) }
      try peer.send(announce.bytes, [fake.page])
      // Or the publisher would go on asking for a reader that never comes.
      let detached = try peer.wait(for: 9)
      report.result("\(detached.number(0, 8))", is: "\(attachment)", "what is given up")
    }
    judged.raise()
    ended.wait()
    report.work(peer.framesReceived, atMost: 8, "frames of the agent")
    agent.close()
    peer.leave()
  }

  // MARK: Answers to hello and register

  struct Answer: Sendable {
    let name: String
    let steps: [FakeRouter.Step]
    let expected: [String]

    init(_ name: String, _ steps: [FakeRouter.Step], _ expected: String...) {
      self.name = name
      self.steps = steps
      self.expected = expected
    }

    var row: AttackRow {
      AttackRow("false router: \(name)") { stand, report in
        let fake = try FakeRouter(stand)
        let isSound = expected == ["registered"]
        let (text, agent, peer) = try fake.join(
          steps, timeout: isSound ? .seconds(10) : .milliseconds(400))
        report.result(text, isOneOf: expected)
        report.work(peer?.framesReceived ?? 0, atMost: 4, "frames of the agent")
        agent?.close()
        peer?.leave()
      }
    }
  }

  private typealias Step = FakeRouter.Step

  private static func hello(_ bytes: @escaping @Sendable ([UInt8]) -> [UInt8]?) -> Step {
    Step { fake, request in
      bytes(fake.welcome(request: request).bytes)
    } _: {
      [$0.page]
    }
  }
  private static func hello(descriptors: @escaping @Sendable (FakeRouter) -> [Int32]) -> Step {
    Step({ fake, request in fake.welcome(request: request).bytes }, descriptors)
  }
  private static func register(_ bytes: @escaping @Sendable ([UInt8]) -> [UInt8]?) -> Step {
    Step { _, request in
      bytes(FakeRouter.registered(request: request, name: "kit.victim").bytes)
    }
  }
  private static func sizes(_ first: UInt64, _ most: UInt64, _ stall: UInt64) -> [Step] {
    [
      Step { fake, request in
        fake.welcome(request: request, first: first, most: most, arena: most, stall: stall).bytes
      } _: {
        [$0.page]
      },
      .register,
    ]
  }
  private static func error(_ code: UInt16, _ text: [UInt8]) -> Step {
    Step { _, request in
      var frame = RawFrame(kind: 116, request: request)
      frame.number(UInt64(code), 2)
      frame.text(text)
      return frame.bytes
    }
  }

  static let answers: [Answer] = [
    Answer("a sound one", [.hello, .register], "registered"),
    Answer("ends the connection after hello", [hello { _ in nil }], "NO_ROUTER", "TIMEOUT"),
    Answer("never answers hello", [hello { _ in [] }], "NO_ROUTER", "TIMEOUT"),
    Answer(
      "answers hello with zeros", [hello { _ in [UInt8](repeating: 0, count: 64) }],
      "NO_ROUTER", "INCOMPATIBLE_VERSION", "INVALID", "TIMEOUT"),
    Answer(
      "answers hello with half a welcome", [hello { Array($0.prefix(40)) }],
      "NO_ROUTER", "INCOMPATIBLE_VERSION", "INVALID", "TIMEOUT"),
    Answer(
      "answers hello with a welcome and a byte", [hello { $0 + [0] }],
      "NO_ROUTER", "INCOMPATIBLE_VERSION", "INVALID", "TIMEOUT"),
    Answer(
      "answers hello with 32 KiB",
      [hello { _ in [UInt8](repeating: 1, count: 32768) }], "NO_ROUTER", "INCOMPATIBLE_VERSION",
      "TIMEOUT"),
    Answer(
      "answers hello with registered",
      [Step { _, request in FakeRouter.registered(request: request, name: "x").bytes }],
      "INCOMPATIBLE_VERSION"),
    Answer(
      "answers hello with an error that is not known", [error(0xFFFF, [97])],
      "SYSTEM"),
    Answer(
      "answers hello with an error that is no text", [error(1, [0xFF])],
      "NO_ROUTER", "INCOMPATIBLE_VERSION", "TIMEOUT"),
    Answer("gives no clock", [hello(descriptors: { _ in [] }), .register], "registered"),
    Answer(
      "gives a directory as the clock",
      [hello(descriptors: { _ in [0] }), .register], "registered"),
    Answer(
      "gives two clocks", [hello(descriptors: { [$0.page, $0.page] }), .register],
      "registered"),
    Answer(
      "gives eight clocks",
      [hello(descriptors: { [Int32](repeating: $0.page, count: 8) })],
      "NO_ROUTER", "INCOMPATIBLE_VERSION", "TIMEOUT", "registered"),
    Answer("says sizes of 0", sizes(0, 0, 0), "registered"),
    Answer("says sizes of max", sizes(.max, .max, 0xFFFF_FFFF), "registered"),
    Answer("says sizes of the sign bit", sizes(1 << 63, 1 << 63, 1 << 31), "registered"),
    Answer("never answers register", [.hello, register { _ in [] }], "NO_ROUTER", "TIMEOUT"),
    Answer(
      "answers register with half a frame", [.hello, register { Array($0.prefix(30)) }],
      "NO_ROUTER", "INCOMPATIBLE_VERSION", "INVALID", "TIMEOUT"),
    Answer(
      "says 65535 channels and names none",
      [
        .hello,
        Step { _, request in
          FakeRouter.registered(request: request, name: "x", channels: 0xFFFF).bytes
        },
      ], "NO_ROUTER", "INCOMPATIBLE_VERSION", "INVALID", "TIMEOUT"),
    Answer(
      "registers another incarnation",
      [
        .hello,
        Step { _, request in
          FakeRouter.registered(request: request, name: "kit.victim", incarnation: .max).bytes
        },
      ], "registered"),
  ]

  // MARK: News

  private static func news(_ shape: FrameShape) -> [AttackRow] {
    let broken = FrameRows.cuts(shape) + FrameRows.badTexts(shape) + FrameRows.badChoices(shape)
    return [
      row("cut, with texts that are none, and choices without meaning", shape, broken, ["lost"]),
      row(
        "with numbers at 0, 1, max and the sign bit, and odd texts", shape,
        FrameRows.oddNumbers(shape) + FrameRows.oddTexts(shape) + [whole(shape)], ["goes on"]),
    ].compactMap(\.self)
  }

  private static func whole(_ shape: FrameShape) -> FrameCase {
    FrameCase(bytes: RawFrame(shape).bytes, descriptors: shape.descriptors)
  }

  private static func row(
    _ what: String, _ shape: FrameShape, _ cases: [FrameCase], _ expected: [String]
  ) -> AttackRow? {
    guard !cases.isEmpty else { return nil }
    return AttackRow("news \(shape.name): \(what)") { stand, report in
      var joined: (fake: FakeRouter, agent: Agent, peer: HostilePeer)?
      for (number, one) in cases.enumerated() {
        let (fake, agent, peer) = try joined ?? Self.join(stand)
        joined = (fake, agent, peer)
        let found = try Self.play(one, agent, peer, fake)
        report.result(found, isOneOf: expected, "case \(number) (\(one.bytes.count) bytes)")
        report.work(peer.framesReceived, atMost: 2 * cases.count + 8, "frames of the agent")
        guard found != "goes on" else { continue }
        // On a thread of its own: closing waits for the thread that tries to come back.
        Thread.detachNewThread { agent.close() }
        joined = nil
      }
      joined?.agent.close()
    }
  }

  static func join(
    _ stand: Stand
  ) throws -> (fake: FakeRouter, agent: Agent, peer: HostilePeer) {
    let fake = try FakeRouter(stand)
    let (text, agent, peer) = try fake.join([.hello, .register], timeout: .seconds(10))
    guard let agent, let peer else { throw SetUpFailure("not registered: \(text)") }
    return (fake, agent, peer)
  }

  /// Sends the news; whether the agent still asks and takes an answer.
  private static func play(
    _ one: FrameCase, _ agent: Agent, _ peer: HostilePeer, _ fake: FakeRouter
  ) throws -> String {
    var bytes = one.bytes
    // News carry no number of a request.
    for place in 8..<12 where place < bytes.count { bytes[place] = 0 }
    try peer.send(bytes, [Int32](repeating: fake.page, count: one.descriptors))
    let asking = Latch()
    Thread.detachNewThread {
      _ = try? agent.query(.router)
      asking.raise()
    }
    while true {
      switch try peer.next() {
      case .ended: return "lost"
      case .nothing: return "silent"
      case .frame(let asked):
        guard asked.kind == 14 else { continue }
        try peer.send(RawFrame(kind: RawReply.Kind.queryEnd, request: asked.request).bytes)
        // It may have asked before it came to the news: only its end of the call says more.
        while !asking.isRaised {
          if case .ended = try peer.next(waiting: 2) { return "lost" }
        }
        return "goes on"
      }
    }
  }
}

extension FrameShape {
  private static let someUUID = BusUUID.random().bytes

  fileprivate static let announce = FrameShape(
    105, "announce", descriptors: 1,
    [
      .number("subscription", 1, 4), .number("attachment", 5, 8), .number("stream", 5, 8),
      .number("publisherIncarnation", 5, 8), .bytes("publisher", someUUID),
      .text("publisherName", "feed"), .text("channel", "alerts"), .number("generation", 0, 4),
      .number("capacity", 16384, 8), .number("segmentBytes", 24576, 8), .number("flags", 0, 1),
      .number("mayCall", 0, 2, below: 1),
    ])

  /// Every kind that a router may send without being asked.
  static let fromRouter: [FrameShape] = [
    FrameShape(
      103, "logAdded",
      [
        .number("stream", 5, 8), .number("generation", 0, 4), .number("expected", 0, 2, below: 1),
        .bytes("proof", [UInt8](repeating: 7, count: 32)),
      ]),
    announce,
    FrameShape(
      106, "join", descriptors: 1,
      [
        .number("attachment", 5, 8), .number("stream", 5, 8), .number("readerIncarnation", 5, 8),
        .number("flags", 1, 1), .number("slot", 0, 2), .number("epoch", 0, 2),
      ]),
    FrameShape(
      107, "joined",
      [
        .number("attachment", 5, 8), .number("generation", 0, 4), .number("startPosition", 0, 8),
        .number("startSequence", 0, 8), .number("departed", 0, 8),
      ]),
    FrameShape(108, "leave", [.number("attachment", 5, 8)]),
    FrameShape(109, "agentGone", [.number("incarnation", 5, 8)]),
    FrameShape(
      110, "streamEnded",
      [
        .number("stream", 5, 8), .number("finalPosition", 0, 8),
        FrameField(name: "reason", value: .number(1, width: 1), meanings: 4),
      ]),
    FrameShape(111, "evicted", [.number("attachment", 5, 8), .text("reason", "slow")]),
    FrameShape(112, "snapshotBegin", [.number("generation", 1, 8)]),
    FrameShape(113, "snapshotEnd", [.number("generation", 1, 8)]),
    FrameShape(116, "error", [.number("code", 1, 2), .text("text", "no")]),
    FrameShape(117, "done"),
    FrameShape(
      118, "responders",
      [
        .text("name", "math.add"),
        FrameField(name: "group", value: .number(1, width: 1), meanings: 3), .flag("isProvisional"),
        .number("before", 0, 2), .number("total", 0, 2), .number("responders", 0, 2, below: 1),
      ]),
    FrameShape(
      119, "missed",
      [
        .number("subscription", 1, 4), .number("stream", 7, 8), .text("publisherName", "feed"),
        .text("channel", "alerts"), .number("code", 5, 2), .text("text", "no"),
      ]),
    FrameShape(
      130, "counters", descriptors: 1,
      [
        .number("incarnation", 5, 8), .bytes("agent", someUUID), .text("name", "feed"),
        .text("category", ""), .number("pid", 5, 4), .number("uid", 5, 4), .number("part", 0, 2),
        .number("segmentBytes", 24576, 8),
      ]),
    FrameShape(131, "countersGone", [.number("incarnation", 5, 8)]),
    FrameShape(
      132, "blob", descriptors: 1,
      [
        .bytes("token", someUUID), .number("segmentBytes", 8192, 8), .number("payloadBytes", 64, 8),
      ]),
  ]
}
