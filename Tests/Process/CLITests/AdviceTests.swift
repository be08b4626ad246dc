import BinaryComm
import BusLog
import BusTestSupport
import BusWire
import Foundation
import ProcessSupport
import Testing

/// What bcs says to those who know another bus, mistype, or look at one that does not answer.
@Suite("bcs says what to do", .serialized)
struct AdviceTests {
  @Test(
    "what is no command or option is named, with what was meant, if anything was",
    arguments: [
      (["pbu", "a", "b"], "Unknown command 'pbu'. Did you mean 'pub'?"),
      (["publish", "a", "b"], "Did you mean 'pub'?"), (["subscribe", "a"], "'sub'?"),
      (["request", "a"], "'req'?"), (["ls"], "'agent'?"), (["ps"], "'agent'?"),
      (["topics"], "'channel'?"), (["monitor"], "'top'?"), (["ping"], "'doctor'?"),
      (["version"], "'--version'?"), (["help", "nosuch"], "Unknown command 'nosuch'."),
      (["help", "pbu"], "Did you mean 'pub'?"), (["agent", "ls", "--json"], "'list'?"),
      (["check", "foo"], "`bcs check` has: policy, files"),
      (["sub", "a", "--last"], "Did you mean '--latest'?"),
      (["sub", "-x"], "Unknown option '-x'"), (["sub", "a", "-x", "3"], "Unknown option '-x'"),
      (["pub", "a", "x", "--count", "-1"], "--count is at least 1, not -1"),
      (["req", "a", "x", "--timeout", "-1"], "--timeout takes more than 0"),
      (["agent", "--watch", "abc"], "--watch takes 0.1 to 86400 seconds, not 'abc'"),
      (["agent", "list", "--watch", "abc"], "not 'abc'"),
      (["sub", "a", "--lossless", "--latest"], "Give --lossless or --latest, not both."),
      (["pub", "a b", "x"], "letters and digits of any script"),
      (["sub", ""], "The pattern is empty"), (["req", "a..b"], "Token 2 of the service name"),
    ])
  func wrong(words: [String], text: String) throws {
    let result = try Child.run(try Programs.path("bcs"), words, timeout: .seconds(20))
    #expect(result.exit == .code(64), "\(result)")
    let said = result.stderr + result.stdout
    #expect(said.contains(text), "\(said)")
    #expect(!said.contains("refused: ") && !said.contains("Unexpected argument"), "\(said)")
  }

  @Test(
    "a number that is too small is named with the least one, whichever program it is given to",
    arguments: [
      (["test_latency", "--runs", "-1"], "--runs is -1: give a number from 1"),
      (["test_latency", "--payload", "1"], "from 8 (latency: 16) to"),
      (["test_latency", "--payload", "8"], "--payload 16 or more"),
      (["test_throughput", "--runs", "-1"], "--runs is -1"),
      (["msg_router", "--stall", "-1"], "--stall"), (["msg_router", "--log-most", "-1"], "-1"),
    ])
  func tooSmall(words: [String], text: String) throws {
    let result = try Child.run(
      try Programs.path(words[0]), Array(words[1...]), timeout: .seconds(20))
    #expect(result.exit == .code(64), "\(result)")
    let said = result.stderr + result.stdout
    #expect(said.contains(text) && !said.contains("Missing value"), "\(said)")
  }

  @Test(
    "far-fetched suggestions are not made",
    arguments: [["sub", "a", "--qos", "1"], ["kill"], ["retain"], ["pub", "a", "--retain"]])
  func silence(words: [String]) throws {
    let result = try Child.run(try Programs.path("bcs"), words, timeout: .seconds(20))
    #expect(result.exit == .code(64) && !result.stderr.contains("Did you mean"), "\(result)")
  }

  @Test("a pattern with another bus's wildcard is taken, and what it means here is said")
  func foreignPatterns() throws {
    let dir = try TemporaryDirectory("advice")
    let bus = try CLIBus(dir.path)
    for (pattern, sign) in [("a.#", "'>'"), ("a.+", "'*'"), ("a/b", "dots")] {
      let result = try bus.run("sub", pattern, "--timeout", "0.01")
      #expect(result.succeeded && result.stderr.contains(sign), "\(result)")
    }
    #expect(!(try bus.run("sub", "a.c+", "--timeout", "0.01")).stderr.contains("ordinary"))
  }

  @Test("a number is looked up as exit code and as error code, and both are told apart")
  func errors() throws {
    let five = try runCLI("errors", "5").stdout
    #expect(five.contains("Exit code 5: that is\n  DENIED:"))
    #expect(five.contains("RESOURCE_EXHAUSTED (code 5, exit code 6)"))
    #expect(try runCLI("errors", "69").stdout.contains("NO_ROUTER"))
    #expect(try runCLI("errors", "143").stdout.contains("SIGTERM"))
    #expect(try runCLI("errors", "77").exit == .code(64))
    let lines = try jsonLines(try runCLI("errors", "5", "--json").stdout)
    #expect(lines.map { $0["matches"] as? String } == ["exit", "code"])
  }

  @Test("an error in JSON has its remedy in a field of its own, and says nothing twice")
  func remedies() throws {
    let dir = try TemporaryDirectory("advice")
    let bus = try CLIBus(dir.path)
    let holder = try bus.subscriber("a", "--name", "holder")
    let calls = [
      try runCLI("agent", "--dir", dir.file("nobody"), "--json"),
      try bus.run("req", "nobody", "x", "--json"),
      try bus.run("sub", "a", "--name", "holder", "--json"),
      try runCLI("pub", "a..b", "x", "--json"),
    ]
    for result in calls {
      let error = try #require(try jsonLines(result.stderr).last)
      let name = try #require(error["error"] as? String)
      let (message, remedy) = (error["message"] as? String, error["remedy"] as? String)
      #expect(message?.isEmpty == false && message?.contains(name) == false, "\(error)")
      #expect(remedy?.isEmpty == false && message?.contains(remedy ?? "-") == false, "\(error)")
      let advice = (message ?? "") + (remedy ?? "")
      #expect(advice.components(separatedBy: "hoose another").count <= 2, "\(error)")
    }
    holder.kill()
  }

  @Test("whoever only looks does not wait for a router; whoever works says that it waits")
  func noRouter() throws {
    let dir = try TemporaryDirectory("advice")
    for words in [
      ["agent"], ["channel"], ["stat"], ["metrics"], ["top", "--once"], ["why", "1:2"],
    ] {
      let child = try Child.start(try Programs.path("bcs"), words + ["--dir", dir.path])
      let result = try child.wait(timeout: .seconds(30))
      #expect(result.exit == .code(69) && result.stderr.contains("bcs up"), "\(result)")
      #expect(!result.stderr.contains("waiting"))
    }
    let pub = try runCLI("pub", "a", "x", "--dir", dir.path)
    #expect(pub.exit == .code(69) && pub.stderr.contains("waiting up to 5 s for a router"))
  }

  @Test("the doctor fails where a router should answer and does not, and names its process")
  func doctor() throws {
    let dir = try TemporaryDirectory("advice")
    let bus = try CLIBus(dir.path)
    #expect(try bus.run("doctor").stdout.contains("A router answers") == false)
    kill(bus.routerPID, SIGSTOP)
    let hung = try bus.run("doctor")
    let agent = try bus.run("agent")
    kill(bus.routerPID, SIGCONT)
    #expect(hung.exit == .code(1), "\(hung)")
    #expect(hung.stdout.contains("kill -CONT \(bus.routerPID)"), "\(hung)")
    #expect(agent.exit == .code(4) && !agent.stderr.contains("`bcs agent`"), "\(agent)")
    #expect(agent.stderr.contains("bcs doctor"))
    try bus.killRouter()
    let dead = try bus.run("doctor")
    #expect(dead.exit == .code(1) && dead.stdout.contains("the router was killed"), "\(dead)")
  }

  @Test("that a policy lets the doctor not in is an answer of the router")
  func policy() throws {
    let dir = try TemporaryDirectory("advice")
    let file = dir.file("policy.yaml")
    try "agents:\n  - {name: operator, users: [\(getuid())]}\n"
      .write(toFile: file, atomically: true, encoding: .utf8)
    let bus = try CLIBus(dir.file("run"), ["--policy", file])
    let items = try jsonLines(try bus.run("doctor", "--json").stdout)
    let router = try #require(items.first { $0["item"] as? String == "run.router" })
    #expect(router["verdict"] as? String == "ok")
    #expect((router["meaning"] as? String)?.contains("--name") == true)
    let named = try jsonLines(try bus.run("doctor", "--json", "--name", "operator").stdout)
    #expect(named.contains { ($0["value"] as? String)?.contains("policy rules") == true })
  }

  @Test("stat does not say of an evicted reader that nobody publishes what it wants")
  func evicted() throws {
    try Watchdog.bounding("stat of an evicted reader", seconds: 120) {
      let dir = try TemporaryDirectory("cli")
      let bus = try CLIBus(
        dir.path, ["--stall", "0.3", "--log-first", "64K", "--log-most", "64K"])
      let reader = try bus.subscriber("a.>", "--lossless", "--name", "evictee")
      defer { reader.kill() }
      let writer = try bus.start("pub", "a.x", "--stdin-lines", "--name", "w", input: .pipe)
      defer { writer.kill() }
      writer.send("first\n")
      try reader.waitForLine(containing: "first", timeout: .seconds(20))
      #expect(reader.stop())
      let line = String(repeating: "x", count: 2000) + "\n"
      for _ in 0..<60 { writer.send(line) }
      func state() throws -> [String?] {
        try bus.queryReaders("a").map { $0["state"] as? String }
      }
      while writer.isRunning, try state() != ["evicted"] { breathe() }
      let fate = try bus.run("why", "w/a:0")
      #expect(fate.stdout.contains("what it had read before is not known"), "\(fate)")
      reader.signal(SIGCONT)
      while reader.isRunning, !reader.stderrSoFar.contains("EVICTED") { breathe() }
      while writer.isRunning, try !state().isEmpty { breathe() }
      let result = try bus.run("stat", "--interval", "0.1")
      #expect(result.stdout.contains("reads nothing of what is published"), "\(result)")
      #expect(!result.stdout.contains("nobody publishes"), "\(result)")
    }
  }

  @Test("stat lists the patterns that nobody publishes to, of agents that read others as well")
  func waiting() throws {
    let dir = try TemporaryDirectory("advice")
    let bus = try CLIBus(dir.path)
    let reader = try bus.subscriber("k.>", "--name", "kk")
    let agent = try Bus.connect(to: dir.path).register("both")
    var used = try agent.reader("used.>", mode: .lossy)
    var unused = try agent.reader("unused.*", mode: .latest)
    var publisher = try agent.publisher(on: "used")
    try publisher.publish("used.a", numbered(1))
    while try used.poll({ _ in }) == 0 { breathe() }
    let result = try bus.run("stat", "--interval", "0.1")
    let lines = result.stdout.split(separator: "\n").filter { $0.contains("nobody publishes") }
    #expect(
      result.succeeded
        && lines == [
          "kk subscribes to k.> (lossy), and nobody publishes there now.",
          "both subscribes to unused.* (latest), and nobody publishes there now.",
        ], "\(result)")
    let rows = try jsonLines(try bus.run("stat", "--json", "--interval", "0.1").stdout)
    let waiting = rows.filter { $0["kind"] as? String == "waiting" }
    #expect(waiting.map { $0["pattern"] as? String } == ["k.>", "unused.*"])
    #expect(waiting.map { $0["agent"] as? String } == ["kk", "both"])
    unused.close()
    used.close()
    agent.close()
    reader.kill()
  }

  @Test("a hundred requests leave no hundred rows")
  func folding() throws {
    let dir = try TemporaryDirectory("advice")
    let bus = try CLIBus(dir.path)
    let echo = try bus.start("reply", "echo", "--echo", "--name", "server")
    while echo.isRunning, !echo.stderrSoFar.contains("answering") { breathe() }
    for _ in 0..<12 { #expect(try bus.run("req", "echo", "x").succeeded) }
    let rows = try jsonLines(try bus.run("stat", "--json", "--interval", "0.1").stdout)
    let channels = rows.compactMap { $0["channel"] as? String }
    #expect(channels.contains("inbox.*") && !channels.contains { $0.hasPrefix("inbox.cli.req") })
    let metrics = try bus.run("metrics", "--interval", "0.1").stdout
    #expect(!metrics.contains("cli.req") && metrics.contains("channel=\"inbox.*\""))
    echo.kill()
  }
}

extension CLIBus {
  /// The readers of a channel, as `bcs channel show` lists them.
  fileprivate func queryReaders(_ channel: String) throws -> [[String: Any]] {
    try jsonLines(try run("channel", "show", channel, "--json").stdout).filter {
      $0["kind"] as? String == "reader"
    }
  }
}
