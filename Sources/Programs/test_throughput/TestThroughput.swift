import ArgumentParser
import BusBench

/// The original's throughput test: publishing processes to one reader.
@main
struct TestThroughput: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "test_throughput",
    abstract: "Messages a second from publishing processes to one reader.",
    usage: "test_throughput [<options>]",
    discussion: """
      Every byte is written by a publisher and checked by the reader, through the public API. \
      'bcs bench throughput' and 'bcs bench fanin' have more options.
      """,
    subcommands: [WorkerCommand.self])

  @Option(help: "Messages of one run, of all publishers together.") var messages: UInt64?
  @Option(help: "Publishing processes, 1 to 64.") var threads = 1
  @Option(help: "Bytes of each payload, 8 to 16777216.") var payload = 64
  @Option(help: "Runs that must count, 1 to 100; medians are shown.") var runs = 5
  @Option(help: "The runtime directory of a running router. (default: a router of its own)")
  var dir: String?
  @Flag(name: [.customShort("j"), .long], help: "Print one JSON object instead of a table.")
  var json = false
  @Flag(help: .hidden) var anyFloor = false

  static func main() { BenchMain.run(Self.self) }

  func validate() throws {
    guard (1...64).contains(threads) else {
      throw ValidationError("--threads is \(threads): give a number from 1 to 64.")
    }
    try options().check(.throughput)
  }

  func run() throws {
    try BenchProgram(worker: ["worker"]).run([.throughput], options())
  }

  private func options() throws -> BenchOptions {
    var options = try BenchOptions.parse([])
    options.messages = messages
    options.publishers = threads
    options.payload = payload
    options.runs = runs
    options.dir = dir
    options.json = json
    options.anyFloor = anyFloor
    return options
  }
}
