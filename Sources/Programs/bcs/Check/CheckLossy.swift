import ArgumentParser

/// A slow lossy reader: what it got and what it lost is what was sent.
struct CheckLossy: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "lossy", abstract: "Count what a slow lossy reader gets and loses.",
    discussion: """
      One publisher, a lossy reader at a tenth of its speed and one that keeps up: for both, \
      received + gaps is what was sent, exactly.
      """)

  @OptionGroup var common: CommonOptions
  @Option(name: .shortAndLong, help: "Messages to publish.") var count = 50_000

  func validate() throws {
    guard (1000...100_000_000).contains(count) else {
      throw ValidationError("--count is 1000 to 100000000, not \(count).")
    }
  }

  func run() throws {
    Interrupt.beGraceful()
    var verdicts = CheckResults(common)
    let stage = try CheckEnvironment(common)
    let outcome = Result { try play(CountScenario("lossy", stage), &verdicts) }
    let left = try stage.end()
    try outcome.get()
    if let left { try verdicts.add(left) }
    try verdicts.conclude()
  }

  private func play(_ scene: CountScenario, _ verdicts: inout CheckResults) throws {
    let quick = try scene.reader("quick", ["--lossy"])
    // 50 messages each 10 ms are a tenth of 50,000 a second.
    let slow = try scene.reader("slow", ["--lossy", "--limit", "50", "--pause-ms", "10"])
    let publisher = try scene.publisher(
      "publisher", count: count, ["--rate", "50000", "--report", "100"])
    let isDone = try scene.wait(forEndOf: scene.all)
    try verdicts.add(scene.judge(publisher: publisher, count: count, hung: !publisher.hasEnded))
    for reader in [quick, slow] {
      let facts = reader.facts("end")
      let sum = (facts["received"] ?? 0) + (facts["gaps"] ?? 0)
      var verdict = scene.judge(reader, hung: !isDone && !reader.hasEnded, expecting: [:])
      if verdict.problem == nil, sum != count {
        verdict = verdict.failing("received + gaps is \(sum), \(count) were sent")
      }
      if verdict.problem == nil, reader === slow, facts["gaps"] == 0 {
        verdict = verdict.failing("it lost nothing, so nothing was shown: raise --count")
      }
      try verdicts.add(verdict)
    }
  }
}
