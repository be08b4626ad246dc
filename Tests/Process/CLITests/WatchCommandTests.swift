import BusTestSupport
import Foundation
import ProcessSupport
import Testing

/// bcs stat, top and metrics as a person or a script calls them.
@Suite("bcs stat, top and metrics", .serialized)
struct WatchCommandTests {
  @Test("stat shows who sends what to whom, and that it adds up, also as JSON")
  func stat() throws {
    let dir = try TemporaryDirectory("watch")
    let bus = try CLIBus(dir.path)
    let reader = try bus.subscriber("alerts.>", "--lossless", "--raw", "--name", "reader")
    let publisher = try bus.start(
      "pub", "alerts.disk", "full", "--count", "100000", "--rate", "500", "--name", "feed")
    var lines: [[String: Any]] = []
    while lines.count(where: { $0["kind"] as? String == "traffic" }) < 2 {
      let result = try bus.run("stat", "--json", "--interval", "0.3")
      #expect(result.succeeded, "\(result)")
      lines = try jsonLines(result.stdout)
    }
    let sent = try #require(lines.first { $0["direction"] as? String == "out" })
    let received = try #require(lines.first { $0["direction"] as? String == "in" })
    let balance = try #require(lines.first { $0["kind"] as? String == "balance" })
    #expect(sent["agent"] as? String == "feed" && received["agent"] as? String == "reader")
    #expect(sent["messages_per_second"] as? Double ?? 0 > 0)
    #expect(received["mode"] as? String == "lossless" && received["lost"] as? Int == 0)
    #expect(balance["channel"] as? String == "alerts" && balance["balance"] as? String == "ok")
    let parts = ["delivered", "pending", "gaps", "dropped"].map { balance[$0] as? Int ?? -1 }
    #expect(balance["sent"] as? Int == parts.reduce(0, +))
    let table = try bus.run("stat", "--interval", "0.1")
    #expect(table.succeeded && table.stdout.contains("BALANCE") && table.stdout.contains(" ok"))
    publisher.kill()
    reader.kill()
  }

  @Test("metrics print what promtool finds no fault in, with the original's two names")
  func metrics() throws {
    let dir = try TemporaryDirectory("watch")
    let bus = try CLIBus(dir.path)
    let reader = try bus.subscriber("alerts.>", "--raw")
    #expect(try bus.run("pub", "alerts.a", "x", "--count", "50").succeeded)
    let text = try bus.run("metrics", "--interval", "0.1").stdout
    let names = ["msg_throughput ", "msg_latency_p99 ", "bcs_messages_received_total{"]
    for name in names {
      #expect(text.split(separator: "\n").contains { $0.hasPrefix(name) }, "\(name)")
    }
    let tool = ProcessInfo.processInfo.environment["BCS_PROMTOOL"] ?? "promtool"
    let checked = try Child.run(tool, ["check", "metrics"], input: .bytes(Array(text.utf8)))
    #expect(checked.succeeded && checked.stderr.isEmpty, "\(checked)")
    reader.kill()
  }

  @Test("what cannot work ends with its exit code and says what to do")
  func refusals() throws {
    let dir = try TemporaryDirectory("watch")
    let nobody = try TemporaryDirectory("watch")
    let bus = try CLIBus(dir.path)
    let noTerminal = try bus.run("top")
    #expect(noTerminal.exit == .code(64) && noTerminal.stderr.contains("--once"))
    let noOnce = try bus.run("top", "--json")
    #expect(noOnce.exit == .code(64) && noOnce.stderr.contains("--once"))
    #expect(try bus.run("metrics", "--json").exit == .code(64))
    #expect(try bus.run("top", "--once", "--sort", "colour").exit == .code(64))
    for command in ["stat", "metrics", "top"] {
      #expect(try bus.run(command, "--interval", "0", "--once").exit == .code(64))
      let words = command == "top" ? [command, "--once"] : [command]
      let result = try Child.run(
        try Programs.path("bcs"), words + ["--dir", nobody.path], timeout: .seconds(60))
      #expect(result.exit == .code(69) && result.stderr.contains("bcs up"), "\(result)")
    }
    let full = try Child.run(
      "/bin/sh", ["-c", "\(Programs.path("bcs")) metrics --dir \(dir.path) > /dev/full"])
    #expect(full.exit == .code(1) && full.stderr.contains("disk"), "\(full)")
  }

  @Test("with a policy, watching takes watch: true; the refusal names it and ends with 5")
  func policy() throws {
    let dir = try TemporaryDirectory("watch")
    let file = dir.file("policy.yaml")
    try """
    agents:
      - {name: "cli.>", users: [\(getuid())], read: [">"], write: [">"]}
      - {name: operator, users: [\(getuid())], watch: true}
    """.write(toFile: file, atomically: true, encoding: .utf8)
    let bus = try CLIBus(dir.file("run"), ["--policy", file])
    for words in [["stat"], ["metrics"], ["top", "--once"]] {
      let bcs = try Programs.path("bcs")
      let call = words + ["--interval", "0.1", "--dir", bus.directory]
      let refused = try Child.run(bcs, call)
      #expect(refused.exit == .code(5) && refused.stderr.contains("watch: true"), "\(refused)")
      #expect(try Child.run(bcs, call + ["--name", "operator"]).succeeded)
    }
  }

  @Test("a router that stops after the connection leaves stat with its figures")
  func routerGone() throws {
    let dir = try TemporaryDirectory("watch")
    let bus = try CLIBus(dir.path)
    let reader = try bus.subscriber("alerts.>", "--raw", "--name", "reader")
    #expect(try bus.run("pub", "alerts.a", "x", "--count", "5").succeeded)
    let stat = try bus.start("stat", "--json", "--interval", "3", "--log-level", "debug")
    while stat.isRunning, !stat.stderrSoFar.contains("registered as") { breathe() }
    // Registered: what it asks for next, it asks for at once; the interval is long.
    for _ in 0..<100 { breathe() }
    try bus.killRouter()
    let result = try stat.wait()
    #expect(result.succeeded, "\(result)")
    #expect(try jsonLines(result.stdout).contains { $0["agent"] as? String == "reader" })
    reader.kill()
  }
}
