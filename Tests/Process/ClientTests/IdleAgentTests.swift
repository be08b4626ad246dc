import BusTestSupport
import Foundation
import ProcessSupport
import Testing

@Suite("An agent that does nothing sleeps", .serialized)
struct IdleAgentTests {
  @Test("its service thread wakes for what it is told, and when publishing goes on")
  func serviceThread() throws {
    let dir = try TemporaryDirectory("idle")
    let bus = try CLIBus(dir.path)
    let reader = try bus.subscriber("a")
    let writer = try bus.start("pub", "a", "--stdin-lines", input: .pipe)
    writer.send("one\n")
    try reader.waitForLine(containing: "one", timeout: .seconds(10))
    try Watchdog.bounding("a service thread that does not sleep", seconds: 60) {
      var before = -1
      var now = try wakeUps(of: writer.pid)
      while now != before {
        before = now
        // Long enough for a thread that looks every second to have woken up twice.
        usleep(3_000_000)
        now = try wakeUps(of: writer.pid)
      }
      // The clock that rested is wanted again.
      writer.send("two\n")
      while try wakeUps(of: writer.pid) == now { breathe() }
    }
    try reader.waitForLine(containing: "two", timeout: .seconds(10))
    writer.closeInput()
    #expect(try writer.wait(timeout: .seconds(10)).succeeded)
  }

  /// How often the process's service thread has gone to sleep.
  private func wakeUps(of pid: Int32) throws -> Int {
    let tasks = "/proc/\(pid)/task"
    for task in try FileManager.default.contentsOfDirectory(atPath: tasks) {
      let name = try? String(contentsOfFile: "\(tasks)/\(task)/comm", encoding: .utf8)
      guard name == "bcs-service\n" else { continue }
      let status = try String(contentsOfFile: "\(tasks)/\(task)/status", encoding: .utf8)
      let line = status.split(separator: "\n").first { $0.hasPrefix("voluntary_ctxt_switches:") }
      return try #require(line?.split(separator: "\t").last.flatMap { Int($0) })
    }
    throw NoServiceThread()
  }

  private struct NoServiceThread: Error {}
}
