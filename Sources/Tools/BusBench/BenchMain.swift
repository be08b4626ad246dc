public import ArgumentParser
import BusSystem
import BusText
import Glibc

/// The end of a measuring program: whatever it prints, help as well, arrives or is a failure.
public enum BenchMain {
  /// Runs a command with the process's arguments and ends the process.
  public static func run(_ command: (some ParsableCommand).Type) -> Never {
    ProcessEnvironment.holdStandardDescriptors()
    do {
      let arguments = NegativeNumbers.joined(Array(CommandLine.arguments.dropFirst()))
      var parsed = try command.parseAsRoot(arguments)
      try parsed.run()
      exit(0)
    } catch {
      exit(status(of: error, command))
    }
  }

  private static func status(of error: any Error, _ command: any ParsableCommand.Type) -> Int32 {
    if let plain = error as? ExitCode { return plain.rawValue }
    let code = command.exitCode(for: error).rawValue
    let text = TerminalText.block(command.fullMessage(for: error))
    guard code == 0 else {
      Machine.say(text)
      return code
    }
    do {
      try Machine.show(text)
      return 0
    } catch {
      Machine.say("error: \(error.description)")
      return 1
    }
  }
}
