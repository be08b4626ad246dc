import BusAccess
import BusPorts
import BusRouting
import BusTestSupport
import BusWire
import RouterHarness
import Testing

@Suite("Any order of events")
struct RandomRoutingTests {
  private static let channels = ["open", "secret", "own.deep", "bcs.broadcast"]
  private static let names = ["feed", "reader", "spy"]
  /// Who may read what, written down apart from the policy's code.
  private static let mayRead: [String: Set<String>] = [
    "feed": ["bcs.broadcast"], "reader": ["open", "own.deep", "bcs.broadcast"],
    "spy": ["bcs.broadcast"],
  ]

  private static func policy() throws -> Policy {
    var policy = Policy()
    var feed = AgentRule(name: try TopicPattern("feed"), users: [1000])
    feed.write = [try Grant("open"), try Grant("secret"), try Grant("own.deep")]
    try policy.add(feed)
    var reader = AgentRule(name: try TopicPattern("reader"), users: [1000])
    reader.read = [try Grant("open"), try Grant("own.deep")]
    reader.holdBack = [try Grant("open")]
    reader.write = [try Grant("open")]
    try policy.add(reader)
    try policy.add(AgentRule(name: try TopicPattern("spy"), users: [1000]))
    return policy
  }

  /// One random history with its agents.
  private struct History {
    var world: RouterHarness
    var random: SplitMix64
    var agents: [(connection: ConnectionID, name: String)] = []

    mutating func number(_ bound: UInt64) -> UInt64 { random.next() % bound }

    mutating func pick<Item>(_ items: [Item]) -> Item? {
      items.isEmpty ? nil : items[Int(number(UInt64(items.count)))]
    }

    /// A recent one mostly, sometimes any number.
    mutating func attachment() -> AttachmentID {
      let known = number(10) == 0 ? nil : pick(Array(world.attachments.suffix(30)))
      return known ?? AttachmentID(1_000_000 + number(80))
    }

    mutating func stream() -> StreamID {
      let known = number(10) == 0 ? nil : pick(Array(world.streams.suffix(12)))
      return known ?? StreamID(1_000_000 + number(80))
    }
  }

  @Test("no log to who may not read it, no descriptor lost, the budget is the sum")
  func invariants() throws {
    let seed = Seed.announced(for: "random routing")
    var heard = 0
    for round in 0..<40 {
      heard += try Self.live(
        SplitMix64(seed: seed.value &+ UInt64(round)), takesOver: round % 4 == 0)
    }
    #expect(heard > 400)
  }

  /// One life of a router with random agents; returns how many logs were handed out.
  private static func live(_ random: SplitMix64, takesOver: Bool) throws -> Int {
    var limits = RouterLimits()
    limits.agentBytes = 600_000
    limits.arenaBytes = 1_500_000
    limits.logsPerStream = 3
    var history = History(
      world: RouterHarness(
        policy: try policy(), limits: limits, former: takesOver ? .killed : .unknown),
      random: random)
    history.world.happen(.tick(nowNs: 1))
    for _ in 0..<1200 {
      step(&history)
      let used = history.world.router.arenaBytesUsed
      #expect(used == history.world.open.values.reduce(0, +))
      #expect(used <= limits.arenaBytes)
    }
    for agent in history.agents { history.world.happen(.disconnected(agent.connection)) }
    history.world.happen(.tick(nowNs: .max))
    #expect(history.world.open.isEmpty)
    let router = history.world.router
    #expect(router.agentCount + router.streamCount + router.attachmentCount == 0)
    #expect(router.arenaBytesUsed == 0)
    return checkReaders(history)
  }

  private static func checkReaders(_ history: History) -> Int {
    var heard = 0
    for (connection, name) in history.agents {
      for announce in history.world.announces(to: connection) {
        heard += 1
        #expect(mayRead[name]?.contains(announce.channel) == true, "\(name) got \(announce)")
      }
    }
    return heard
  }

  private static func step(_ history: inout History) {
    guard history.agents.count >= 3, history.number(60) != 0 else {
      arrive(&history)
      return
    }
    let place = Int(history.number(UInt64(history.agents.count)))
    let (connection, name) = history.agents[place]
    switch history.number(12) {
    case 0: publish(&history, connection, name)
    case 1: rotate(&history, connection, name)
    case 2...3:
      history.world.subscribe(
        connection, history.pick(["open", ">", "own.>", "secret", "bcs.broadcast", "*"]) ?? ">",
        number: UInt32(history.number(4)), mode: history.number(2) == 0 ? .lossy : .lossless)
    case 4: history.world.happen(.drained(connection))
    case 5 where history.number(8) == 0:
      history.world.happen(.disconnected(connection))
      history.world.happen(.frame(connection, request: 1, .goodbye, []))
    case 6: history.world.happen(.tick(nowNs: history.number(5_000_000_000)))
    default: talk(&history, connection)
    }
  }

  private static func arrive(_ history: inout History) {
    guard let name = history.pick(names) else { return }
    let connection = history.world.connect()
    history.world.register(connection, name)
    history.agents.append((connection, name))
  }

  private static func publish(_ history: inout History, _ connection: ConnectionID, _ name: String)
  {
    let channel = history.pick(channels) ?? "open"
    let capacity: UInt64 = history.number(4) == 0 ? 262144 : 65536
    let log = history.world.addLog(connection, name, channel, capacity: capacity).token
    history.world.logs.progress[log] = LogProgress(
      commit: history.random.next(), sequence: history.random.next())
  }

  private static func rotate(_ history: inout History, _ connection: ConnectionID, _ name: String) {
    let stream = history.stream()
    let base = history.number(4) * 64
    _ = history.world.addLog(
      connection, name, history.pick(channels) ?? "open", stream: stream,
      generation: UInt32(history.number(3)), base: base)
  }

  private static func talk(_ history: inout History, _ connection: ConnectionID) {
    let attachment = history.attachment()
    let stream = history.stream()
    let small = UInt32(history.number(4))
    let position = history.number(3) * 64
    let frames: [AgentFrame] = [
      .attach(AttachFrame(attachment: attachment, slot: UInt16(small))),
      .detach(DetachFrame(attachment: attachment)),
      .released(ReleasedFrame(attachment: attachment, generation: small)),
      .joined(
        JoinedFrame(
          attachment: attachment, generation: small, startPosition: position,
          startSequence: 0, departed: position)),
      .joinRefused(JoinRefusedFrame(attachment: attachment, reason: "no")),
      .evict(EvictFrame(attachment: attachment, reason: "slow")),
      .retireLog(RetireLogFrame(stream: stream, generation: small)),
      .closeStream(CloseStreamFrame(stream: stream)),
      .unsubscribe(UnsubscribeFrame(subscription: small)),
      .query(QueryFrame(subject: .attachments)), .restoreDone,
    ]
    if let frame = history.pick(frames) { history.world.say(connection, frame) }
  }
}
