import BinaryComm
import BusTestSupport
import Foundation
import ProcessSupport
import Testing

/// Trouble with one publisher, as whoever subscribed with bcs is told of it.
@Suite("bcs sub and trouble with one publisher", .serialized)
struct PublisherTroubleTests {
  /// Bytes of address space that a process has taken.
  private static func space(_ pid: Int32) throws -> Int {
    let status = try String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8)
    let line = try #require(status.split(separator: "\n").first { $0.hasPrefix("VmSize:") })
    let words = line.split { $0 == " " || $0 == "\t" }
    return try #require(Int(words[1])) * 1024
  }

  @Test("a log that cannot be mapped is counted, others go on, and the end is a failure")
  func unmapped() throws {
    let dir = try TemporaryDirectory("problem")
    let bus = try CLIBus(dir.path, ["--agent-quota", "256M"])
    for form in [[], ["--json"]] {
      let reader = try Child.start(
        try Programs.path("bcs"),
        ["sub", "a.>", "--count", "2", "--name", "reader", "--dir", dir.path] + form)
      while reader.isRunning, try !bus.run("agent").stdout.contains("reader") { breathe() }
      let good = try Bus.connect(to: dir.path).register("good")
      var sound = try good.publisher(on: "a", options: smallLog)
      try sound.publish("a.before", numbered(0))
      try reader.waitForLine(containing: "a.before")
      // Room for what it still has to do, and not for the log that comes next.
      let limit = try Self.space(reader.pid) + 32 << 20
      let limited = try Child.run("prlimit", ["--pid", "\(reader.pid)", "--as=\(limit)"])
      #expect(limited.succeeded)
      let other = try Bus.connect(to: dir.path).register("huge")
      var huge = try other.publisher(on: "a", options: PublisherOptions(firstLogBytes: 64 << 20))
      try huge.publish("a.huge", numbered(1))
      while reader.isRunning, !reader.stderrSoFar.contains("RESOURCE_EXHAUSTED") { breathe() }
      try sound.publish("a.after", numbered(2))
      let result = try reader.wait(timeout: .seconds(20))
      #expect(result.exit == .code(6) && result.stdout.contains("a.after"), "\(result)")
      #expect(result.stderr.contains("Messages are missing: huge on a cannot be read"))
      if form.isEmpty {
        #expect(result.stderr.contains("received 2 lost 0 problems 1\n"))
      } else {
        let last = try jsonLines(result.stderr).first { $0["received"] != nil }
        #expect(last?["problems"] as? Int == 1 && last?["lost"] as? Int == 0)
      }
      [good, other].forEach { $0.close() }
    }
  }

  @Test("a subscriber that was evicted says of how many publishers, and fails")
  func evicted() throws {
    let dir = try TemporaryDirectory("problem")
    let bus = try CLIBus(dir.path, ["--stall", "0.1"])
    let reader = try bus.subscriber("a.>", "--lossless", "--raw", "--timeout", "1000")
    let agent = try Bus.connect(to: dir.path).register("fast")
    var fast = try agent.publisher(on: "a", options: smallLog)
    try fast.publish("a.x", numbered(0))
    while reader.isRunning, reader.stdoutSoFar.isEmpty { breathe() }
    #expect(reader.stop())
    for value in 0..<2000 { try fast.publish("a.x", numbered(value), timeout: .seconds(20)) }
    reader.signal(SIGCONT)
    while reader.isRunning, !reader.stderrSoFar.contains("EVICTED") { breathe() }
    let second = try bus.run("sub", "b", "--timeout", "0.1", "--json")
    #expect(second.succeeded && second.stderr.contains("\"problems\":0"))
    agent.close()
    reader.signal(SIGINT)
    let result = try reader.wait(timeout: .seconds(20))
    #expect(result.exit == .code(130) && result.stderr.contains(" problems 1\n"), "\(result)")
  }
}
