import ArgumentParser
import BusJSON
import BusText
import BusWire

/// Explains the errors of the bus.
struct ErrorsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "errors", abstract: "List the errors of the bus, or explain one.",
    discussion: """
      A number is looked up twice: as an exit code, which `$?` shows, and as an error code, which \
      the API has.

      Examples:
        bcs errors
        bcs errors NO_ROUTER
        bcs errors 69
      """)

  @OptionGroup var common: CommonOptions
  @Argument(
    help: "An exit code, an error code or a name, such as 69 or no-router.",
    completion: .list(BusErrorCode.allCases.map(\.name)))
  var error: String?

  func run() throws {
    guard let error else {
      var listing = TextTable(
        [
          Column("code", "CODE", isNumber: true), Column("name", "NAME"),
          Column("exit", "EXIT", isNumber: true), Column("meaning", "MEANING", .shortens),
          Column("remedy"),
        ], empty: "")
      listing.rows = BusErrorCode.allCases.map(row)
      return try common.show(listing)
    }
    if let own = OwnError.all.first(where: { $0.isMeant(by: error) }) { return try show(own) }
    let found = Found(error)
    guard !found.isEmpty else {
      let names = BusErrorCode.allCases.map(\.name) + OwnError.all.map(\.name)
      let near = Spelling.nearest(to: error.uppercased(), among: names)
      throw Failure.usage(
        "There is no error '\(error.printable)'.",
        remedy: near.map { "Did you mean \($0)?" } ?? "`bcs errors` lists all of them.")
    }
    try common.json ? printLines(found) : printText(found)
  }

  private func show(_ own: OwnError) throws {
    guard common.json else {
      return try Output.write(
        "\(own.name) (exit code \(own.exit), of bcs itself)\n\(own.meaning)\n\(own.remedy)\n")
    }
    let line = JSONValue.line([
      ("matches", .text("name")), ("code", .null), ("name", .text(own.name)),
      ("exit", .integer(Int(own.exit))), ("meaning", .text(own.meaning)),
      ("remedy", .text(own.remedy)),
    ])
    try Output.write(line + "\n")
  }

  private func printLines(_ found: Found) throws {
    let names = ["code", "name", "exit", "meaning", "remedy"]
    for (kind, codes) in [("exit", found.byExit), ("code", found.byCode)] {
      for code in codes {
        let line = JSONValue.line([("matches", .text(kind))] + Array(zip(names, row(code))))
        try Output.write(line + "\n")
      }
    }
  }

  private func printText(_ found: Found) throws {
    var text: TerminalText = ""
    if let exit = found.exit, let meaning = found.exitMeaning {
      text += "Exit code \(exit): \(meaning)\n"
      for code in found.byExit { text += "  \(code.name): \(code.meaning)\n" }
      if !found.byCode.isEmpty { text += "\n" }
    }
    for code in found.byCode {
      text += """
        \(code.name) (code \(code.rawValue), exit code \(code.exitCode))
        \(code.meaning)
        \(code.remedy)

        """
      for cause in BusErrorCause.allCases where cause.code == code {
        text += "  \(cause) (\(Int(cause.rawValue))): \(cause.remedy)\n"
      }
    }
    try Output.write(text)
  }

  /// What a number or a name stands for: numbers of two kinds overlap.
  private struct Found {
    var exit: Int32?
    var byExit: [BusErrorCode] = []
    var byCode: [BusErrorCode] = []

    init(_ text: String) {
      if let number = Int32(text) {
        byExit = BusErrorCode.allCases.filter { $0.exitCode == number }
        byCode = UInt16(text).flatMap(BusErrorCode.init(rawValue:)).map { [$0] } ?? []
        exit = number
      } else {
        byCode = BusErrorCode(name: text).map { [$0] } ?? []
      }
    }

    var isEmpty: Bool { byCode.isEmpty && exitMeaning == nil }

    /// What an exit code says by itself; nil: no command ends with it.
    var exitMeaning: String? {
      guard let exit else { return nil }
      switch exit {
      case 0: return "done."
      case 1: return "failed; one of"
      case Failure.usage: return "the call is wrong: see --help."
      case 129: return "ended by a hangup (SIGHUP)."
      case 130: return "interrupted (Ctrl-C, SIGINT)."
      case 143: return "ended by SIGTERM."
      default: return byExit.isEmpty ? nil : byExit.count == 1 ? "that is" : "one of"
      }
    }
  }

  private func row(_ code: BusErrorCode) -> [JSONValue] {
    [
      .integer(Int(code.rawValue)), .text(code.name), .integer(Int(code.exitCode)),
      .text(code.meaning), .text(code.remedy),
    ]
  }
}

/// An error of the program, which no agent and no router tells: it has a name and no number.
private struct OwnError {
  let name: String
  let exit: Int32
  let meaning: String
  let remedy: String

  static let all = [
    OwnError(
      name: "USAGE", exit: Failure.usage,
      meaning: "The call is wrong: an option, a topic, a name, a place.",
      remedy: "The message says which; `bcs COMMAND --help` shows what there is."),
    OwnError(
      name: "INCOMPLETE", exit: 1,
      meaning: "Parts of bodies are missing or mixed: what `bcs sub` has shown is not all of them.",
      remedy: "Read with --lossless, from before the first part on, one publisher at a time."),
    OwnError(
      name: "BALANCE", exit: 1,
      meaning:
        "On a channel that `bcs stat` shows, sent is not delivered, pending, lost and dropped.",
      remedy: "The message names the agents that may say what cannot be true."),
    OwnError(
      name: "MISSING", exit: 1,
      meaning: "`bcs doctor` misses something without which BCS cannot work.",
      remedy: "Each item's meaning says what to do."),
    OwnError(
      name: "CHECK", exit: 1, meaning: "A check of `bcs check` failed.",
      remedy: "The lines above say which; run again with --log-level debug."),
    OwnError(
      name: "DEMO", exit: 1,
      meaning: "A command of `bcs up --demo` failed; the exit code is its own.",
      remedy: "Its own message says why."),
    OwnError(
      name: "ROUTER", exit: 1,
      meaning: "The router that a command started for itself did not start, or ended.",
      remedy: "Its own message above says why."),
    OwnError(
      name: "UNSTABLE", exit: 1,
      meaning: "The machine's own floor moved while `bcs bench` measured: its figures say nothing.",
      remedy: "Try again when the machine is quieter."),
    OwnError(
      name: "FAULTS", exit: 1,
      meaning: "`bcs bench` saw messages that were lost, damaged, doubled or out of order.",
      remedy: "The counts in its report say how many."),
  ]

  func isMeant(by text: String) -> Bool {
    text.uppercased().replacing("-", with: "_") == name
  }
}
