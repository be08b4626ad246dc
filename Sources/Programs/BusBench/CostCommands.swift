import ArgumentParser
import BusJSON

extension BenchCommand {
  struct Start: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "How long a fresh router takes to get ready, and an agent to join it.",
      discussion: "Each run starts a router of its own with `bcs up` and ends it.")

    @Option(help: "Runs, 1 to 100; medians are shown.") var runs = 5
    @Option(help: "Agents that join one after another in each run, 1 to 100000.")
    var registrations = 200
    @Flag(help: "Print one JSON object instead of a table.") var json = false

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
    @Flag(help: "Print one JSON object instead of a table.") var json = false

    func validate() throws {
      try checkRange("--readers", readers, 1...500)
      try checkRange("--duration", duration, 0.1...3600)
      try checkRange("--runs", runs, 1...100)
    }

    func run() throws {
      let measure = IdleMeasure(
        runs: runs, readers: readers, seconds: duration, worker: benchWorker)
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
    try Household.endOnSignals()
    let report = try measure()
    try Machine.show(isJSON ? report.json.rendered : report.table)
  } catch {
    Machine.say("error: \(error.description)")
    throw ExitCode(error.exitCode)
  }
}
