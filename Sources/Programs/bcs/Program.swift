import ArgumentParser
import BinaryComm
import BusBench
import BusPolicyFile
import Glibc

/// Parses, runs, and turns every outcome into words and a documented exit code.
@main
struct Program {
  static func main() async {
    Interrupt.install()
    let arguments = Array(CommandLine.arguments.dropFirst())
    exit(await status(of: arguments))
  }

  private static func status(of arguments: [String]) async -> Int32 {
    do {
      var command = try BCS.parseAsRoot(arguments)
      if var later = command as? any AsyncParsableCommand {
        try await later.run()
      } else {
        try command.run()
      }
      return 0
    } catch is Interrupted {
      return Interrupt.exitCode
    } catch is BrokenPipe {
      // Who read our output has had enough, as in `bcs sub x | head`.
      return 0
    } catch {
      return report(error, arguments)
    }
  }

  private static func report(_ error: any Error, _ arguments: [String]) -> Int32 {
    let isJSON = arguments.contains("--json")
    if let failure = Failure(error) {
      failure.show(asJSON: isJSON)
      return failure.exitCode
    }
    let code = BCS.exitCode(for: error).rawValue
    if code == 0 {
      try? Output.write(BCS.fullMessage(for: error) + "\n")
      return 0
    }
    if let plain = error as? ExitCode { return plain.rawValue }
    guard code == Failure.usage else {
      Failure("\(error)", remedy: "", exitCode: 1, name: "SYSTEM").show(asJSON: isJSON)
      return 1
    }
    let hint = Spelling.hint(for: arguments, in: BCS.self)
    let text = BCS.message(for: error) + (hint.map { ". Did you mean '\($0)'?" } ?? "")
    Failure(
      text, remedy: "See `\(helpCall(arguments))`.", exitCode: Failure.usage, name: "USAGE"
    ).show(asJSON: isJSON)
    return Failure.usage
  }

  /// The call that prints the help of the command the user meant, as far as it can be told.
  private static func helpCall(_ arguments: [String]) -> String {
    var command: any ParsableCommand.Type = BCS.self
    var call = "bcs"
    for word in arguments {
      let next = command.configuration.subcommands.first { $0._commandName == word }
      guard let next else { break }
      command = next
      call += " \(word)"
    }
    return "\(call) --help"
  }
}

/// The root: what `bcs` is and the commands it has.
struct BCS: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bcs",
    abstract: "The Binary Communication System: a message bus for the agents of one host.",
    discussion: """
      The run directory is --dir, else $BCS_DIR, else $XDG_RUNTIME_DIR/bcs, else /tmp/bcs-UID.

      Exit codes: 0 ok, 1 failed, 3 no responders, 4 timeout, 5 denied, 6 resource exhausted, \
      7 incompatible version, 64 usage, 69 no router, 130 interrupted. `bcs errors` explains \
      each error.
      """,
    version: Release.banner,
    subcommands: [
      UpCommand.self, PubCommand.self, SubCommand.self, AgentCommand.self, ChannelCommand.self,
      TopCommand.self, StatCommand.self, MetricsCommand.self, BenchCommand.self, DoctorCommand.self,
      ErrorsCommand.self, CheckCommand.self,
      CompletionsCommand.self,
    ])
}
