import ArgumentParser
import Glibc

/// A lossless reader that stops for longer than the router allows, in the middle of a message.
struct CheckEvict: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "evict", abstract: "Stop a lossless reader for longer than the stall budget.",
    discussion: """
      The reader is stopped while a message is lent to it. Its publisher goes on after --stall; \
      the reader is told when it wakes up, and believes nothing of what it held.
      """)

  @OptionGroup var common: CommonOptions
  @Option(help: ArgumentHelp("The router's --stall.", valueName: "seconds")) var stall = 0.5

  func validate() throws {
    guard common.dir == nil else {
      throw ValidationError("check evict starts a router of its own: leave --dir out.")
    }
    guard (0.05...10).contains(stall) else {
      throw ValidationError("--stall is 0.05 to 10 seconds here, not \(stall).")
    }
  }

  func run() throws {
    Interrupt.beGraceful()
    var verdicts = CheckResults(common)
    // One small log that cannot grow, so that the publisher soon meets the stopped reader.
    let stage = try CheckEnvironment(
      common, router: ["--stall", "\(stall)", "--log-most", "65536", "--log-first", "65536"])
    let outcome = Result { try play(CountScenario("evict", stage), &verdicts) }
    let left = try stage.end()
    try outcome.get()
    if let left { try verdicts.add(left) }
    try verdicts.conclude()
  }

  private func play(_ scene: CountScenario, _ verdicts: inout CheckResults) throws {
    let count = 20_000
    let well = try scene.reader("well reader")
    let stopped = try scene.reader("stopped reader", ["--hold-at", "1000"])
    let publisher = try scene.publisher("publisher", count: count, ["--report", "100"])
    let held = try ChildOutput.pump(scene.all, scene.stage.watchdog) { stopped.has("holding") }
    guard held else {
      throw Failure(
        "The reader never held a message.", remedy: "Run again with --log-level debug.",
        name: "CHECK")
    }
    let wentOn = try scene.wait(forEndOf: [publisher, well])
    let reached = stopped.has("end")
    stopped.child.kill(SIGCONT)
    let isDone = try scene.wait(forEndOf: [stopped])
    try verdicts.add(scene.judge(publisher: publisher, count: count, hung: !publisher.hasEnded))
    try verdicts.add(
      scene.judge(well, hung: !wentOn && !well.hasEnded, expecting: ["publisher": count...count]))
    let verdict = scene.judge(
      stopped, hung: !isDone, evicted: 1, expecting: ["publisher": 0...1000])
    try verdicts.add(reached ? verdict.failing("it was not stopped") : verdict)
  }
}
