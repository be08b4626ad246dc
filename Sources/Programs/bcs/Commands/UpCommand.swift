import ArgumentParser
import BinaryComm

/// Starts the router.
struct UpCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "up", abstract: "Start the router in the foreground.",
    discussion: """
      Becomes the msg_router that was installed beside bcs. With --demo it runs the router as a \
      child and shows the bus at work.

      Examples:
        bcs up
        bcs up --dir /run/bcs --arena 4G --policy policy.yaml
        bcs up --demo
      """)

  @OptionGroup var common: CommonOptions
  @OptionGroup var router: RouterOptions
  @Flag(help: "Show the bus at work: run a few commands and print what they print.")
  var demo = false

  func run() throws {
    let arguments = router.arguments(common)
    guard demo else {
      let program = System.sibling("msg_router")
      let reason = become(program, arguments)
      throw Failure(
        "\(program) cannot be started: \(System.words(reason)).",
        remedy: "Build or install msg_router in the directory of bcs.", name: "SYSTEM")
    }
    try Demonstration(directory: RunDirectory.resolve(common.dir), router: arguments).run()
  }
}

/// The options that are handed to the router as they are; it checks their values.
struct RouterOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Shared memory for all agents (default 1GiB).", valueName: "size"))
  var arena: String?
  @Option(help: ArgumentHelp("Shared memory for one agent.", valueName: "size"))
  var agentQuota: String?
  @Option(help: ArgumentHelp("Size of a publisher's first log.", valueName: "size"))
  var logFirst: String?
  @Option(help: ArgumentHelp("Size up to which a publisher's log grows.", valueName: "size"))
  var logMost: String?
  @Option(
    help: ArgumentHelp(
      "How long a lossless reader may hold its publishers back (default 5).",
      valueName: "seconds"))
  var stall: String?
  @Option(
    help: ArgumentHelp("Who may take which name and do what.", valueName: "file"),
    completion: .file(extensions: ["yaml", "yml"]))
  var policy: String?

  @Option(
    help: ArgumentHelp(
      "In which agents come back after a router was killed (default 2).", valueName: "seconds"))
  var grace: String?
  @Flag(help: "Take logs in huge pages.")
  var hugePages = false

  /// The command line of the router.
  func arguments(_ common: CommonOptions) -> [String] {
    let pairs: [(String, String?)] = [
      ("--dir", common.dir), ("--arena", arena), ("--agent-quota", agentQuota),
      ("--log-first", logFirst), ("--log-most", logMost), ("--stall", stall),
      ("--policy", policy), ("--grace", grace),
    ]
    var words = pairs.flatMap { name, value in value.map { [name, $0] } ?? [] }
    if hugePages { words.append("--huge-pages") }
    if common.json { words.append("--json") }
    if common.logLevel != .notice { words += ["--log-level", common.logLevel.rawValue] }
    return words
  }
}
