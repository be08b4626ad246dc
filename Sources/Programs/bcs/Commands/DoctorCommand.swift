import ArgumentParser
import BinaryComm
import BusHardware
import BusJSON
import BusText
import BusWire

/// Says what the machine gives, and what is wrong.
struct DoctorCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "doctor", abstract: "Say what this machine gives, and what is wrong.",
    discussion: """
      Verdicts: ok; degraded: it works, slower or with a weaker guarantee; missing: BCS cannot \
      work. Exit code 1 when anything is missing, also when there is a router that does not \
      answer; 0 otherwise. That no router was started yet is degraded.

      Example:
        bcs doctor --explain
      """)

  @OptionGroup var common: CommonOptions
  @OptionGroup var naming: NameOptions
  @Flag(help: "Explain every item, not only those that are not ok.")
  var explain = false

  func run() throws {
    let name = try naming.resolved("doctor")
    let host = HostReport.gather().items.map {
      Finding(item: $0.name, verdict: $0.verdict, value: $0.value, meaning: $0.meaning)
    }
    let findings = [Finding.version] + BusFindings(common, name: name).all + host
    try common.json ? printLines(findings) : printTable(findings)
    let missing = findings.filter { $0.verdict == .missing }
    guard missing.isEmpty else {
      throw Failure(
        "\(missing.count) of \(findings.count) items are missing: "
          + missing.map(\.item).joined(separator: ", ") + ".",
        remedy: "Each item's meaning says what to do.", name: "MISSING")
    }
  }

  private func printLines(_ findings: [Finding]) throws {
    var listing = TextTable(
      [Column("item"), Column("verdict"), Column("value"), Column("meaning")], empty: "")
    listing.rows = findings.map { finding in
      [
        .text(finding.item), .text(finding.verdict.rawValue), .text(finding.value),
        .text(finding.meaning),
      ]
    }
    try common.show(listing)
  }

  private func printTable(_ findings: [Finding]) throws {
    let style = Style.output
    let width = findings.map(\.item.count).max() ?? 0
    var text: TerminalText = ""
    for finding in findings {
      let verdict = finding.verdict.rawValue
      let gap = String(repeating: " ", count: 10 - verdict.count)
      let name = finding.item + String(repeating: " ", count: width - finding.item.count)
      text += "\(style.byMeaning(verdict))\(gap)\(name)  \(finding.value.printable)\n"
      if explain || finding.verdict != .ok {
        let indent = String(repeating: " ", count: 10)
        let room = max(40, (Terminal.width ?? 100) - indent.count)
        for line in TextWrap.wrap(finding.meaning, width: room) {
          text += "\(indent)\(style.paint(line, .faint))\n"
        }
      }
    }
    try Output.write(text)
  }
}

/// One line of what the doctor found.
struct Finding {
  let item: String
  let verdict: HostVerdict
  let value: String
  let meaning: String

  static var version: Finding {
    Finding(
      item: "bcs.version", verdict: .ok, value: ProgramVersion.banner,
      meaning: "Router and agents must have the same layout version.")
  }
}

/// What the doctor finds about the run directory and the router in it.
struct BusFindings {
  private let state: RunDirectoryState
  private let common: CommonOptions
  private let name: String

  init(_ common: CommonOptions, name: String) {
    self.name = name
    self.common = common
    state = RunDirectoryState(RunDirectory.resolve(common.dir), trusting: common.trust.user)
  }

  var all: [Finding] { [directory, router] }

  private var directory: Finding {
    let (verdict, value, meaning): (HostVerdict, String, String) =
      switch state.directory {
      case .absent:
        (.ok, "\(state.path): not there yet", "A router that starts makes it.")
      case .ours:
        (
          .ok,
          "\(state.path)"
            + (RouterProbe.process(in: state.path) == nil ? "" : ", with a router's lock"),
          "It belongs to you, and nobody else may change it."
        )
      case .wrong(let what, let remedy):
        (.missing, "\(state.path): \(what)", "No router starts and no agent connects. \(remedy)")
      }
    return Finding(item: "run.directory", verdict: verdict, value: value, meaning: meaning)
  }

  private var router: Finding {
    func finding(_ verdict: HostVerdict, _ value: String, _ meaning: String) -> Finding {
      Finding(item: "run.router", verdict: verdict, value: value, meaning: meaning)
    }
    guard state.directory == .ours, state.hasSocket else {
      return finding(.degraded, "none", "Agents cannot register: start a router with `bcs up`.")
    }
    do {
      let session = try Session.open(common, name: name, wait: 1)
      defer { session.agent.close() }
      let row = try session.agent.query(.router).first ?? [:]
      let agents = row["agents"] ?? "?"
      return finding(
        .ok, "pid \(row["pid"] ?? "?"), \(agents) agents, policy \(row["policy"] ?? "?")",
        "A router answers.")
    } catch {
      let failure = Failure(error)
      guard failure?.name != BusErrorCode.denied.name else {
        return finding(
          .ok, "answers, and lets no \(name) in",
          "A router answers; its policy has no such agent: give one it has with --name.")
      }
      return finding(.missing, "does not answer", silence(failure?.message ?? "\(error)"))
    }
  }

  /// Why a router that should be there does not answer, and what to do.
  private func silence(_ words: String) -> String {
    guard let router = RouterProbe.process(in: state.path) else {
      return "\(words). No process holds \(state.path)/router.lock: the router was killed. Start "
        + "one with `bcs up`; agents that live come back to it."
    }
    return router.isStopped
      ? "The router, process \(router.pid), is stopped: `kill -CONT \(router.pid)` lets it go on."
      : "\(words). The router is process \(router.pid): look at its log and at what it does."
  }
}
