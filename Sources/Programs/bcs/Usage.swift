import ArgumentParser
import BusText

/// What is wrong with a call that the argument parser does not take, in the words of a person.
enum Usage {
  /// The failure of such a call.
  static func failure(_ error: any Error, _ arguments: [String]) -> Failure {
    let (command, call) = meant(arguments)
    if let unknown = Spelling.unknownCommand(in: arguments, of: BCS.self) {
      return self.failure(unknown)
    }
    return .usage(text(error, arguments, command), remedy: "See `\(call) --help`.")
  }

  /// An argument whose bytes are no text, the one at that place: it would be sent, opened or run as
  /// another one.
  static func notText(_ arguments: [String], _ place: Int) -> Failure {
    let shown = place <= arguments.count ? arguments[place - 1] : ""
    return .usage(
      "Argument \(place), '\(shown.prefix(40).description)', is not UTF-8.",
      remedy: "Send other bytes from standard input or with --file; names and paths are text.")
  }

  /// `bcs help` about a command that is not there; nil where it is, or nobody asked.
  static func unknownHelp(_ arguments: [String]) -> Failure? {
    guard arguments.first == "help" else { return nil }
    let words = arguments.dropFirst().filter { !$0.hasPrefix("-") }
    return Spelling.unknownCommand(in: Array(words), of: BCS.self).map(failure)
  }

  private static func failure(_ unknown: Spelling.Unknown) -> Failure {
    let hint = unknown.hint.map { ". Did you mean '\($0)'?" } ?? "."
    let all =
      unknown.hint == nil && unknown.call != "bcs"
      ? "`\(unknown.call)` has: \(unknown.known.joined(separator: ", "))."
      : "See `\(unknown.call) --help`."
    return .usage("Unknown command '\(unknown.word)'\(hint)", remedy: all)
  }

  private static func text(
    _ error: any Error, _ arguments: [String], _ command: any ParsableCommand.Type
  ) -> String {
    if let wrong = wrongWatch(arguments) { return wrong }
    let text = BCS.message(for: error)
    let known = Spelling.options(of: command)
    // The parser would tell of a missing argument first.
    if let unknown = Spelling.unknownOption(in: arguments, known) {
      let name = unknown.hasPrefix("--") ? Spelling.option(near: unknown, known) : nil
      return "Unknown option '\(unknown)'" + (name.map { ". Did you mean '\($0)'?" } ?? "")
    }
    if text.hasPrefix("Missing value for '"), let better = negative(arguments) { return better }
    return conflict(text) ?? text
  }

  /// `--watch` takes a value or none, so that the parser takes a wrong one for something else.
  private static func wrongWatch(_ arguments: [String]) -> String? {
    guard let place = arguments.firstIndex(of: "--watch"), place + 1 < arguments.count else {
      return nil
    }
    let value = arguments[place + 1]
    guard Double(value) == nil, !value.hasPrefix("-") else { return nil }
    return "--watch takes 0.1 to 86400 seconds, not '\(value)'."
  }

  private static func negative(_ arguments: [String]) -> String? {
    let joined = NegativeNumbers.joined(arguments)
    guard joined != arguments else { return nil }
    do {
      _ = try BCS.parseAsRoot(joined)
      return nil
    } catch {
      return BCS.message(for: error)
    }
  }

  /// Two flags of which one may be given.
  private static func conflict(_ text: String) -> String? {
    guard text.hasPrefix("Value to be set with") else { return nil }
    let names = text.split(separator: "'", omittingEmptySubsequences: false).enumerated()
      .filter { $0.offset % 2 == 1 }.map { String($0.element) }.filter { $0.hasPrefix("-") }
    guard names.count >= 2 else { return nil }
    return names[0] == names[1]
      ? "\(names[0]) is given twice." : "Give \(names[1]) or \(names[0]), not both."
  }

  /// The command the user meant, as far as it can be told, and its call.
  static func meant(
    _ arguments: [String]
  ) -> (command: any ParsableCommand.Type, call: String) {
    var command: any ParsableCommand.Type = BCS.self
    var call = "bcs"
    for word in arguments {
      let next = command.configuration.subcommands.first { $0._commandName == word }
      guard let next else { break }
      command = next
      call += " \(word)"
    }
    return (command, call)
  }
}
