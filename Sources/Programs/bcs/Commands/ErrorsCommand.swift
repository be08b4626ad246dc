import ArgumentParser
import BusJSON
import BusText
import BusWire

/// Explains the errors of the bus.
struct ErrorsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "errors", abstract: "List the errors of the bus, or explain one.",
    discussion: "Examples:\n  bcs errors\n  bcs errors NO_ROUTER\n  bcs errors 6")

  @OptionGroup var common: CommonOptions
  @Argument(help: "The number or the name of an error, such as 3 or no-router.")
  var error: String?

  func run() throws {
    guard let error else {
      var listing = Listing(
        [
          Column("code", "CODE", isNumber: true), Column("name", "NAME"),
          Column("exit", "EXIT", isNumber: true), Column("meaning", "MEANING"), Column("remedy"),
        ], empty: "")
      listing.rows = BusErrorCode.allCases.map(row)
      return try common.show(listing)
    }
    guard let code = find(error) else {
      let names = BusErrorCode.allCases.map(\.name)
      let near = Spelling.nearest(to: error.uppercased(), among: names)
      throw Failure.usage(
        "There is no error '\(error.printable)'.",
        remedy: near.map { "Did you mean \($0)?" } ?? "`bcs errors` lists all of them.")
    }
    if common.json {
      let names = ["code", "name", "exit", "meaning", "remedy"]
      return try Output.write(JSONValue.line(Array(zip(names, row(code)))) + "\n")
    }
    try Output.write(
      """
      \(code.name) (code \(code.rawValue), exit code \(code.exitCode))
      \(code.meaning)
      \(code.remedy)

      """)
  }

  private func find(_ text: String) -> BusErrorCode? {
    UInt16(text).flatMap(BusErrorCode.init(rawValue:)) ?? BusErrorCode(name: text)
  }

  private func row(_ code: BusErrorCode) -> [JSONValue] {
    [
      .integer(Int(code.rawValue)), .text(code.name), .integer(Int(code.exitCode)),
      .text(code.meaning), .text(code.remedy),
    ]
  }
}
