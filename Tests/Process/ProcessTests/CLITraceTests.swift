import BusTestSupport
import Foundation
import Testing

/// Where a message went, and what became of it.
@Suite("bcs trace and why", .serialized)
struct CLITraceTests {
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
    #expect(row["lane"] as? String == "urgent" && row["request_stream"] is String)
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
    try reader.waitForLine(containing: "[#3]", timeout: .seconds(10))
    func fate(_ number: Int) throws -> String? {
      try jsonLines(try bus.run("why", "\(id):\(number)", "--json").stdout).first?["fate"]
        as? String
    }
    #expect(try fate(1) == "not for it")
    while reader.isRunning, try fate(4) != "delivered" { breathe() }
    reader.signal(SIGSTOP)
    publish(2)
    try waitFor(8)
    #expect(try fate(7) == "pending")
    reader.signal(SIGCONT)
    while reader.isRunning, try fate(7) != "delivered" { breathe() }
    #expect(try bus.run("why", "\(id):99").exit == .code(1))
    #expect(try bus.run("why", "1:1").exit == .code(1))
    #expect(try bus.run("why", "nonsense").exit == .code(64))
    writer.closeInput()
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
