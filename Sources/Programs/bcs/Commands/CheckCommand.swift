import ArgumentParser
import BusAccess
import BusPolicyFile

/// Verdicts: things that hold, or are shown not to.
struct CheckCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check", abstract: "Check a policy file, or that the bus keeps its promises.",
    subcommands: [CheckPolicy.self])
}
