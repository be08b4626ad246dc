import BinaryComm
import CBusPlatform

/// What a process of `bcs bench alltoall` is told; it travels as JSON in its arguments.
struct MeshPlan: Codable {
  /// The run directory of the router.
  var meshIn: String
  /// The number of its first agent, from 0.
  var first: Int
  /// How many agents it has.
  var count: Int
  /// How many agents there are altogether.
  var agents: Int

  static func name(_ agent: Int) -> String { "cli.mesh.\(agent)" }

  /// Has its agents ask all others, and answer, until its input ends.
  func run(_ link: WorkerLink) throws {
    let bus = try Bus.connect(to: meshIn)
    var agents: [Agent] = []
    for number in first..<first + count { agents.append(try bus.register(Self.name(number))) }
    var mesh = try Mesh(self, agents)
    link.tell(.subscribed)
    while !link.hasReached(.prepare) { try mesh.rest() }
    if first == 0 { try mesh.askAlone() }
    link.tell(.prepared)
    while !link.hasReached(.go) { try mesh.rest() }
    try mesh.askAll()
    link.announce(mesh.result)
    while !link.hasReached(.end) { try mesh.rest() }
    withExtendedLifetime(agents) {}
  }
}

/// The agents of one process, each with a messenger, polled in turn.
struct Mesh: ~Copyable {
  /// Requests that one agent has on their way at a time.
  private static let inFlight = 8
  private let plan: MeshPlan
  private let loops: MessengerRow
  /// What was done and seen.
  private(set) var result = WorkerResult()
  private var tally = LatencyTally()

  init(_ plan: MeshPlan, _ agents: [Agent]) throws {
    self.plan = plan
    loops = try MessengerRow(agents)
  }

  /// Answers what came; pauses when nothing did.
  mutating func rest() throws {
    var taken = 0
    for at in 0..<loops.count { taken += try loops.turn(at) }
    if taken == 0 { ProcessCost.sleep(seconds: 50e-6) }
  }

  /// The first agent asks all others, one after the other, and times each first request.
  mutating func askAlone() throws {
    for other in 1..<plan.agents {
      let began = plat_ticks()
      try loops.ask(0, MeshPlan.name(other))
      while loops.open(0) > 0 { try rest() }
      tally.record(sent: began, received: plat_ticks())
    }
    result.latencies = tally.counts
  }

  /// Every agent asks every other one.
  mutating func askAll() throws {
    result.began = plat_ticks()
    var next = [Int](repeating: 0, count: loops.count)
    while (0..<loops.count).contains(where: { next[$0] < plan.agents || loops.open($0) > 0 }) {
      for at in 0..<loops.count {
        while next[at] < plan.agents, loops.open(at) < Self.inFlight {
          if next[at] != plan.first + at {
            try loops.ask(at, MeshPlan.name(next[at]))
            result.sent += 1
          }
          next[at] += 1
        }
      }
      try rest()
    }
    result.ended = plat_ticks()
    result.received = loops.answered - UInt64(plan.first == 0 ? plan.agents - 1 : 0)
    result.corrupt = loops.failed
  }
}
