import BinaryComm
import BusLog
import BusTestSupport
import BusWire
import Foundation
import Glibc
import ProcessSupport
import Testing

@Suite("An agent that was declared dead while it lives on")
struct FencedAgentTests {
  @Test(
    "it is closed with the cause, and its program ends with it",
    arguments: [
      (["sub", "alerts.>"], "subscribed to"), (["reply", "up"], "answering"),
      (["listen", "--name", "li"], "listening"),
    ])
  func fenced(words: [String], ready: String) throws {
    try Watchdog.bounding("a fenced agent", seconds: 120) {
      var bus = try ClientBus()
      let child = try Child.start(
        try Programs.path("bcs"),
        words + ["--dir", bus.directory] + (words[0] == "reply" ? ["--exec", "cat"] : []))
      while child.isRunning, !child.stderrSoFar.contains(ready) { breathe() }
      #expect(child.stop())
      try bus.endRouter(SIGKILL)
      try bus.startRouter(["--grace", "0.1"])
      // Until the new router has stopped waiting for agents of the former one.
      usleep(1_500_000)
      #expect(child.signal(SIGCONT))
      let result = try child.wait(timeout: .seconds(60))
      #expect(result.exit == .code(1) && result.stderr.contains("FENCED"), "\(result)")
    }
  }

  @Test("bcs pub that goes on after it says so, and that what followed reached nobody")
  func publisher() throws {
    try Watchdog.bounding("a fenced bcs pub", seconds: 120) {
      var bus = try ClientBus()
      let agent = try bus.agent("reader")
      defer { agent.close() }
      var reader = try agent.reader("alerts", mode: .lossless)
      let child = try Child.start(
        try Programs.path("bcs"), ["pub", "alerts", "--stdin-lines", "--dir", bus.directory],
        input: .pipe)
      child.send("first\n")
      while try reader.poll({ _ in }) == 0 { breathe() }
      #expect(child.stop())
      try bus.endRouter(SIGKILL)
      try bus.startRouter(["--grace", "0.1"])
      let probe = try bus.agent("probe")
      while try probe.query(.router).first?["in_grace"] != "0" { breathe() }
      for number in 0..<5 { child.send("\(number)\n") }
      child.closeInput()
      #expect(child.signal(SIGCONT))
      let result = try child.wait(timeout: .seconds(60))
      #expect(result.exit == .code(1) && result.stderr.contains("FENCED"), "\(result)")
      #expect(!result.stderr.contains("router is gone"), "\(result)")
    }
  }

  @Test("bcs sub that is evicted and loses its agent while its output is full ends with the cause")
  func evictedToo() throws {
    try Watchdog.bounding("an evicted reader of a fenced agent", seconds: 180) {
      var bus = try ClientBus(["--stall", "0.3"])
      let home = try TemporaryDirectory("fenced")
      let pipe = home.file("pipe")
      try #require(unsafe mkfifo(pipe, 0o600) == 0)
      let output = unsafe open(pipe, O_RDWR | O_NONBLOCK | O_CLOEXEC)
      defer { close(output) }
      let child = try Child.start(
        "/bin/sh",
        [
          "-c", "exec \"$0\" sub t --raw --lossless --dir \"$1\" > \"$2\"",
          try Programs.path("bcs"), bus.directory, pipe,
        ])
      while child.isRunning, !child.stderrSoFar.contains("subscribed to") { breathe() }
      let writer = try bus.agent("writer")
      defer { writer.close() }
      var publisher = try writer.publisher(on: "t", options: smallLog)
      // More than the pipe and the log hold: at their end it has gone on without the reader.
      let body = [UInt8](repeating: 0x78, count: 2000)
      for _ in 0..<300 { try publisher.publish("t", body) }
      while try !writer.query(.attachments).contains(where: { $0["state"] == "evicted" }) {
        breathe()
      }
      try bus.endRouter(SIGKILL)
      // To the next router its ticket is a stranger's.
      try FileManager.default.removeItem(atPath: bus.directory + "/router.lock")
      try bus.startRouter()
      // That thread ends with the agent.
      while child.isRunning, Self.threads(of: child.pid).contains("bcs-service") { breathe() }
      let drain = Worker {
        var room = [UInt8](repeating: 0, count: 1 << 16)
        while child.isRunning {
          if unsafe read(output, &room, room.count) <= 0 { breathe() }
        }
        return 0
      }
      let end = Result { try child.wait(timeout: .seconds(60)) }
      _ = try drain.join()
      let result = try end.get()
      #expect(result.exit == .code(1) && result.stderr.contains("EVICTED"), "\(result)")
      #expect(result.stderr.contains("FENCED"), "\(result)")
    }
  }

  /// The names of a process's threads.
  private static func threads(of pid: Int32) -> [String] {
    let tasks = "/proc/\(pid)/task"
    let numbers = (try? FileManager.default.contentsOfDirectory(atPath: tasks)) ?? []
    return numbers.compactMap { number in
      let name = try? String(contentsOfFile: "\(tasks)/\(number)/comm", encoding: .utf8)
      return name?.trimmingCharacters(in: .newlines)
    }
  }

  @Test("every sequence of the library ends with the cause, and what is asked later does")
  func library() async throws {
    try await Watchdog.bounding("the sequences of a fenced agent", seconds: 90) {
      var bus = try ClientBus()
      let agent = try bus.agent("fenced")
      let messages = try await agent.messages()
      let service = try await agent.serve("up", executor: OwnThreads.shared) { $0.payload }
      let ticks = try await agent.subscribe("ticks")
      try bus.endRouter(SIGKILL)
      try bus.forgetRouter()
      try bus.startRouter()
      #expect(await Self.end(of: { for try await _ in messages {} }) == .fenced)
      #expect(await Self.end(of: { for try await _ in ticks {} }) == .fenced)
      #expect(await Self.end(of: { _ = try await agent.request("up", []) }) == .fenced)
      withExtendedLifetime(service) {}
    }
  }

  private static func end(of body: () async throws -> Void) async -> BusErrorCode? {
    do {
      try await body()
      return nil
    } catch {
      return (error as? BusError)?.code
    }
  }
}
