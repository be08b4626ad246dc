public import ArgumentParser

/// `bcs bench`: measures the bus beside the machine's own floor.
public struct BenchCommand: ParsableCommand {
  /// The command and its subcommands.
  public static let configuration = CommandConfiguration(
    commandName: "bench", abstract: "Measure the bus beside the machine's own floor.",
    discussion: """
      Between processes, through the public API; every payload byte is written by the publisher \
      and checked by the reader. The floor is measured before and after each run; a run in which \
      it moved by more than 30 % is repeated. Without --dir a router is started for the \
      measurement and ended after it.
      """,
    subcommands: [
      All.self, FloorCommand.self, Throughput.self, Latency.self, Fanout.self, Fanin.self,
      Request.self, Large.self, Start.self, Idle.self, AllToAll.self, WorkerCommand.self,
    ],
    defaultSubcommand: All.self)

  /// The command without arguments.
  public init() {}

  struct FloorCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "floor", abstract: "What the machine itself can do, without the bus.")
    @OptionGroup var options: BenchOptions

    func validate() throws { try options.check(.floor) }
    func run() throws { try BenchProgram(worker: benchWorker).run([.floor], options) }
  }

  struct Throughput: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Messages a second from publishers to readers, 1 → 1 unless told otherwise.")
    @OptionGroup var options: BenchOptions

    func validate() throws { try options.check(.throughput) }
    func run() throws { try BenchProgram(worker: benchWorker).run([.throughput], options) }
  }

  struct Latency: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "One way between two agents that answer each other, or at a set --rate.")
    @OptionGroup var options: BenchOptions

    func validate() throws { try options.check(.latency) }
    func run() throws { try BenchProgram(worker: benchWorker).run([.latency], options) }
  }

  struct Request: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Requests and their replies between two agents; times are RTT/2.")
    @OptionGroup var options: BenchOptions

    func validate() throws { try options.check(.request) }
    func run() throws { try BenchProgram(worker: benchWorker).run([.request], options) }
  }

  struct Large: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Bytes a second of payloads of 1 MiB, written and read in place, beside memcpy.")
    @OptionGroup var options: BenchOptions

    func validate() throws { try options.check(.large) }
    func run() throws { try BenchProgram(worker: benchWorker).run([.large], options) }
  }

  struct Fanout: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Deliveries a second from one publisher to several readers.")
    @OptionGroup var options: BenchOptions

    func validate() throws { try options.check(.fanout) }
    func run() throws { try BenchProgram(worker: benchWorker).run([.fanout], options) }
  }

  struct Fanin: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Messages a second from several publishers to one reader.")
    @OptionGroup var options: BenchOptions

    func validate() throws { try options.check(.fanin) }
    func run() throws { try BenchProgram(worker: benchWorker).run([.fanin], options) }
  }

  struct All: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "floor, throughput, latency, fanout, fanin, request and large, one by one.")
    @Flag(name: [.customShort("j"), .long], help: "Print one JSON object instead of tables.")
    var json = false
    @Option(help: "Runs of each that must count.") var runs = 5
    @Option(help: "The run directory of a running router. (default: a router of its own)")
    var dir: String?

    func validate() throws { try options().validate() }

    func run() throws {
      try BenchProgram(worker: benchWorker).run(BenchMode.allCases, options(), isTogether: true)
    }

    private func options() throws -> BenchOptions {
      var options = try BenchOptions.parse([])
      options.json = json
      options.runs = runs
      options.dir = dir
      return options
    }
  }
}

/// What comes before a worker's plan in the arguments of `bcs`.
let benchWorker = ["bench", "worker"]
