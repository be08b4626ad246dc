import BinaryComm
import BusTestSupport
import BusWire
import Glibc
import Testing

@Suite("An agent that was declared dead while it lives on")
struct ClientFencedTests {
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
