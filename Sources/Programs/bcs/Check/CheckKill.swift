import ArgumentParser
import BinaryComm
import BusJSON
import BusSystem
import Glibc

/// kill -9 in the middle: of a publisher, of a reader, of the router.
struct CheckKill: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "kill", abstract: "Kill a publisher, a reader and the router in the middle.",
    discussion: """
      Each time the others finish, everything that was committed arrives, nothing hangs, and \
      nothing is left behind.
      """)

  @OptionGroup var common: CommonOptions

  private static let count = 5000

  func validate() throws {
    guard common.dir == nil else {
      throw ValidationError("check kill starts routers of its own: leave --dir out.")
    }
  }

  func run() throws {
    Interrupt.beGraceful()
    var verdicts = CheckResults(common)
    for (name, play) in [
      ("kill a publisher", killPublisher), ("kill a reader", killReader),
      ("kill the router", killRouter),
    ] {
      let stage = try CheckEnvironment(common)
      let outcome = Result { try play(CountScenario(name, stage), &verdicts) }
      let left = try stage.end()
      try outcome.get()
      if let left { try verdicts.add(left.named(name)) }
    }
    try verdicts.conclude()
  }

  private func killPublisher(_ scene: CountScenario, _ verdicts: inout CheckResults) throws {
    let readers = try ["reader 1", "reader 2"].map { try scene.reader($0, ["--ends", "2"]) }
    let victim = try scene.publisher("victim", count: .max)
    let other = try scene.publisher("other", count: Self.count)
    try scene.wait(for: victim, at: Self.count / 2)
    victim.child.kill(SIGKILL)
    victim.child.wait()
    let isDone = try scene.wait(forEndOf: scene.all)
    // The pipe was read to its end: the victim committed that many, or one more it could not tell.
    let told = victim.last("at").flatMap { Int($0) } ?? 0
    try verdicts.add(scene.judge(publisher: other, count: Self.count, hung: !other.hasEnded))
    for reader in readers {
      try verdicts.add(
        scene.judge(
          reader, hung: !isDone && !reader.hasEnded,
          expecting: ["victim": told...told + 1, "other": Self.count...Self.count]))
    }
  }

  private func killReader(_ scene: CountScenario, _ verdicts: inout CheckResults) throws {
    let victim = try scene.reader("victim")
    let other = try scene.reader("other")
    let publisher = try scene.publisher("publisher", count: Self.count)
    try scene.wait(for: victim, at: 500)
    victim.child.kill(SIGKILL)
    victim.child.wait()
    let isDone = try scene.wait(forEndOf: scene.all)
    try verdicts.add(
      scene.judge(publisher: publisher, count: Self.count, hung: !publisher.hasEnded))
    try verdicts.add(
      scene.judge(
        other, hung: !isDone && !other.hasEnded,
        expecting: ["publisher": Self.count...Self.count]))
  }

  private func killRouter(_ scene: CountScenario, _ verdicts: inout CheckResults) throws {
    let reader = try scene.reader("reader")
    let publisher = try scene.publisher(
      "publisher", count: Self.count, ["--rate", "5000", "--stay"])
    try scene.wait(for: reader, at: 500)
    scene.stage.killRouter()
    // Messages go on without a router.
    let at = reader.last("at").flatMap { Int($0) } ?? 0
    try scene.wait(for: reader, at: at + 1000)
    try scene.stage.startRouter()
    let isBack = try awaitReturn(scene, of: ["reader", "publisher"])
    let late = try scene.reader("late reader", ["--lossy"])
    try scene.wait(for: publisher, at: Self.count)
    publisher.child.closeInput()
    let isDone = try scene.wait(forEndOf: scene.all)
    var verdict = scene.judge(
      publisher: publisher, count: Self.count, hung: !publisher.hasEnded)
    if !isBack { verdict = verdict.failing("agents did not come back to the new router") }
    try verdicts.add(verdict)
    try verdicts.add(
      scene.judge(
        reader, hung: !isDone && !reader.hasEnded,
        expecting: ["publisher": Self.count...Self.count]))
    let facts = late.facts("end")
    try verdicts.add(
      CheckResult(
        scene.name, late.name,
        facts.sorted { $0.key < $1.key }.map { ($0.key, .integer($0.value)) },
        problem: facts["torn"] == 0 && facts["received"] ?? 0 > 0 ? nil : "it received nothing"))
  }

  private func awaitReturn(_ scene: CountScenario, of names: [String]) throws -> Bool {
    let wanted = Set(names.map { scene.agent($0) })
    let limit = Deadline(after: .seconds(10))
    while !limit.isOver {
      let rows = try Session.ask(until: limit) { try scene.stage.rows(.agents) }
      if wanted.isSubset(of: rows?.compactMap { $0["name"] } ?? []) { return true }
      _ = try ChildOutput.pump(scene.all, Deadline(after: .milliseconds(20))) { false }
    }
    return false
  }
}

extension CheckResult {
  /// The same line under another scenario's name.
  fileprivate func named(_ scenario: String) -> CheckResult {
    CheckResult(scenario, who, facts, problem: problem)
  }
}
