import BinaryComm
import BusTestSupport
import Foundation
import ProcessSupport
import Testing

/// Where a message went, and what became of it.
@Suite("bcs trace and why", .serialized)
struct TraceCommandTests {
  @Test("a trace shows the way there and back, and its parts add up")
  func trace() throws {
    let dir = try TemporaryDirectory("cli")
    let bus = try CLIBus(dir.path)
    let echo = try bus.start("reply", "adder", "--name", "adder", "--echo")
    defer { echo.kill() }
    while echo.isRunning, !echo.stderrSoFar.contains("answering") { breathe() }
    let text = try bus.run("trace", "adder", "hello")
    #expect(text.succeeded && text.stdout.contains("adder (process \(echo.pid))"))
    let result = try bus.run("trace", "adder", "hello", "--json", "--priority", "0")
    let row = try #require(try jsonLines(result.stdout).first)
    #expect(row["responder"] as? String == "adder" && row["reply_bytes"] as? Int == 5)
    #expect(row["lane"] as? String == "urgent" && row["request_stream"] is Int)
    let parts = ["prepare_ns", "there_and_work_ns", "back_ns"].compactMap { row[$0] as? Int }
    #expect(parts.count == 3 && parts.reduce(0, +) == row["total_ns"] as? Int)
    #expect(try bus.run("trace", "nobody", "x").exit == .code(3))
  }

  @Test("why tells delivered from pending and from what came before a reader")
  func why() throws {
    let dir = try TemporaryDirectory("cli")
    let bus = try CLIBus(dir.path)
    let writer = try bus.start("pub", "a.b", "--stdin-lines", input: .pipe)
    func publish(_ count: Int) {
      for _ in 0..<count { writer.send("x\n") }
    }
    func stream() throws -> [String: Any]? {
      try jsonLines(try bus.run("channel", "--json").stdout).first {
        $0["channel"] as? String == "a"
      }
    }
    func waitFor(_ messages: Int) throws {
      while writer.isRunning, try stream()?["messages"] as? Int != messages { breathe() }
    }
    publish(3)
    try waitFor(3)
    let id = try #require(try stream()?["stream"] as? Int)
    let reader = try bus.subscriber("a.>", "--lossless", "--name", "reader")
    defer { reader.kill() }
    publish(3)
    try waitFor(6)
    try reader.waitForLine(containing: "/a:5]", timeout: .seconds(10))
    func fate(_ number: Int) throws -> String? {
      try jsonLines(try bus.run("why", "\(id):\(number)", "--json").stdout).first?["fate"]
        as? String
    }
    #expect(try fate(1) == "not for it")
    let publisher = try #require(try stream()?["publisher"] as? String)
    #expect(try bus.run("why", "\(publisher)/a:1").stdout.contains("not for it"))
    while reader.isRunning, try fate(4) != "delivered" { breathe() }
    reader.signal(SIGSTOP)
    publish(2)
    try waitFor(8)
    #expect(try fate(7) == "pending")
    reader.signal(SIGCONT)
    while reader.isRunning, try fate(7) != "delivered" { breathe() }
    #expect(try bus.run("why", "\(id):99").exit == .code(1))
    #expect(try bus.run("why", "1:1").exit == .code(1))
    for nonsense in ["nonsense", "a:", "x/y/z:1", "/a:1", "w/:1", "-1:1", ":1"] {
      let result = try Child.run(
        try Programs.path("bcs"), ["why", "--dir", bus.directory, "--", nonsense])
      #expect(result.exit == .code(64) && result.stderr.contains("names no message"), "\(result)")
    }
    #expect(try bus.run("why", "nobody/a:1").exit == .code(1))
    writer.closeInput()
  }

  @Test("messages to an inbox are named by who sent them and to whom, and shown so")
  func inboxes() throws {
    let dir = try TemporaryDirectory("cli")
    let bus = try CLIBus(dir.path)
    let teller = try Bus.connect(to: dir.path).register("teller")
    defer { teller.close() }
    let auditor = try Bus.connect(to: dir.path).register("auditor")
    defer { auditor.close() }
    var reading = try auditor.messenger()
    var telling = try teller.messenger()
    let recipient = try telling.out.agent("auditor")
    for number in 0..<3 { try telling.out.send(recipient, numbered(number)) }
    var (taken, senders) = (0, Set<String>())
    while taken < 3 {
      _ = try telling.poll { _, _, _ in }
      taken += try reading.poll { message, _, _ in senders.insert(message.publisher) }
      breathe()
    }
    #expect(senders == ["teller"])
    let rows = try jsonLines(try bus.run("channel", "--json").stdout)
    let row = try #require(rows.first { $0["publisher"] as? String == "teller" })
    #expect(row["name"] as? String == "inbox.auditor")
    #expect(row["channel"] as? String == "bcs.inbox.\(auditor.incarnation).normal")
    #expect(try bus.run("channel", "show", "inbox.auditor").stdout.contains("teller"))
    #expect(try bus.run("agent", "show", "auditor").stdout.contains("inbox.auditor"))
    let why = try bus.run("why", "teller/inbox.auditor:1")
    #expect(why.stdout.contains("message 1 of teller on inbox.auditor"))
    #expect(try bus.run("why", "teller/inbox.nobody:1").exit == .code(1))
  }

  @Test("every agent asks every other one, and the report says what that takes")
  func alltoall() throws {
    let result = try runCLI(
      "bench", "alltoall", "--agents", "6", "--processes", "2", "--runs", "1", "--json")
    let row = try #require(try jsonLines(result.stdout).first)
    #expect(result.succeeded && row["pairs"] as? Int == 30 && row["failures"] as? Double == 0)
    #expect((row["shared_bytes"] as? Double ?? 0) > 0 && (row["descriptors"] as? Double ?? 0) > 60)
  }
}
