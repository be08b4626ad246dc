import BusJSON
import BusText

/// One line of a check: who passed or failed at what, with the facts.
struct CheckResult {
  let scenario: String
  let who: String
  let facts: [(String, JSONValue)]
  /// What is wrong; nil when it passed.
  let problem: String?

  init(
    _ scenario: String, _ who: String, _ facts: [(String, JSONValue)] = [], problem: String? = nil
  ) {
    self.scenario = scenario
    self.who = who
    self.facts = facts
    self.problem = problem
  }

  /// The line as it is to be printed.
  func line(asJSON: Bool, style: Style) -> TerminalText {
    let word = problem == nil ? "PASS" : "FAIL"
    if asJSON {
      let head: [(String, JSONValue)] = [
        ("verdict", .text(word)), ("scenario", .text(scenario)), ("who", .text(who)),
      ]
      return JSONValue.line(head + facts + [("problem", problem.map { .text($0) } ?? .null)])
    }
    let shown = facts.map { "\($0) \($1.shown)" }.joined(separator: ", ")
    let tail: TerminalText = problem.map { ": \(TerminalText.entry($0))" } ?? ""
    let about: TerminalText = shown.isEmpty ? "" : "  \(shown)"
    return "\(style.byMeaning(word))  \(scenario): \(who)\(about)\(tail)"
  }
}

/// The verdicts of a check, printed as they come.
struct CheckResults {
  private let common: CommonOptions
  private var failures = 0
  private var count = 0

  init(_ common: CommonOptions) { self.common = common }

  /// Prints a verdict.
  mutating func add(_ verdict: CheckResult) throws {
    count += 1
    if verdict.problem != nil { failures += 1 }
    try Output.write(verdict.line(asJSON: common.json, style: .output) + "\n")
  }

  /// Ends the check: a failure when any verdict is one, or when there is none at all.
  func conclude() throws {
    guard failures == 0, count > 0 else {
      throw Failure(
        count == 0 ? "Nothing was checked." : "\(failures) of \(count) verdicts are failures.",
        remedy: "The lines above say which; run again with --log-level debug.", name: "CHECK")
    }
  }
}

extension CheckResult {
  /// The same line as a failure.
  func failing(_ problem: String) -> CheckResult {
    CheckResult(scenario, who, facts, problem: problem)
  }
}
