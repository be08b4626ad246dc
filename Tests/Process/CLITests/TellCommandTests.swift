import BinaryComm
import BusTestSupport
import Foundation
import Glibc
import ProcessSupport
import Testing

@Suite("bcs tell that does not reach all, and bcs pub that waits", .serialized)
struct TellCommandTests {
  @Test("members that did not get a message are named, five of them and how many more there are")
  func missed() async throws {
    try await Watchdog.bounding("a team that is too large for a quota", seconds: 120) {
      // Room for logs to some of the members.
      let bus = try ClientBus(["--agent-quota", "256KiB"])
      var members: [Agent] = []
      let names = (0..<12).map { "member\($0)" }
      for name in names {
        let agent = try bus.agent(name)
        try await agent.join(team: "crew")
        members.append(agent)
      }
      let words = ["tell", "crew", "x", "--team", "--dir", bus.directory]
      let text = try Child.run(try Programs.path("bcs"), words, timeout: .seconds(60))
      let count = try #require(Int(Self.word(text.stderr, after: "RESOURCE_EXHAUSTED: ")))
      #expect(count > 5 && count < 12 && text.stderr.contains(" and \(count - 5) more)"), "\(text)")
      #expect(names.count { text.stderr.contains("\($0),") || text.stderr.contains("\($0) ") } == 5)
      let json = try Child.run(try Programs.path("bcs"), words + ["--json"], timeout: .seconds(60))
      let told = try #require(try jsonLines(json.stderr).last)
      let missed = try #require(told["missed"] as? [String])
      #expect(Set(missed).count == 5 && Set(missed).isSubset(of: names), "\(json)")
      for agent in members { agent.close() }
    }
  }

  /// The first word behind some text.
  private static func word(_ text: String, after start: String) -> String {
    guard let range = text.range(of: start) else { return "" }
    return String(text[range.upperBound...].prefix { $0 != " " })
  }

  @Test("a wait for a reader goes on while the router does not answer")
  func silentRouter() throws {
    try Watchdog.bounding("a wait for a reader and a router", seconds: 120) {
      let dir = try TemporaryDirectory("cli")
      let bus = try CLIBus(dir.path)
      let writer = try bus.start("pub", "a", "late", "--wait-for-reader", "--timeout", "100")
      defer { writer.kill() }
      while writer.isRunning, try !bus.run("channel").stdout.contains("cli.pub") { breathe() }
      kill(bus.routerPID, SIGSTOP)
      while writer.isRunning, !writer.stderrSoFar.contains("no router answers") { breathe() }
      kill(bus.routerPID, SIGCONT)
      #expect(writer.isRunning)
      let reader = try bus.subscriber("a", "--count", "1")
      #expect(try writer.wait(timeout: .seconds(60)).succeeded)
      #expect(try reader.wait(timeout: .seconds(60)).stdout.contains("late"))
    }
  }
}
