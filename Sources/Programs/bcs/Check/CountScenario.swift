import BinaryComm
import BusJSON
import BusSystem
import Glibc

/// Publishers and readers of numbered messages on one stage, and what readers have to report.
final class CountScenario {
  let name: String
  let stage: CheckEnvironment
  let channel: String
  private(set) var all: [ChildOutput] = []

  init(_ name: String, _ stage: CheckEnvironment) {
    self.name = name
    self.stage = stage
    channel = "check-\(getpid())"
  }

  func publisher(_ who: String, count: Int, _ more: [String] = []) throws -> ChildOutput {
    let tap = try stage.start(
      who,
      [
        "check", "role-publish-count", "--channel", channel, "--name", agent(who),
        "--count", "\(count)",
      ] + more, input: .pipe)
    all.append(tap)
    return tap
  }

  func reader(_ who: String, _ more: [String] = []) throws -> ChildOutput {
    let tap = try stage.start(
      who,
      ["check", "role-read-count", "--channel", channel, "--name", agent(who)] + more)
    all.append(tap)
    try stage.await("ready", of: [tap], among: all)
    return tap
  }

  /// The agent's name of a publisher or reader.
  func agent(_ who: String) -> String {
    "\(channel).\(who.split(separator: " ").joined(separator: "-"))"
  }

  /// Reads from all until a child has told of at least that many messages.
  func wait(for tap: ChildOutput, at count: Int) throws {
    _ = try ChildOutput.pump(all, stage.watchdog) {
      tap.hasEnded || tap.last("at").flatMap { Int($0) } ?? 0 >= count
    }
  }

  /// Reads from all until these have ended; false when they hang.
  func wait(forEndOf taps: [ChildOutput]) throws -> Bool {
    try ChildOutput.pump(all, stage.watchdog) { taps.allSatisfy(\.hasEnded) }
  }

  /// What a reader reports against what it must have received of each publisher.
  func judge(
    _ reader: ChildOutput, hung: Bool = false, evicted: Int = 0,
    expecting: [String: ClosedRange<Int>]
  ) -> CheckResult {
    let facts = reader.facts("end")
    var problems: [String] = hung ? ["it hung"] : []
    if !hung && reader.child.wait(.seconds(5)) != .exit(0) {
      problems.append("it did not end with code 0")
    }
    for (who, range) in expecting.sorted(by: { $0.key < $1.key }) {
      let got = Int(reader.last("from \(agent(who))") ?? "0") ?? 0
      if !range.contains(got) {
        problems.append("\(got) of \(who), expected \(range.lowerBound) to \(range.upperBound)")
      }
    }
    if facts["torn"] != 0 { problems.append("torn messages") }
    if facts["disorder"] != 0 {
      let first = reader.last("disorder") ?? "unknown"
      problems.append("messages out of order or a wrong gap, first: \(first)")
    }
    if facts["evicted"] != evicted {
      problems.append("evicted \(facts["evicted"] ?? -1) times, expected \(evicted)")
    }
    let names = ["received", "gaps", "torn", "disorder", "evicted", "void", "void_wrong"]
    return CheckResult(
      name, reader.name, names.compactMap { key in facts[key].map { (key, .integer($0)) } },
      problem: problems.isEmpty ? nil : problems.joined(separator: "; "))
  }

  /// That a publisher went on to its end.
  func judge(publisher: ChildOutput, count: Int, hung: Bool) -> CheckResult {
    let done = publisher.facts("published")["messages"]
    return CheckResult(
      name, publisher.name, [("messages", .integer(done ?? 0))],
      problem: hung ? "it hung" : done == count ? nil : "it did not publish all \(count)")
  }
}
