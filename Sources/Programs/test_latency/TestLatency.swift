import ArgumentParser
import BusBench

/// The original's latency test: a publisher that starts messages at a set rate.
@main
struct TestLatency: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "test_latency",
    abstract: "One-way times at a set rate, between two processes.",
    usage: "test_latency [<options>]",
    discussion: """
      Open loop: each message carries the time at which it should have been sent, so that a stall \
      counts for every message it delayed. The duration is divided among the runs. \
      'bcs bench latency' has more options.
      """,
    subcommands: [WorkerCommand.self])

  @Option(help: "Seconds in total, of all runs together.") var duration = 10.0
  @Option(help: "Messages a second.") var rate = 1_000_000.0
  @Option(help: "Bytes of each payload, 16 to 16777216.") var payload = 64
  @Option(help: "Runs that must count, 1 to 100; medians are shown.") var runs = 5
  @Option(help: "The runtime directory of a running router. (default: a router of its own)")
  var dir: String?
  @Flag(name: [.customShort("j"), .long], help: "Print one JSON object instead of a table.")
  var json = false
  @Flag(help: .hidden) var anyFloor = false

  static func main() { BenchMain.run(Self.self) }

  func validate() throws {
    guard (1...100).contains(runs) else {
      throw ValidationError("--runs is \(runs): give a number from 1 to 100.")
    }
    try options().check(.latency)
  }

  func run() throws {
    try BenchProgram(worker: ["worker"]).run([.latency], options())
  }

  private func options() throws -> BenchOptions {
    var options = try BenchOptions.parse([])
    options.duration = duration / Double(runs)
    options.rate = rate
    options.payload = payload
    options.runs = runs
    options.dir = dir
    options.json = json
    options.anyFloor = anyFloor
    return options
  }
}
