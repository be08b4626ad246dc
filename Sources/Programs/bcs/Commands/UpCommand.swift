import ArgumentParser
import BinaryComm
import BusOptions
import BusSystem

/// Starts the router.
struct UpCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "up", abstract: "Start the router in the foreground.",
    discussion: """
      Replaces itself with the msg_router that is installed beside bcs. Ctrl-C, SIGTERM and the \
      end of its terminal end it. With --demo the router is a child of bcs, a few commands are \
      printed and run, and the router goes on until Ctrl-C.

      Examples:
        bcs up
        bcs up --dir /run/bcs --arena 4G --policy policy.yaml
        bcs up --log-first 1MiB
        bcs up --demo
      """)

  @OptionGroup var common: CommonOptions
  @OptionGroup var router: RouterOptions
  @Flag(help: "Show the bus at work: run a few commands and print what they print.")
  var demo = false

  func run() throws {
    let arguments = router.arguments(common)
    guard demo else {
      let program = ProcessEnvironment.sibling("msg_router")
      let reason = Spawn.become(program, arguments)
      throw Failure(
        "\(program) cannot be started: \(Errno.text(reason)).",
        remedy: "Build or install msg_router in the directory of bcs.", name: "SYSTEM")
    }
    try Demo(
      directory: RunDirectory.resolve(common.dir), router: arguments, common: common
    ).run()
  }
}

extension RouterOptions {
  /// The command line of the router.
  fileprivate func arguments(_ common: CommonOptions) -> [String] {
    var words = (common.dir.map { ["--dir", $0] } ?? []) + words
    if common.json { words.append("--json") }
    if common.logLevel != .notice { words += ["--log-level", common.logLevel.rawValue] }
    return words
  }
}
