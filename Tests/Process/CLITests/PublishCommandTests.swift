import BusTestSupport
import Foundation
import ProcessSupport
import Testing

/// What is sent is what was given, and what is shown is what was sent.
@Suite("bcs pub and sub, byte for byte", .serialized)
struct PublishCommandTests {
  @Test("places to fill in are text unless --template asks, and data never has any")
  func templates() throws {
    let dir = try TemporaryDirectory("pub")
    let bus = try CLIBus(dir.file("run"))
    let reader = try bus.subscriber("a", "--json", "--count", "6")
    let text = "{{count}} {{ name }} }}{{"
    try text.write(toFile: dir.file("in"), atomically: true, encoding: .utf8)
    let input = ChildInput.bytes(Array(text.utf8))
    #expect(try bus.run("pub", "a", text).succeeded)
    #expect(try bus.run("pub", "a", "--file", dir.file("in")).succeeded)
    #expect(try bus.run("pub", "a", input: input).succeeded)
    #expect(try bus.run("pub", "a", "-", input: input).succeeded)
    #expect(try bus.run("pub", "a", "--stdin-lines", input: input).succeeded)
    #expect(try bus.run("pub", "a", "{{count}} }}{{", "--template").succeeded)
    let lines = try jsonLines(try reader.wait(timeout: .seconds(20)).stdout)
    #expect(
      lines.map { $0["payload"] as? String } == Array(repeating: text, count: 5) + ["1 }}{{"])
  }

  @Test("one dash is standard input for every command that takes a body")
  func dash() throws {
    let dir = try TemporaryDirectory("pub")
    let bus = try CLIBus(dir.path)
    let echo = try bus.start("reply", "echo", "--echo")
    let listener = try bus.start("listen", "--name", "l", "--raw", "--count", "2")
    defer { echo.kill() }
    while echo.isRunning, !echo.stderrSoFar.contains("answering") { breathe() }
    while listener.isRunning, !listener.stderrSoFar.contains("listening") { breathe() }
    let reader = try bus.subscriber("a", "--raw", "--count", "2")
    let input = ChildInput.bytes(Array("dash".utf8))
    for words in [["-"], []] {
      func run(_ first: String...) throws -> ChildResult {
        try Child.run(
          try Programs.path("bcs"), first + words + ["--dir", bus.directory], input: input,
          timeout: .seconds(30))
      }
      #expect(try run("pub", "a").succeeded)
      #expect(try run("req", "echo", "--raw").stdout == "dash")
      #expect(try run("tell", "l").stdout.contains("4 bytes"))
      #expect(try run("trace", "echo").stdout.contains("echo, 4 bytes"))
    }
    #expect(try reader.wait(timeout: .seconds(20)).stdout == "dashdash")
    #expect(try listener.wait(timeout: .seconds(20)).stdout == "dashdash")
    let empty = try bus.run("req", "echo", "--empty", "--json")
    #expect(try jsonLines(empty.stdout).first?["size"] as? Int == 0)
  }

  @Test("the name that sub shows of a message is the one that why takes")
  func names() throws {
    let dir = try TemporaryDirectory("pub")
    let bus = try CLIBus(dir.path)
    let writer = try bus.start("pub", "alerts.a", "--stdin-lines", "--name", "writer", input: .pipe)
    for _ in 0..<5 { writer.send("early\n") }
    func published() throws -> Int? {
      try jsonLines(try bus.run("channel", "--json").stdout).first?["messages"] as? Int
    }
    while writer.isRunning, try published() != 5 { breathe() }
    let reader = try bus.subscriber("alerts.>", "--lossless", "--name", "reader")
    defer { reader.kill() }
    writer.send("late\n")
    let line = try reader.waitForLine(containing: "alerts.a", timeout: .seconds(20))
    let name = try #require(line.split(separator: "]").first).dropFirst()
    #expect(name == "writer/alerts:5")
    func why() throws -> String? {
      try jsonLines(try bus.run("why", String(name), "--json").stdout).first?["fate"] as? String
    }
    while reader.isRunning, try why() != "delivered" { breathe() }
    writer.closeInput()
    #expect(try writer.wait(timeout: .seconds(20)).succeeded)
  }

  @Test("under a policy with deeper channels, too, the name of a message is one that why finds")
  func deepNames() throws {
    try Watchdog.bounding("names of messages on deeper channels", seconds: 120) {
      let dir = try TemporaryDirectory("pub")
      let file = dir.file("policy.yaml")
      let policy = """
        agents:
          - name: ">"
            users: [\(getuid())]
            read: [">"]
            write: [">"]
        channels:
          - alerts.disk
        """
      try policy.write(toFile: file, atomically: true, encoding: .utf8)
      let bus = try CLIBus(dir.file("run"), ["--policy", file])
      let readers = try [[], ["--json"]].map { form in
        let child = try Child.start(
          try Programs.path("bcs"), ["sub", "alerts.>", "--dir", bus.directory] + form)
        while child.isRunning, !child.stderrSoFar.contains("subscribed to") { breathe() }
        return child
      }
      let writer = try bus.start(
        "pub", "alerts.disk.full", "--stdin-lines", "--name", "w", input: .pipe)
      defer { (readers + [writer]).forEach { $0.kill() } }
      writer.send("now\n")
      try readers[0].waitForLine(containing: "[w/alerts.disk:0]", timeout: .seconds(20))
      let line = try readers[1].waitForLine(containing: "payload", timeout: .seconds(20))
      #expect(try jsonLines(String(line)).first?["id"] as? String == "w/alerts.disk:0")
      func fates() throws -> [String?] {
        try jsonLines(try bus.run("why", "w/alerts.disk:0", "--json").stdout).map {
          $0["fate"] as? String
        }
      }
      while writer.isRunning, try fates() != ["delivered", "delivered"] { breathe() }
      #expect(try bus.run("why", "w/alerts.disk:0").succeeded)
    }
  }

  @Test("no payload can look like the line about another message")
  func forged() throws {
    let dir = try TemporaryDirectory("pub")
    let bus = try CLIBus(dir.path)
    let forgery = "one\n\n[boss/a:9] a at 2026-01-01T00:00:00Z, 3 B\n\u{2028}two\r\n\u{1B}[2J"
    let readers = try [[], ["--line"]].map { form in
      let child = try Child.start(
        try Programs.path("bcs"), ["sub", "a", "--count", "3", "--dir", bus.directory] + form)
      while child.isRunning, !child.stderrSoFar.contains("subscribed to") { breathe() }
      return child
    }
    let listener = try bus.start("listen", "--name", "l", "--count", "1")
    while listener.isRunning, !listener.stderrSoFar.contains("listening") { breathe() }
    #expect(try bus.run("pub", "a", forgery, "--name", "w").succeeded)
    #expect(try bus.run("pub", "a", "--name", "w", input: .bytes([0xFF, 0])).succeeded)
    #expect(try bus.run("pub", "a", "[boss/a:9] a at noon", "--name", "w").succeeded)
    #expect(try bus.run("tell", "l", "one\nmessage from boss to l: two").succeeded)
    let shown = try readers[0].wait(timeout: .seconds(20)).stdout
    let heads = shown.split(separator: "\n").filter { $0.hasPrefix("[") }
    #expect(heads.count == 3 && heads.allSatisfy { $0.hasPrefix("[w/a:0] a at ") })
    #expect(shown.contains("\n  [boss/a:9] a at noon\n"))
    #expect(shown.contains("(binary, 2 bytes) ff 00"))
    #expect(!shown.contains("\u{1B}") && !shown.contains("\u{2028}") && !shown.contains("\r"))
    let lines = try readers[1].wait(timeout: .seconds(20)).stdout.split(separator: "\n")
    #expect(lines.count == 3 && lines.allSatisfy { $0.hasPrefix("a ") })
    let told = try listener.wait(timeout: .seconds(20)).stdout.split(separator: "\n")
    #expect(told.filter { $0.hasPrefix("message from") }.count == 1)
  }

  @Test("times are of UTC, or of the zone of the process")
  func zone() throws {
    let dir = try TemporaryDirectory("pub")
    let bus = try CLIBus(dir.path)
    let readers = try [[], ["--local"]].map { form in
      let child = try Child.start(
        try Programs.path("bcs"), ["sub", "a", "--count", "1", "--json", "--dir", dir.path] + form,
        environment: ["TZ": "EAST-05:30"])
      while child.isRunning, !child.stderrSoFar.contains("subscribed to") { breathe() }
      return child
    }
    #expect(try bus.run("pub", "a", "x").succeeded)
    let times = try readers.map {
      let row = try jsonLines(try $0.wait(timeout: .seconds(20)).stdout).first
      return try #require(row?["time"] as? String)
    }
    let format = ISO8601DateFormatter()
    // The fraction is the same for both, and this parser knows milliseconds at most.
    func seconds(_ time: String) -> Date? {
      format.date(from: time.replacing(/\.[0-9]+/, with: ""))
    }
    #expect(times[0].hasSuffix("Z") && times[1].hasSuffix("+05:30"))
    #expect(seconds(times[0]) != nil && seconds(times[0]) == seconds(times[1]))
  }

  @Test("a publisher that fails on the way says how far it came", arguments: [false, true])
  func partWay(isJSON: Bool) throws {
    let dir = try TemporaryDirectory("pub")
    let bus = try CLIBus(dir.path)
    let reader = try bus.subscriber("a", "--lossless", "--raw", "--name", "reader")
    #expect(reader.stop())
    let result = try Child.run(
      try Programs.path("bcs"),
      ["pub", "a", "x", "--count", "300000", "--timeout", "0.5", "--dir", bus.directory]
        + (isJSON ? ["--json"] : []), timeout: .seconds(60))
    #expect(result.exit == .code(6))
    let words = result.stdout.split(separator: " ")
    let count =
      try isJSON
      ? jsonLines(result.stdout).first?["messages"] as? Int : words.count > 1 ? Int(words[1]) : nil
    #expect(isJSON || result.stdout.contains(" of 300000 messages"))
    let published = try #require(count)
    #expect(published > 0 && published < 300_000)
    reader.signal(SIGCONT)
    while reader.isRunning, reader.stdoutSoFar.utf8.count < published { breathe() }
    reader.signal(SIGTERM)
    let read = try reader.wait(timeout: .seconds(20))
    #expect(read.stderr.contains("received \(published) lost 0"))
  }

  @Test("a rate is not exceeded to make up for a time in which there was nothing to publish")
  func rateAfterIdle() throws {
    try Watchdog.bounding("a rate after an idle time", seconds: 120) {
      let dir = try TemporaryDirectory("pub")
      let bus = try CLIBus(dir.path)
      let reader = try bus.subscriber("a", "--line", "--count", "6")
      defer { reader.kill() }
      let writer = try bus.start("pub", "a", "--stdin-lines", "--rate", "2", input: .pipe)
      defer { writer.kill() }
      writer.send("first\n")
      try reader.waitForLine(containing: "first", timeout: .seconds(20))
      // So long that all of the next five would be due.
      let gap = Duration.milliseconds(500)
      Thread.sleep(forTimeInterval: 3)
      let began = ContinuousClock.now
      writer.send("next\nnext\nnext\nnext\nnext\n")
      writer.closeInput()
      #expect(try reader.wait(timeout: .seconds(20)).succeeded)
      // The first of them is due at once, the second may be.
      #expect(ContinuousClock.now - began >= gap * 3)
    }
  }

  @Test("a publisher that has no memory left sleeps between its tries")
  func noMemory() throws {
    let dir = try TemporaryDirectory("pub")
    let bus = try CLIBus(dir.file("run"))
    try Data(count: 3_000_000).write(to: URL(fileURLWithPath: dir.file("big")))
    let bcs = try Programs.path("bcs")
    let line = "ulimit -v 100000; exec \(bcs) pub l.y --file \(dir.file("big")) --timeout 2"
    let writer = try Child.start("/bin/bash", ["-c", line + " --dir \(bus.directory)"])
    var sleeps = 0
    while writer.isRunning {
      let path = "/proc/\(writer.pid)/task/\(writer.pid)/status"
      let status = (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
      let row = status.split(separator: "\n").first { $0.hasPrefix("voluntary_ctxt_switches") }
      sleeps = row.flatMap { Int($0.split(separator: "\t").last ?? "") } ?? sleeps
      breathe()
    }
    #expect(try writer.wait(timeout: .seconds(20)).exit == .code(6))
    #expect(sleeps > 100)
  }

  @Test("a name that nobody has is called so, and a default name that is refused is shown")
  func words() throws {
    let dir = try TemporaryDirectory("pub")
    let file = dir.file("policy.yaml")
    try "agents:\n  - name: hub\n    users: [\(getuid())]\n".write(
      toFile: file, atomically: true, encoding: .utf8)
    let closed = try CLIBus(dir.file("closed"), ["--policy", file])
    let denied = try closed.run("sub", "a")
    #expect(denied.exit == .code(5))
    #expect(denied.stderr.contains("cli.sub.") && denied.stderr.contains("--name"))
    let bus = try CLIBus(dir.file("open"))
    let nobody = try bus.run("tell", "nobody", "x")
    #expect(nobody.exit == .code(3) && nobody.stderr.contains("There is no agent named 'nobody'"))
    let team = try bus.run("tell", "nobody", "x", "--team")
    #expect(team.exit == .code(3) && team.stderr.contains("has no members"))
    let holder = try bus.subscriber("a", "--name", "me")
    defer { holder.kill() }
    let taken = try bus.run("pub", "a", "x", "--name", "me").stderr
    #expect(taken.components(separatedBy: "hoose another").count == 2)
  }
}
