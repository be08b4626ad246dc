import ArgumentParser
import BusText

/// Prints the completion script of a shell.
struct CompletionsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "completions", abstract: "Print a shell's completion script.",
    discussion: "Example:\n  bcs completions bash > ~/.local/share/bash-completion/completions/bcs")

  @Argument(help: "bash, zsh or fish.")
  var shell: Shell

  func run() throws {
    try Output.write(.block(BCS.completionScript(for: shell.parsed)) + "\n")
  }

  enum Shell: String, ExpressibleByArgument, CaseIterable {
    case bash
    case zsh
    case fish

    var parsed: CompletionShell {
      switch self {
      case .bash: .bash
      case .zsh: .zsh
      case .fish: .fish
      }
    }
  }
}
