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
  private let mix: StepMix
  var agents: [SimulatedAgent] = []
  let defect: SeededDefect?
  var violations: [String] = []
  var restarts = 0
  /// Agents that a router ended, or was about to end when it died, or that left it themselves.
  ///
  /// The next one takes back one that did not hear it, whose readers and publishers have let go of
  /// it.
  private var refused: Set<String> = []
  /// Prints what goes from whom to whom, when a failed history is lived again.
  let isTraced: Bool
  var nowNs: UInt64 = 1
  private(set) var bootNs: UInt64 = 10_000_000_000
  private var lastName = 0

  init(seed: UInt64, defect: SeededDefect? = nil, isTraced: Bool = false) throws {
    self.isTraced = isTraced
    random = SplitMix64(seed: seed)
    mix = StepMix(&random)
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
    switch mix.draw(number(mix.total)) {
    case .kill: kill(place)
    case .restart: restart()
    case .tick: tick(UInt64(number(number(4) == 0 ? 1_500_000_000 : 200_000_000)))
    case .dropNews: dropNews(place)
    case .act: act(place)
    case .calm: calmDown(most: number(100))
    // Some at a time, so that a history gets somewhere; cut at any frame by what comes next.
    case .take: for _ in 0...number(4) where agents.indices.contains(place) { takeFrame(place) }
    case .send: for _ in 0...number(4) where agents.indices.contains(place) { sendFrame(place) }
    }
    mayTakeTurn()
    check()
  }

  /// Lets what is under way arrive, and what is said to that, so many frames of it.
  mutating func calmDown(most: Int) {
    for _ in 0..<most {
      guard let place = agents.indices.first(where: { agents[$0].isBusy(nowNs: nowNs) }) else {
        return
      }
      if agents[place].incoming.isEmpty { sendFrame(place) } else { takeFrame(place) }
    }
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

  mutating func disconnect(_ agent: SimulatedAgent) {
    if let connection = agent.connection { world.happen(.disconnected(connection)) }
  }

  mutating func tick(_ ns: UInt64) {
    nowNs += ns
    world.happen(.tick(nowNs: nowNs))
    for place in agents.indices {
      let actions = agents[place].session.tick(nowNs: nowNs, pauseNs: pauseNs())
      agents[place].perform(actions)
      agents[place].dropDrainedLogs()
      // An attempt that took too long: the socket goes, and with it, for this router, the agent.
      if !agents[place].session.isConnected, agents[place].connection != nil {
        refused.insert(agents[place].name)
        hangUp(place)
      }
    }
    spread()
  }

  private mutating func pauseNs() -> UInt64 { UInt64(10 + number(241)) * 1_000_000 }

  mutating func hangUp(_ place: Int) {
    disconnect(agents[place])
    agents[place].connection = nil
    agents[place].incoming = []
  }

  /// A socket gives all that was sent before it says that the other end is closed: an agent hears
  /// why it is dropped before others hear that it has ended.
  private mutating func readOut(_ place: Int) {
    while agents[place].session.isConnected, !agents[place].incoming.isEmpty {
      agents[place].take(nowNs: nowNs, pauseNs: pauseNs())
    }
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
    noteUnfinished()
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

  /// Who is not back when the grace ends, or has not handed in all, is gone for this router: if it
  /// dies before it says so, the next one takes the agent back, whose publishers have let go of it.
  private mutating func noteUnfinished() {
    guard !world.router.inGrace else { return }
    for agent in agents where !agent.session.isUp { refused.insert(agent.name) }
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
    agents[place].act(choice, channel: channel, pick: number(1 << 20), nowNs: nowNs)
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
    if agents[place].kind == "spy", isUrgent(agents[place]) {
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
      readOut(place)
      hangUp(place)
      lose(place)
    }
    weedOut()
  }

  /// Notes what agents were told against the rules, and ends those that a router did not take back.
  private mutating func weedOut() {
    for place in agents.indices.reversed() {
      let agent = agents[place]
      for complaint in agent.complaints
      where refused.isDisjoint(with: [agent.name, complaint.publisher ?? agent.name]) {
        violations.append("\(agent.name) was told: \(complaint.text)")
      }
      agents[place].complaints = []
      if agents[place].isOver {
        disconnect(agents[place])
        agents.remove(at: place)
      }
    }
  }

  // MARK: Checks

  private mutating func judge(_ frame: RouterFrame, _ agent: SimulatedAgent) {
    if case .error(let error) = frame, error.code == BusErrorCode.fenced.rawValue {
      refused.insert(agent.name)
    }
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
