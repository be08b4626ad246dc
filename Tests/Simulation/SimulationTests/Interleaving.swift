import BinaryComm
import BusAccess
import BusPorts
import BusRouting
import BusTestSupport
import BusWire
import RouterHarness
import Testing

/// A fault in how a router hears its agents, put in to see whether the checks find it.
enum SeededDefect: CaseIterable {
  /// A reader's word that it has left is lost.
  case losesDetach
  /// A publisher's word that it let a reader in is lost.
  case losesJoined
  /// The end of a process goes unnoticed.
  case losesDeath
  /// What a returning publisher says of its readers is lost.
  case losesRestore
  /// A router believes whatever it is shown as a ticket or a proof.
  case believesProofs
  /// An agent does not tell the next router of its newest subscription.
  case forgetsSubscription
}

/// A bus of honest agents and one hostile one, whose frames a scheduler mixes by a seed.
struct Interleaving {
  static let channels = ["open", "secret"]
  /// Who may read what, written down apart from the policy's code.
  static let mayRead: [String: Set<String>] = [
    "sub": ["open"], "hub": ["open", "secret"], "pub": [], "spy": [],
  ]

  var world: RouterHarness
  var random: SplitMix64
  var agents: [SimulatedAgent] = []
  let defect: SeededDefect?
  var violations: [String] = []
  var restarts = 0
  /// Prints what goes from whom to whom, when a failed history is lived again.
  let isTraced: Bool
  private var nowNs: UInt64 = 1
  private(set) var bootNs: UInt64 = 10_000_000_000
  private var lastName = 0

  init(seed: UInt64, defect: SeededDefect? = nil, isTraced: Bool = false) throws {
    self.isTraced = isTraced
    random = SplitMix64(seed: seed)
    self.defect = defect
    world = RouterHarness(policy: try Self.policy(), limits: Self.limits, bootNs: bootNs)
    world.happen(.tick(nowNs: nowNs))
  }

  private static var limits: RouterLimits {
    var limits = RouterLimits()
    limits.arenaBytes = 16 << 20
    limits.agentBytes = 4 << 20
    limits.attachmentsPerAgent = 24
    limits.interestsPerAgent = 6
    return limits
  }

  private static func policy() throws -> Policy {
    var policy = Policy()
    for (name, read, write) in [
      ("sub.*", ["open"], []), ("hub.*", ["open", "secret"], ["open", "secret"]),
      ("pub.*", [], ["open", "secret"]), ("spy.*", [], ["open"]),
    ] as [(String, [String], [String])] {
      var rule = AgentRule(name: try TopicPattern(name), users: [1000])
      rule.read = try read.map { try Grant($0) }
      rule.holdBack = rule.read
      rule.write = try write.map { try Grant($0) }
      rule.call = [try TopicPattern("hub.>")]
      try policy.add(rule)
    }
    return policy
  }

  mutating func number(_ bound: Int) -> Int { Int(random.next() % UInt64(bound)) }

  /// At once: a history may end the process.
  private func note(_ line: @autoclosure () -> String) {
    if isTraced { say(line()) }
  }

  // MARK: Steps

  /// Lets anything happen once.
  mutating func step() {
    if agents.count < 3 || (agents.count < 7 && number(25) == 0) { return arrive() }
    let place = number(agents.count)
    switch number(45) {
    case 0: kill(place)
    case 1: restart()
    case 2...3: tick(UInt64(number(number(4) == 0 ? 1_500_000_000 : 200_000_000)))
    case 4: dropNews(place)
    case 5...10: act(place)
    // Some at a time, so that a history gets somewhere; cut at any frame by what comes next.
    case 11...24: for _ in 0...number(4) where agents.indices.contains(place) { takeFrame(place) }
    default: for _ in 0...number(4) where agents.indices.contains(place) { sendFrame(place) }
    }
    mayTakeTurn()
    check()
  }

  private mutating func arrive() {
    let kind = ["sub", "hub", "pub", "hub", "spy"][number(5)]
    lastName += 1
    var agent = SimulatedAgent(
      kind: kind, name: "\(kind).\(lastName)", pid: Int32(100 + lastName))
    agent.isForgetful = defect == .forgetsSubscription
    agents.append(agent)
  }

  private mutating func kill(_ place: Int) {
    let agent = agents.remove(at: place)
    note("\(agent.name) is killed")
    // The one defect of the shell: the router never hears of it.
    if defect != .losesDeath { disconnect(agent) }
    spread()
  }

  private mutating func disconnect(_ agent: SimulatedAgent) {
    if let connection = agent.connection { world.happen(.disconnected(connection)) }
  }

  mutating func tick(_ ns: UInt64) {
    nowNs += ns
    world.happen(.tick(nowNs: nowNs))
    for place in agents.indices {
      let actions = agents[place].session.tick(nowNs: nowNs, pauseNs: pauseNs())
      agents[place].perform(actions)
      // An attempt that took too long: the socket goes.
      if !agents[place].session.isConnected, agents[place].connection != nil { hangUp(place) }
    }
    spread()
  }

  private mutating func pauseNs() -> UInt64 { UInt64(10 + number(241)) * 1_000_000 }

  private mutating func hangUp(_ place: Int) {
    disconnect(agents[place])
    agents[place].connection = nil
    agents[place].incoming = []
  }

  /// News were dropped because the agent did not read: a snapshot follows.
  private mutating func dropNews(_ place: Int) {
    guard let connection = agents[place].connection else { return }
    note("news for \(agents[place].name) are dropped")
    agents[place].incoming.removeAll { !$0.isAnswer }
    world.happen(.drained(connection))
    spread()
  }

  /// The router ends, in order or not, and the next one finds its key.
  private mutating func restart() {
    guard let policy = try? Self.policy() else { return }
    restarts += 1
    let former: FormerRouter = number(2) == 0 ? .killed : .stopped
    note("the router is \(former)")
    bootNs += 1_000_000_000
    world = RouterHarness(
      policy: policy, limits: Self.limits, bootNs: bootNs, former: former,
      sealer: defect == .believesProofs ? GullibleSealer() : RouterHarness.sealer)
    if number(2) == 0 { settleInTurns() }
    world.happen(.tick(nowNs: nowNs))
    for place in agents.indices { lose(place) }
  }

  private mutating func lose(_ place: Int) {
    agents[place].connection = nil
    agents[place].incoming = []
    let actions = agents[place].session.lose(nowNs: nowNs, pauseNs: pauseNs())
    agents[place].perform(actions)
  }

  private mutating func act(_ place: Int) {
    let choice = number(9)
    let channel = Self.channels[number(2)]
    agents[place].act(choice, channel: channel, pick: number(1 << 20))
  }

  /// One frame of the router reaches an agent.
  mutating func takeFrame(_ place: Int) {
    guard !agents[place].incoming.isEmpty else { return }
    agents[place].take(nowNs: nowNs, pauseNs: pauseNs())
    if !agents[place].session.isConnected, agents[place].connection != nil { hangUp(place) }
    weedOut()
  }

  /// One frame of an agent reaches the router; a hostile one sends what it likes.
  mutating func sendFrame(_ place: Int) {
    if agents[place].session.phase == .down { return connect(place) }
    guard let connection = agents[place].connection else { return }
    if agents[place].kind == "spy", agents[place].session.nextOutbound == nil {
      let (frame, segments) = hostileFrame(of: agents[place])
      note("\(agents[place].name) claims \(frame)")
      world.happen(.frame(connection, request: 999, frame, segments))
      return spread()
    }
    guard let next = agents[place].session.nextOutbound else { return }
    agents[place].session.sent()
    deliver(next, of: agents[place], on: connection)
    spread()
  }

  private mutating func connect(_ place: Int) {
    guard nowNs >= agents[place].session.dueNs else { return }
    agents[place].session.beginAttempt(nowNs: nowNs)
    agents[place].connection = world.open(pid: agents[place].pid)
    agents[place].session.connected()
  }

  private mutating func deliver(
    _ next: SimulatedAgent.Session.Outbound, of agent: SimulatedAgent, on connection: ConnectionID
  ) {
    guard let (request, frame) = try? AgentFrame.decode(next.bytes) else {
      violations.append("\(agent.name) sent what is no frame")
      return
    }
    note("\(agent.name) says \(frame)")
    switch frame {
    case .detach where defect == .losesDetach, .joined where defect == .losesJoined,
      .restoreReader where defect == .losesRestore:
      return
    default: break
    }
    let segments = next.descriptor.map { memory in
      switch memory {
      case .reader: world.reader(agent.name, agent.incarnation)
      case .log(let channel, let generation):
        world.log(
          agent.name, agent.incarnation, channel, generation, base: UInt64(generation) * 64)
      }
    }
    world.happen(.frame(connection, request: request, frame, segments.map { [$0] } ?? []))
  }

  /// Puts what the router sent before the agents it is for.
  mutating func spread() {
    for place in agents.indices {
      guard let connection = agents[place].connection else { continue }
      for one in world.sent[connection] ?? [] {
        note("\(agents[place].name) is sent \(one.frame)")
        agents[place].hear(one)
        judge(one.frame, agents[place])
      }
    }
    world.forgetSent()
    for connection in world.dropped {
      guard let place = agents.firstIndex(where: { $0.connection == connection }) else { continue }
      // One that was not done when the grace ended may not go on with half of what it had.
      if agents[place].kind != "spy", agents[place].session.isUp {
        violations.append("\(agents[place].name) was dropped")
      }
      hangUp(place)
      lose(place)
    }
    weedOut()
  }

  /// Notes what agents were told against the rules, and ends those that a router did not take back.
  private mutating func weedOut() {
    for place in agents.indices.reversed() {
      for complaint in agents[place].complaints {
        violations.append("\(agents[place].name) was told: \(complaint)")
      }
      agents[place].complaints = []
      if agents[place].isOver {
        disconnect(agents[place])
        agents.remove(at: place)
      }
    }
  }

  // MARK: The end

  /// Lets everything that is under way arrive, and time pass until nothing more is to come.
  mutating func settle() {
    takeAllTurns()
    for _ in 0..<40 {
      for _ in 0..<400 {
        guard let place = agents.indices.first(where: { agents[$0].isBusy(nowNs: nowNs) }) else {
          break
        }
        if agents[place].incoming.isEmpty { sendFrame(place) } else { takeFrame(place) }
      }
      tick(200_000_000)
    }
  }

  /// What must hold once everything has arrived: who may read a stream reads it, once, and the
  /// router, the readers and the publishers know the same.
  mutating func checkAgreement() {
    let honest = agents.filter { $0.kind != "spy" }
    for reader in honest {
      for (number, wish) in reader.subscriptions where wish.state.isConfirmed {
        for publisher in honest {
          for (id, stream) in publisher.streams {
            compare(reader, number, wish.frame, publisher, id, stream)
          }
        }
      }
    }
    for publisher in honest {
      for (id, stream) in publisher.streams where !stream.expected.isEmpty {
        violations.append("\(publisher.name) still expects somebody on \(id.value)")
      }
    }
    let asker = world.connect()
    let known = Set(world.rows(asker, .attachments).compactMap { $0["attachment"] })
    world.happen(.disconnected(asker))
    world.forgetSent()
    var claimed: Set<String> = []
    for reader in honest {
      for (id, reading) in reader.subscriptions.values.flatMap(\.state.readings) {
        claimed.insert("\(id.value)")
        guard !known.contains("\(id.value)") else { continue }
        violations.append(
          "\(reader.name) reads \(reading.source.stream.value) of "
            + "\(reading.source.publisherName) by \(id.value), joined: "
            + "\(reading.start != nil), which the router does not know")
      }
    }
    for id in known.subtracting(claimed).sorted() {
      violations.append("the router knows of the reading \(id), and no reader does")
    }
    // The hostile one may have been refused without minding.
    if !(honest.count...agents.count).contains(world.router.agentCount) {
      violations.append("the router has \(world.router.agentCount) agents of \(agents.count)")
    }
  }

  private mutating func compare(
    _ reader: SimulatedAgent, _ number: UInt32, _ wish: SubscribeFrame,
    _ publisher: SimulatedAgent, _ id: StreamID, _ stream: SimulatedAgent.Stream
  ) {
    guard Self.mayRead[reader.kind]?.contains(stream.channel) == true,
      wish.pattern == ">" || wish.pattern == stream.channel
    else { return }
    let mine = reader.readings(of: number).filter { $0.value.source.stream == id }
    let excuse = SimulatedAgent.Excuse(
      subscription: number, publisher: publisher.name, channel: stream.channel)
    guard mine.count == 1 || (mine.isEmpty && reader.excuses.contains(excuse)) else {
      let what = "\(id.value) of \(publisher.name)"
      violations.append("\(reader.name) reads \(what) \(mine.count) times")
      return
    }
    for (attachment, reading) in mine {
      if reading.start == nil {
        violations.append("\(reader.name) waits for \(publisher.name) for ever")
      }
      if stream.readers.present(in: stream.window)[attachment] != reader.incarnation {
        violations.append("\(publisher.name) does not know of \(reader.name)")
      }
    }
  }

  /// Everybody leaves: nothing may stay.
  mutating func leaveAll() {
    for agent in agents { disconnect(agent) }
    agents = []
    nowNs += 3_600_000_000_000
    world.happen(.tick(nowNs: nowNs))
    world.happen(.tick(nowNs: nowNs + 3_600_000_000_000))
    let router = world.router
    if !world.open.isEmpty || router.arenaBytesUsed != 0 {
      violations.append("\(world.open.count) descriptors and \(router.arenaBytesUsed) bytes stay")
    }
    let rest = [router.agentCount, router.streamCount, router.attachmentCount, router.blobCount]
    if rest != [0, 0, 0, 0] {
      violations.append("\(rest) agents, streams, attachments and blobs stay")
    }
  }

  // MARK: Checks

  private mutating func judge(_ frame: RouterFrame, _ agent: SimulatedAgent) {
    guard case .announce(let announce) = frame else { return }
    if Self.mayRead[agent.kind]?.contains(announce.channel) != true {
      violations.append("\(agent.name) got a log of \(announce.channel)")
    }
  }

  private mutating func check() {
    let router = world.router
    let open = world.open.values.reduce(0, +)
    if router.arenaBytesUsed != open {
      violations.append("\(router.arenaBytesUsed) bytes are charged, \(open) are open")
    }
    if router.arenaBytesUsed > router.limits.arenaBytes {
      violations.append("the arena is exceeded")
    }
    let most = agents.count * router.limits.attachmentsPerAgent
    if defect == nil, router.attachmentCount > most {
      violations.append("\(router.attachmentCount) attachments of \(agents.count) agents")
    }
  }
}
