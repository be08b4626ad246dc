import BinaryComm
import BusTestSupport
import Foundation
import Glibc
import ProcessSupport
import Testing

/// What bcs does when something goes wrong on the way.
@Suite("bcs in trouble", .serialized)
struct TroubleTests {
  @Test("Ctrl-C ends a subscription with its summary and 130")
  func interrupted() throws {
    let dir = try TemporaryDirectory("cli")
    let bus = try CLIBus(dir.path)
    let reader = try bus.subscriber("a")
    #expect(try bus.run("pub", "a", "x", "--count", "2").succeeded)
    try reader.waitForLine(containing: "/a:1]", timeout: .seconds(10))
    reader.signal(SIGINT)
    let result = try reader.wait(timeout: .seconds(10))
    #expect(result.exit == .code(130))
    #expect(result.stderr.contains("received 2 lost 0"))
  }

  @Test("a reader of the output that has enough ends the command quietly")
  func brokenPipe() throws {
    let dir = try TemporaryDirectory("cli")
    let bus = try CLIBus(dir.path)
    let bcs = try Programs.path("bcs")
    let shell = try Child.start(
      "/bin/bash",
      [
        "-c", "\(bcs) sub a --raw --dir \(dir.path) | head -c 1; exit ${PIPESTATUS[0]}",
      ])
    while shell.isRunning, !shell.stderrSoFar.contains("subscribed to") { breathe() }
    #expect(try bus.run("pub", "a", "x", "--count", "20", "--sleep", "0.02").succeeded)
    let result = try shell.wait(timeout: .seconds(20))
    #expect(result.exit == .code(0))
    #expect(!result.stderr.contains("error"))
  }

  @Test("a name that a living agent holds is refused; the router's word is passed on")
  func nameInUse() throws {
    let dir = try TemporaryDirectory("cli")
    let bus = try CLIBus(dir.path)
    let holder = try bus.subscriber("a", "--name", "me")
    let result = try bus.run("pub", "a", "x", "--name", "me")
    #expect(result.exit == .code(1))
    #expect(result.stderr.contains("NAME_IN_USE"))
    #expect(result.stderr.contains("--name"))
    holder.kill()
  }

  @Test("a payload larger than the log holds is refused with its limit")
  func tooLarge() throws {
    let dir = try TemporaryDirectory("cli")
    let bus = try CLIBus(dir.path, ["--log-most", "64K", "--log-first", "64K"])
    let bytes = [UInt8](repeating: 7, count: 100_000)
    let result = try bus.run("pub", "a", "--json", input: .bytes(bytes))
    #expect(result.exit == .code(1))
    #expect(try jsonLines(result.stderr).last?["error"] as? String == "PAYLOAD_TOO_LARGE")
    #expect(try bus.run("pub", "a", "--chunk", "8K", input: .bytes(bytes)).succeeded)
  }

  @Test("what the policy does not give ends with 5")
  func denied() throws {
    let dir = try TemporaryDirectory("cli")
    let file = dir.file("policy.yaml")
    try """
    agents:
      - name: hub
        users: [\(getuid())]
        read: [alerts]
    """.write(toFile: file, atomically: true, encoding: .utf8)
    let bus = try CLIBus(dir.file("run"), ["--policy", file])
    for words in [
      ["pub", "alerts.x", "x", "--name", "hub"], ["sub", "other", "--name", "hub"],
      ["sub", "alerts", "--lossless", "--name", "hub"], ["agent", "--name", "stranger"],
    ] {
      let result = try Child.run(
        try Programs.path("bcs"), words + ["--dir", bus.directory], timeout: .seconds(20))
      #expect(result.exit == .code(5), "\(words): \(result.stderr)")
      #expect(result.stderr.contains("DENIED"))
    }
  }

  @Test("a subscription outlives its router, says so once, and joins the next one")
  func routerDies() throws {
    let dir = try TemporaryDirectory("cli")
    let first = try CLIBus(dir.path)
    let reader = try first.subscriber("a", "--name", "reader")
    let writer = try first.start("pub", "a", "--stdin-lines", "--name", "writer", input: .pipe)
    writer.send("before\n")
    try reader.waitForLine(containing: "before", timeout: .seconds(10))
    try first.killRouter()
    writer.send("without\n")
    try reader.waitForLine(containing: "without", timeout: .seconds(10))
    let second = try CLIBus(dir.path)
    while try jsonLines(try second.run("agent", "--json").stdout).count < 3 { breathe() }
    #expect(try second.run("pub", "a", "after", "--wait-for-reader").succeeded)
    try reader.waitForLine(containing: "after", timeout: .seconds(10))
    let said = reader.stderrSoFar.split(separator: "\n").count { $0.contains("router is gone") }
    #expect(said == 1)
    #expect(reader.stderrSoFar.contains("the router is back"))
    writer.closeInput()
    #expect(try writer.wait(timeout: .seconds(10)).succeeded)
    reader.signal(SIGINT)
    #expect(try reader.wait(timeout: .seconds(10)).stderr.contains("received 3 lost 0"))
  }

  @Test("a new publisher that waits for agents of a former router is told so")
  func formerAgents() throws {
    try Watchdog.bounding("a publisher in the time of grace", seconds: 120) {
      let dir = try TemporaryDirectory("cli")
      let first = try CLIBus(dir.path)
      let reader = try first.subscriber("a", "--lossless")
      defer { reader.kill() }
      #expect(reader.stop())
      try first.killRouter()
      let second = try CLIBus(dir.path, ["--grace", "60"])
      let result = try second.run("pub", "a", "x")
      #expect(result.exit != .code(0) && result.stderr.contains("TIMEOUT"), "\(result)")
      #expect(result.stderr.contains("agents of a former router"), "\(result)")
    }
  }

  @Test("a publisher that is stopped and lets nobody in is named, now and at the end")
  func stoppedPublisher() throws {
    try Watchdog.bounding("a subscription to a stopped publisher", seconds: 120) {
      let dir = try TemporaryDirectory("cli")
      let bus = try CLIBus(dir.path)
      let writer = try bus.start("pub", "a.x", "--stdin-lines", "--name", "w", input: .pipe)
      defer { writer.kill() }
      writer.send("before\n")
      func published() throws -> Int? {
        try jsonLines(try bus.run("channel", "--json").stdout).first?["messages"] as? Int
      }
      while writer.isRunning, try published() != 1 { breathe() }
      #expect(writer.stop())
      let reader = try bus.subscriber("a.>", "--line")
      defer { reader.kill() }
      let said = "1 publisher has not let this reader in yet (stopped?): w"
      while reader.isRunning, !reader.stderrSoFar.contains(said) { breathe() }
      let late = try bus.run("sub", "a.>", "--timeout", "3")
      #expect(late.exit == .code(1) && late.stderr.contains("is missing"), "\(late)")
      writer.signal(SIGCONT)
      let one = try bus.start("sub", "a.>", "--line", "--count", "1")
      func joined() throws -> Int {
        try jsonLines(try bus.run("channel", "show", "a", "--json").stdout).count {
          $0["kind"] as? String == "reader" && $0["state"] as? String == "joined"
        }
      }
      while one.isRunning, try joined() != 2 { breathe() }
      writer.send("after\n")
      try reader.waitForLine(containing: "after", timeout: .seconds(20))
      #expect(try one.wait(timeout: .seconds(20)).succeeded)
    }
  }

  @Test("a body that needs a larger log waits for the next router, and is published there")
  func largeBodyWithoutRouter() throws {
    try Watchdog.bounding("a body without a router", seconds: 120) {
      let dir = try TemporaryDirectory("cli")
      let first = try CLIBus(dir.path)
      let reader = try first.subscriber("a")
      let writer = try first.start("pub", "a", "--stdin-lines", "--timeout", "60", input: .pipe)
      writer.send("before\n")
      try reader.waitForLine(containing: "before", timeout: .seconds(10))
      try first.killRouter()
      writer.send(String(repeating: "x", count: 40_000) + "\n")
      while writer.isRunning, !writer.stderrSoFar.contains("waiting for a router") { breathe() }
      let second = try CLIBus(dir.path)
      writer.closeInput()
      let result = try writer.wait(timeout: .seconds(90))
      #expect(result.succeeded, "\(result)")
      #expect(result.stdout.contains("published 2 messages"))
      try second.end()
    }
  }

  @Test("a publisher that goes on without a reader takes nothing with it of what others sent")
  func evictedBesideOthers() throws {
    try Watchdog.bounding("an eviction beside another publisher", seconds: 120) {
      let bus = try ClientBus(["--stall", "0.3"])
      let agents = [try bus.agent("fast"), try bus.agent("other")]
      defer { for agent in agents { agent.close() } }
      let reader = try Child.start(
        try Programs.path("bcs"), ["sub", "a", "--lossless", "--line", "--dir", bus.directory])
      while reader.isRunning, !reader.stderrSoFar.contains("subscribed to") { breathe() }
      // In this order, after which each look takes what the other one sent first.
      var fast = try agents[0].publisher(on: "a", options: smallLog)
      try fast.publish("a", Array("begin".utf8))
      try reader.waitForLine(containing: "begin")
      var other = try agents[1].publisher(on: "a", options: smallLog)
      try other.publish("a", Array("zero".utf8))
      try reader.waitForLine(containing: "zero")
      #expect(reader.stop())
      // Nobody tells the reader then: it finds out from the log.
      try bus.endRouter(SIGKILL)
      for word in ["one", "two", "three"] { try other.publish("a", Array(word.utf8)) }
      for number in 0..<2000 { try fast.publish("a", numbered(number)) }
      #expect(reader.signal(SIGCONT))
      while reader.isRunning, !reader.stderrSoFar.contains("EVICTED") { breathe() }
      try other.publish("a", Array("last".utf8))
      try reader.waitForLine(containing: "last")
      let shown = reader.stdoutSoFar
      #expect(shown == "a begin\na zero\na one\na two\na three\na last\n")
      reader.signal(SIGINT)
      #expect(try reader.wait().stderr.contains("received 6 lost 0 problems 1"))
    }
  }

  @Test("a publisher whose router went for good says that only those who were there have it all")
  func routerGoneAtTheEnd() throws {
    let dir = try TemporaryDirectory("cli")
    let bus = try CLIBus(dir.path)
    let reader = try bus.subscriber("a")
    let writer = try bus.start("pub", "a", "--stdin-lines", input: .pipe)
    writer.send("before\n")
    try reader.waitForLine(containing: "before", timeout: .seconds(10))
    try bus.killRouter()
    writer.send("without\n")
    try reader.waitForLine(containing: "without", timeout: .seconds(10))
    writer.closeInput()
    let result = try writer.wait(timeout: .seconds(30))
    #expect(result.exit == .code(69))
    #expect(result.stdout.contains("published 2 messages"))
    #expect(result.stderr.contains("The router is gone"))
  }

  @Test("logs may fill the arena: who holds it can still be seen, and more is refused clearly")
  func fullArena() throws {
    let dir = try TemporaryDirectory("cli")
    let bus = try CLIBus(dir.path, ["--arena", "2M"])
    var writers: [Child] = []
    var refusal: ChildResult?
    while refusal == nil {
      let writer = try bus.start("pub", "c\(writers.count)", "--stdin-lines", input: .pipe)
      writer.send("x\n")
      while writer.isRunning, try !streams(bus).contains("c\(writers.count)") { breathe() }
      if writer.isRunning { writers.append(writer) } else { refusal = try writer.wait() }
    }
    #expect(writers.count > 3)
    #expect(refusal?.exit == .code(6))
    #expect(refusal?.stderr.contains("raise --arena") == true)
    #expect(refusal?.stderr.contains("..") == false)
    #expect(try jsonLines(try bus.run("agent", "--json").stdout).count == writers.count + 1)
  }

  private func streams(_ bus: CLIBus) throws -> [String] {
    try jsonLines(try bus.run("channel", "--json").stdout).compactMap { $0["channel"] as? String }
  }

  @Test("a second router on a directory exits with 1 and names the first")
  func secondRouter() throws {
    let dir = try TemporaryDirectory("cli")
    let bus = try CLIBus(dir.path)
    let second = try bus.run("up")
    #expect(second.exit == .code(1))
    let demo = try bus.run("up", "--demo")
    #expect(demo.exit == .code(1))
    for result in [second, demo] { #expect(result.stderr.contains("\(bus.routerPID)")) }
    #expect(try bus.end() == .code(0))
  }
}
