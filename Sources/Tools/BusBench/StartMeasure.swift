import BinaryComm
import BusJSON
import BusSystem

/// How long a fresh router takes to get ready, and an agent to join it.
struct StartMeasure {
  let runs: Int
  let registrations: Int

  /// Starts a router for each run.
  func measure() throws(BenchError) -> CostReport {
    var ready: [Double] = []
    var median: [Double] = []
    var slow: [Double] = []
    for _ in 0..<runs {
      let folder = try ChildSupervisor.makeFolder()
      defer { ChildSupervisor.removeFolder(folder) }
      let began = ProcessCost.nowNs
      let router = try start(folder)
      ready.append(Double(ProcessCost.nowNs - began))
      defer { router.finish(signal: 15) }
      let times = try registerAll(folder + "/run").sorted()
      median.append(times[times.count / 2])
      slow.append(times[min(times.count - 1, times.count * 99 / 100)])
    }
    return CostReport(
      mode: "start",
      title: "start, \(registrations) registrations, \(runs) \(runs == 1 ? "run" : "runs")",
      counts: [JSONField("registrations", .integer(registrations))],
      rows: [
        .init(name: "bcs up until ready", key: "ready_ns", values: ready, show: nanoseconds),
        .init(
          name: "connect and register p50", key: "register_ns_p50", values: median,
          show: nanoseconds),
        .init(
          name: "connect and register p99", key: "register_ns_p99", values: slow,
          show: nanoseconds),
      ])
  }

  /// Runs `bcs up` as a person does; returns when it says that it is ready.
  private func start(_ folder: String) throws(BenchError) -> ChildProcess {
    let own = ["XDG_CONFIG_HOME=", "BCS_DIR="]
    let environment =
      ProcessEnvironment.variables.filter { variable in !own.contains { variable.hasPrefix($0) } }
      + ["XDG_CONFIG_HOME=\(folder)"]
    let program = WorkerProgram(arguments: ["up", "--dir", folder + "/run"])
    let router = try ChildSupervisor.start(
      program.path, program.arguments, environment: environment, errors: folder + "/router.log",
      endSignal: 15)
    for _ in 0..<150 {
      _ = ChildProcess.wait(for: [router], milliseconds: 100)
      if router.takeLines().contains(where: { $0.contains("ready") }) { return router }
      if !router.isTalking { break }
    }
    let end = router.finish(signal: 15)
    throw .router("did not get ready: it \(end?.text ?? "hung")")
  }

  /// Nanoseconds of each registration, one after another.
  private func registerAll(_ directory: String) throws(BenchError) -> [Double] {
    do {
      return try (0..<registrations).map { number in
        let began = ProcessCost.nowNs
        let agent = try Bus.connect(to: directory).register("cli.bench.\(number)")
        let ended = ProcessCost.nowNs
        agent.close()
        return Double(ended - began)
      }
    } catch {
      throw .router("refused an agent: \(error)")
    }
  }
}
