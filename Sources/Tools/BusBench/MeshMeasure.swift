import BinaryComm
import BusJSON
import BusSystem
import Foundation

/// What it takes when every agent talks to every other one.
struct MeshMeasure {
  let runs: Int
  let agents: Int
  let processes: Int
  let worker: [String]

  /// Shared memory and descriptors that a hundred agents may take.
  static let bytesMax: UInt64 = 300 << 20
  static let descriptorsMax = 20_000

  private struct Seen {
    var seconds: [Double] = []
    var first50: [Double] = []
    var first99: [Double] = []
    var memory: [Double] = []
    var descriptors: [Double] = []
    var failures: [Double] = []
  }

  /// Makes all logs, run by run, each with a router of its own.
  func measure() throws(BenchError) -> CostReport {
    var seen = Seen()
    for _ in 0..<runs { try run(&seen) }
    return report(seen)
  }

  private func run(_ seen: inout Seen) throws(BenchError) {
    let plan = BenchPlan(
      mode: .fanout, messages: 1, payload: 64, publishers: 1, readers: agents, batch: 1,
      wait: .sleep, isPinned: false, logBytes: 1 << 20, runs: 1)
    let program = WorkerProgram(arguments: worker)
    let router = try PrivateRouter(for: plan, program)
    defer { router.stop() }
    var crew = MeshWorkerGroup()
    defer { crew.end() }
    var first = 0
    for process in 0..<processes {
      let count = (agents - first) / (processes - process)
      let order = MeshPlan(meshIn: router.directory, first: first, count: count, agents: agents)
      first += count
      try crew.start(order, program)
    }
    try crew.expect(.subscribed)
    crew.order(.prepare)
    try crew.expect(.prepared)
    crew.order(.go)
    try crew.expect(.finished)
    try look(router, crew, &seen)
    crew.order(.end)
  }

  private func look(
    _ router: PrivateRouter, _ crew: MeshWorkerGroup, _ seen: inout Seen
  ) throws(BenchError) {
    do {
      let agent = try Bus.connect(to: router.directory).register("cli.bench.mesh")
      defer { agent.close() }
      let row = try agent.query(.router).first ?? [:]
      guard let pid = row["pid"].flatMap(Int32.init) else {
        throw BenchError.router("does not tell its process")
      }
      seen.memory.append(row["arena_used"].flatMap(Double.init) ?? 0)
      var descriptors = 0
      for pid in crew.pids + [pid] { descriptors += ProcessCost.descriptors(pid) }
      seen.descriptors.append(Double(descriptors))
    } catch let error as BenchError {
      throw error
    } catch {
      throw .router("refused an agent: \(error)")
    }
    let results = crew.results
    let ticksPerNs = Floor.ticksPerNs
    let began = results.compactMap(\.began).min() ?? 0
    let ended = results.compactMap(\.ended).max() ?? 0
    seen.seconds.append(Double(ended &- began) / ticksPerNs / 1e9)
    let due = UInt64(agents) * UInt64(agents - 1)
    let answered = results.reduce(0) { $0 + $1.received }
    seen.failures.append(Double(due - min(due, answered)))
    guard let times = LatencySummary(results.flatMap(\.latencies), ticksPerNs: ticksPerNs) else {
      return
    }
    seen.first50.append(times.p50)
    seen.first99.append(times.p99)
  }

  private func report(_ seen: Seen) -> CostReport {
    CostReport(
      mode: "alltoall",
      title: "alltoall, \(agents) agents in \(processes) processes, "
        + "\(grouped(UInt64(agents * (agents - 1)))) pairs, \(runs) \(runs == 1 ? "run" : "runs")",
      counts: [
        JSONField("agents", .integer(agents)), JSONField("processes", .integer(processes)),
        JSONField("pairs", .integer(agents * (agents - 1))),
        JSONField("most_shared_bytes", .unsigned(Self.bytesMax)),
        JSONField("most_descriptors", .integer(Self.descriptorsMax)),
      ],
      rows: [
        .init(
          name: "requests not answered", key: "failures", values: seen.failures,
          show: { "\(Int($0))" }),
        .init(
          name: "first request to a new peer p50", key: "first_request_ns_p50",
          values: seen.first50, show: nanoseconds),
        .init(
          name: "first request to a new peer p99", key: "first_request_ns_p99",
          values: seen.first99, show: nanoseconds),
        .init(
          name: "all pairs", key: "seconds", values: seen.seconds, show: { "\(fixed($0, 2)) s" }),
        .init(
          name: "shared memory (most 300 MiB)", key: "shared_bytes", values: seen.memory,
          show: { "\(fixed($0 / 1_048_576, 1)) MiB" }),
        .init(
          name: "descriptors (most 20,000)", key: "descriptors", values: seen.descriptors,
          show: { "\(Int($0))" }),
      ])
  }
}

/// The processes of one mesh.
struct MeshWorkerGroup {
  private var members: [ChildProcess] = []
  private(set) var results: [WorkerResult] = []

  var pids: [Int32] { members.map(\.pid) }

  mutating func start(_ plan: MeshPlan, _ program: WorkerProgram) throws(BenchError) {
    guard let text = try? JSONEncoder().encode(plan) else {
      throw .system("JSON of a plan", error: 22)
    }
    members.append(
      try ChildSupervisor.start(
        program.path, program.arguments + [String(decoding: text, as: UTF8.self)],
        environment: ProcessEnvironment.variables, endSignal: 9))
  }

  func order(_ stage: WorkerStage) {
    for member in members { member.send("\(stage.rawValue)") }
  }

  /// Waits until every process has told an event.
  mutating func expect(_ event: WorkerLine.Event) throws(BenchError) {
    let limit = ProcessCost.nowNs + 120_000_000_000
    var waiting = members
    while !waiting.isEmpty {
      guard ProcessCost.nowNs < limit else {
        throw .stuck("mesh", waitingFor: event.rawValue, seconds: 120)
      }
      _ = ChildProcess.wait(for: waiting, milliseconds: 100)
      var left: [ChildProcess] = []
      for member in waiting {
        let lines = member.takeLines().compactMap {
          try? JSONDecoder().decode(WorkerLine.self, from: Data($0.utf8))
        }
        if let failure = lines.compactMap(\.failure).first {
          throw .worker("mesh", text: failure.text, exitCode: failure.exitCode)
        }
        results += lines.compactMap(\.result)
        if lines.contains(where: { $0.event == event }) { continue }
        if let end = member.end { throw .vanished("mesh", how: end.text) }
        left.append(member)
      }
      waiting = left
    }
  }

  func end() {
    for member in members { member.closeInput() }
    for member in members { member.finish() }
  }
}
