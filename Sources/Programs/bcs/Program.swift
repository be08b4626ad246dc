import ArgumentParser
import BinaryComm
import BusBench
import BusPolicyFile
import BusSystem
import BusText
import Glibc

/// Parses, runs, and turns every outcome into words and a documented exit code.
@main
struct Program {
  static func main() {
    ProcessEnvironment.holdStandardDescriptors()
    ProcessEnvironment.keepEndsOfChildren()
    Interrupt.install()
    let arguments = Array(CommandLine.arguments.dropFirst())
    let status = status(of: arguments)
    Reports.end()
    exit(status)
  }

  /// On the main thread: a command waits for messages, which no thread of a pool may, and signals,
  /// which the kernel gives to the main thread first, end its sleep.
  private static func status(of arguments: [String]) -> Int32 {
    do {
      if let place = System.wrongArgument { throw Usage.notText(arguments, place) }
      if let wrong = Usage.unknownHelp(arguments) { throw wrong }
      var command = try BCS.parseAsRoot(arguments)
      try command.run()
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
    let isJSON = arguments.contains("--json") || arguments.contains("-j")
    if let failure = Failure(error) {
      failure.advising(against: Usage.meant(arguments).call).show(asJSON: isJSON)
      return failure.exitCode
    }
    let code = BCS.exitCode(for: error).rawValue
    if code == 0 {
      let help = HelpText.fitted(BCS.fullMessage(for: error), to: Terminal.width ?? 80)
      return ending(isJSON) { try Output.write(.block(help) + "\n") }
    }
    if let plain = error as? ExitCode { return plain.rawValue }
    guard code == Failure.usage else {
      Failure("\(error)", remedy: "", exitCode: 1, name: "SYSTEM").show(asJSON: isJSON)
      return 1
    }
    Usage.failure(error, arguments).show(asJSON: isJSON)
    return Failure.usage
  }

  /// The exit code after the last words of a program.
  private static func ending(_ isJSON: Bool, _ say: () throws -> Void) -> Int32 {
    do {
      try say()
    } catch {
      guard let failure = Failure(error) else { return 0 }
      failure.show(asJSON: isJSON)
      return failure.exitCode
    }
    return 0
  }
}

/// The root: what `bcs` is and the commands it has.
struct BCS: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bcs",
    abstract: "The Binary Communication System: a message bus for the agents of one host.",
    discussion: """
      The runtime directory is --dir, else $BCS_DIR, else $XDG_RUNTIME_DIR/bcs, else /tmp/bcs-UID.

      Exit codes: 0 ok, 1 failed, 3 no responders, 4 timeout, 5 denied, 6 resource exhausted, \
      7 incompatible version, 8 the responder's own error, 9 cancelled, 10 a loop was stopped, \
      64 usage, 69 no router; ended by a \
      signal: 129 HUP, 130 INT (Ctrl-C), 143 TERM. `bcs errors` explains \
      each error.
      """,
    version: ProgramVersion.banner,
    subcommands: [
      UpCommand.self, PubCommand.self, SubCommand.self, ReqCommand.self, ReplyCommand.self,
      TellCommand.self, ListenCommand.self, TraceCommand.self, WhyCommand.self, AgentCommand.self,
      ChannelCommand.self, TopCommand.self, StatCommand.self, MetricsCommand.self,
      BenchCommand.self, DoctorCommand.self, ErrorsCommand.self, CheckCommand.self,
      CompletionsCommand.self,
    ])
}
