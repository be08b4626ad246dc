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
    let found = Found(error)
    guard !found.isEmpty else {
      let names = BusErrorCode.allCases.map(\.name)
      let near = Spelling.nearest(to: error.uppercased(), among: names)
      throw Failure.usage(
        "There is no error '\(error.printable)'.",
        remedy: near.map { "Did you mean \($0)?" } ?? "`bcs errors` lists all of them.")
    }
    try common.json ? printLines(found) : printText(found)
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
