import ArgumentParser
import BusJSON
import BusText

extension BenchCommand {
  struct Start: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "How long a fresh router takes to get ready, and an agent to join it.",
      discussion: "Each run starts a router of its own with `bcs up` and ends it.")

    @Option(help: "Runs, 1 to 100; medians are shown.") var runs = 5
    @Option(help: "Agents that join one after another in each run, 1 to 100000.")
    var registrations = 200
    @Flag(name: [.customShort("j"), .long], help: "Print one JSON object instead of a table.")
    var json = false

    func validate() throws {
      try checkRange("--runs", runs, 1...100)
      try checkRange("--registrations", registrations, 1...100_000)
    }

    func run() throws {
      let measure = StartMeasure(runs: runs, registrations: registrations)
      try show(json) { () throws(BenchError) in try measure.measure() }
    }
  }

  struct Idle: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "What agents that wait, and their router, cost while no messages come.",
      discussion: """
        Each agent is a process of its own with a lossless reader that sleeps and a publisher that \
        rests.
        """)

    @Option(help: "Agents, 1 to 500.") var readers = 100
    @Option(help: "Seconds of one run, 0.1 to 3600.") var duration = 10.0
    @Option(help: "Runs, 1 to 100; medians are shown.") var runs = 3
    @Flag(help: "Have bcs top look at them on a terminal, and measure it, too.") var top = false
    @Flag(name: [.customShort("j"), .long], help: "Print one JSON object instead of a table.")
    var json = false

    func validate() throws {
      try checkRange("--readers", readers, 1...500)
      try checkRange("--duration", duration, 0.1...3600)
      try checkRange("--runs", runs, 1...100)
    }

    func run() throws {
      let measure = IdleMeasure(
        runs: runs, readers: readers, seconds: duration, isWatched: top, worker: benchWorker)
      try show(json) { () throws(BenchError) in try measure.measure() }
    }
  }
}

extension BenchCommand {
  struct AllToAll: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "alltoall",
      abstract: "What it takes when every agent asks every other one.",
      discussion: """
        Each agent is registered and has an inbox of its own; several share a process. First one \
        of them asks all others, one after the other, which times the first request to a new peer \
        (the name is looked up and both logs are made). Then everybody asks everybody.
        """)

    @Option(help: "Agents, 2 to 500.") var agents = 100
    @Option(help: "Processes they are in, 1 to 64.") var processes = 4
    @Option(help: "Runs, 1 to 100; medians are shown.") var runs = 3
    @Flag(name: [.customShort("j"), .long], help: "Print one JSON object instead of a table.")
    var json = false

    func validate() throws {
      try checkRange("--agents", agents, 2...500)
      try checkRange("--processes", processes, 1...min(64, agents))
      try checkRange("--runs", runs, 1...100)
    }

    func run() throws {
      let measure = MeshMeasure(
        runs: runs, agents: agents, processes: processes, worker: benchWorker)
      try show(json) { () throws(BenchError) in try measure.measure() }
    }
  }
}

private func checkRange<Value: Comparable>(
  _ name: String, _ value: Value, _ range: ClosedRange<Value>
) throws {
  guard range.contains(value) else {
    throw ValidationError(
      "\(name) is \(value): give a number from \(range.lowerBound) to \(range.upperBound).")
  }
}

/// Measures and prints, and ends with the documented exit code.
private func show(
  _ isJSON: Bool, _ measure: () throws(BenchError) -> CostReport
) throws {
  do throws(BenchError) {
    try ChildSupervisor.endOnSignals()
    let report = try measure()
    try Machine.show(isJSON ? report.json.text : .block(report.table))
  } catch {
    error.tell(asJSON: isJSON)
    throw ExitCode(error.exitCode)
  }
}
