import BinaryComm
import BusJSON
import BusLog
import BusSystem
import Foundation

/// What agents that wait for messages, and their router, cost while none come.
struct IdleMeasure {
  let runs: Int
  let readers: Int
  let seconds: Double
  /// Whether `bcs top` looks at them meanwhile.
  let isWatched: Bool
  let worker: [String]

  /// Starts the agents, gives each a message, and watches them do nothing.
  func measure() throws(BenchError) -> CostReport {
    let plan = BenchPlan(
      mode: .fanout, messages: 1, payload: 64, publishers: 1, readers: readers, batch: 1,
      wait: .sleep, isPinned: false, logBytes: 1 << 20, runs: runs)
    let program = WorkerProgram(arguments: worker)
    let router = try PrivateRouter(for: plan, program)
    defer { router.stop() }
    var agents: [ChildProcess] = []
    defer {
      for agent in agents { agent.closeInput() }
      for agent in agents { agent.finish() }
    }
    let order = IdlePlan(idleIn: router.directory)
    guard let text = try? JSONEncoder().encode(order) else {
      throw .system("JSON of a plan", error: 22)
    }
    for _ in 0..<readers {
      agents.append(
        try ChildSupervisor.start(
          program.path, program.arguments + [String(decoding: text, as: UTF8.self)],
          environment: ProcessEnvironment.variables, endSignal: 9))
    }
    try expect(agents, .subscribed)
    do {
      let agent = try Bus.connect(to: router.directory).register("cli.bench.idle")
      defer { agent.close() }
      var publisher = try agent.publisher(on: IdlePlan.channel)
      try publisher.publish(IdlePlan.channel, [1])
      try expect(agents, .attached)
      let row = try agent.query(.router).first ?? [:]
      guard let pid = row["pid"].flatMap(Int32.init) else {
        throw BenchError.router("does not tell its process")
      }
      let top = isWatched ? try startTop(program, router.directory) : nil
      defer { _ = top?.finish(signal: 15) }
      return report(try watch(agents.map(\.pid), router: pid, top))
    } catch let error as BenchError {
      throw error
    } catch {
      throw .router("refused an agent: \(error)")
    }
  }

  private struct Watched {
    var agents: [Double] = []
    var router: [Double] = []
    var memory: [Double] = []
    var top: [Double] = []
  }

  private func watch(
    _ agents: [Int32], router: Int32, _ top: ChildProcess?
  ) throws(BenchError) -> Watched {
    var watched = Watched()
    for _ in 0..<runs {
      // What they still do after the message does not count.
      rest(1, top)
      let before = try (ProcessCost.cpuNs(agents), ProcessCost.cpuNs([router]))
      let topBefore = try ProcessCost.cpuNs(top.map { [$0.pid] } ?? [])
      let began = ProcessCost.nowNs
      let shown = rest(seconds, top)
      let after = try (ProcessCost.cpuNs(agents), ProcessCost.cpuNs([router]))
      watched.agents.append(Double(after.0 &- before.0))
      watched.router.append(Double(after.1 &- before.1))
      watched.memory.append(Double(try ProcessCost.residentBytes(router)))
      guard let top else { continue }
      // At one picture a second, a run of two seconds has one at least.
      guard top.end == nil, shown > 0 || seconds < 2 else {
        throw .vanished("bcs top", how: top.end?.text ?? "showed nothing")
      }
      let spent = try ProcessCost.cpuNs([top.pid]) &- topBefore
      watched.top.append(Double(spent) / Double(ProcessCost.nowNs - began) * 100)
    }
    return watched
  }

  private func startTop(
    _ program: WorkerProgram, _ directory: String
  ) throws(BenchError) -> ChildProcess {
    let top = try ChildSupervisor.startOnTerminal(
      program.path, [program.arguments[0], "top", "--dir", directory],
      environment: ProcessEnvironment.variables + ["TERM=xterm"], endSignal: 15)
    // The first picture needs everybody's counters, which are mapped once.
    guard rest(2, top) > 0, top.end == nil else {
      throw .vanished("bcs top", how: top.end?.text ?? "showed nothing")
    }
    return top
  }

  /// Lets time pass, and takes what a terminal has to show, else its program would stand still.
  ///
  /// Returns how many bytes that was.
  @discardableResult
  private func rest(_ seconds: Double, _ top: ChildProcess?) -> Int {
    let end = ProcessCost.nowNs + UInt64(seconds * 1e9)
    guard let top else {
      ProcessCost.sleep(seconds: seconds)
      return 0
    }
    var shown = 0
    while ProcessCost.nowNs < end {
      _ = ChildProcess.wait(for: [top], milliseconds: 100)
      ProcessCost.sleep(seconds: 0.05)
      shown += top.takeAll()
    }
    return shown
  }

  private func report(_ watched: Watched) -> CostReport {
    let both = zip(watched.agents, watched.router).map { ($0 + $1) / (seconds * 1e9) * 100 }
    return CostReport(
      mode: "idle",
      title: "idle, \(readers) agents and their router, \(seconds) s, \(runs) "
        + (runs == 1 ? "run" : "runs"),
      counts: [
        JSONField("readers", .integer(readers)), JSONField("seconds", JSONValue(seconds)),
      ],
      rows: (isWatched
        ? [
          .init(
            name: "bcs top, of one CPU", key: "top_cpu_percent", values: watched.top,
            show: { "\(fixed($0, 3)) %" })
        ] : []) + [
          .init(
            name: "CPU time of the agents", key: "agents_cpu_ns", values: watched.agents,
            show: nanoseconds),
          .init(
            name: "CPU time of the router", key: "router_cpu_ns", values: watched.router,
            show: nanoseconds),
          .init(
            name: "both, of one CPU", key: "cpu_percent", values: both,
            show: { "\(fixed($0, 3)) %" }),
          .init(
            name: "router resident", key: "router_resident_bytes", values: watched.memory,
            show: { "\(short($0))B" }),
        ])
  }

  private func expect(
    _ agents: [ChildProcess], _ event: WorkerLine.Event
  ) throws(BenchError) {
    let limit = ProcessCost.nowNs + 60_000_000_000
    var waiting = agents
    while !waiting.isEmpty {
      guard ProcessCost.nowNs < limit else {
        throw .stuck("agent", waitingFor: event.rawValue, seconds: 60)
      }
      _ = ChildProcess.wait(for: waiting, milliseconds: 100)
      var left: [ChildProcess] = []
      for agent in waiting {
        let lines = agent.takeLines().compactMap {
          try? JSONDecoder().decode(WorkerLine.self, from: Data($0.utf8))
        }
        if let failure = lines.compactMap(\.failure).first {
          throw .worker("agent", text: failure.text, exitCode: failure.exitCode)
        }
        if lines.contains(where: { $0.event == event }) { continue }
        if let end = agent.end { throw .vanished("agent", how: end.text) }
        left.append(agent)
      }
      waiting = left
    }
  }
}

/// What an idle agent is told; it travels as JSON in its arguments.
struct IdlePlan: Codable {
  static let channel = "idle"
  /// Nobody reads it.
  static let answers = "idle_answers"
  /// The run directory of the router.
  var idleIn: String

  /// Reads one message, publishes one, then waits for one that never comes, until its input ends.
  func run(_ link: WorkerLink) throws {
    let agent = try Bus.connect(to: idleIn).register("cli.bench.\(Machine.pid)")
    defer { agent.close() }
    var reader = try agent.reader(Self.channel, mode: .lossless, wait: .sleep)
    link.tell(.subscribed)
    var taken = 0
    while taken == 0 {
      taken = try reader.poll { _ in }
      if taken == 0 { _ = try reader.wait(timeout: .seconds(10)) }
    }
    var publisher = try agent.publisher(on: Self.answers)
    try publisher.publish(Self.answers, [1])
    link.tell(.attached)
    while true { _ = try reader.wait(timeout: .seconds(3600)) }
  }
}
