import BinaryComm
import BusTestSupport
import Foundation
import ProcessSupport
import Testing

/// What is known of a request by its correlation id.
@Suite("bcs why of a request", .serialized)
struct WhyRequestTests {
  /// An agent of this process that asks, and hears what comes back.
  private struct Requester: ~Copyable {
    let agent: Agent
    var messenger: Messenger
    var ended = 0

    init(_ bus: CLIBus, _ name: String) throws {
      let agent = try Bus.connect(to: bus.directory).register(name)
      let messenger = try agent.messenger()
      self.agent = agent
      self.messenger = messenger
    }

    /// Asks; returns when the request lies in a log.
    mutating func ask(_ service: String, _ options: SendOptions = SendOptions()) throws -> UInt32 {
      let recipient = try messenger.out.service(service)
      let id = try messenger.out.request(recipient, numbered(1), options)
      while !messenger.out.isFlushed { try hear() }
      return id
    }

    mutating func hear() throws {
      var more = 0
      _ = try messenger.poll { _, incoming, _ in
        more += incoming.isLast ? 1 : 0
      } onFailure: { _, _ in
        more += 1
      }
      ended += more
      breathe()
    }

    /// Hears until so many requests have ended.
    mutating func until(ended count: Int) throws {
      while ended < count { try hear() }
    }
  }

  private static func responder(_ bus: CLIBus, _ words: String...) throws -> Child {
    let child = try Child.start(
      try Programs.path("bcs"), ["reply", "--dir", bus.directory] + words)
    while child.isRunning, !child.stderrSoFar.contains("answering") { breathe() }
    return child
  }

  /// What bcs says of a request: its outcome, and the rows about its records.
  private static func why(
    _ bus: CLIBus, _ id: some CustomStringConvertible
  ) throws -> (outcome: String, rows: [[String: Any]]) {
    let result = try bus.run("why", "\(id)", "--json")
    #expect(result.succeeded, "\(result.stderr)")
    let lines = try jsonLines(result.stdout)
    return (
      lines.first?["outcome"] as? String ?? "", lines.filter { $0["kind"] as? String == "fate" }
    )
  }

  private static func texts(_ rows: [[String: Any]], _ key: String) -> [String] {
    rows.map { $0[key] as? String ?? "?" }
  }

  @Test("a request that nobody takes, one that was answered, and one that failed")
  func outcomes() throws {
    let dir = try TemporaryDirectory("cli")
    let bus = try CLIBus(dir.path)
    let echo = try Self.responder(bus, "adder", "--name", "adder", "--echo")
    let bad = try Self.responder(
      bus, "bad", "--name", "bad", "--exec", "sh", "-c", "echo oops >&2; exit 3")
    defer { [echo, bad].forEach { $0.kill() } }
    var asker = try Requester(bus, "asker")
    let answered = try asker.ask("adder")
    try asker.until(ended: 1)
    var (outcome, rows) = try Self.why(bus, answered)
    #expect(outcome == "answered")
    #expect(Self.texts(rows, "record") == ["request", "reply"])
    #expect(Self.texts(rows, "from") == ["asker", "adder"])
    #expect(Self.texts(rows, "reader") == ["adder", "asker"])
    #expect(rows.allSatisfy { $0["correlation"] as? UInt32 == answered && $0["stream"] is Int })
    while Self.texts(rows, "fate") != ["delivered", "delivered"] {
      try asker.hear()
      (_, rows) = try Self.why(bus, answered)
    }

    #expect(echo.stop())
    let waiting = try asker.ask("adder", SendOptions(timeoutNs: 100_000_000_000))
    (outcome, rows) = try Self.why(bus, "0x\(String(waiting, radix: 16))")
    #expect(outcome == "not taken yet" && Self.texts(rows, "fate") == ["pending"])
    let text = try bus.run("why", "\(waiting)").stdout
    #expect(text.hasPrefix("request \(waiting) of asker to adder: not taken yet\nRECORD"))
    try asker.messenger.out.cancel(waiting)
    while !asker.messenger.out.isFlushed { try asker.hear() }
    (outcome, rows) = try Self.why(bus, waiting)
    #expect(outcome == "not taken yet, cancelled by its requester")
    #expect(Self.texts(rows, "record") == ["request", "cancel"])
    #expect(Self.texts(rows, "lane") == ["normal", "urgent"])
    echo.signal(SIGCONT)
    try asker.until(ended: 2)

    let failed = try asker.ask("bad")
    try asker.until(ended: 3)
    (outcome, rows) = try Self.why(bus, failed)
    #expect(outcome == "failed: code 1003: exit status 3: oops")
    #expect(Self.texts(rows, "record") == ["request", "error"])

    let late = try Self.responder(
      bus, "late", "--name", "late", "--time-limit", "0.1", "--exec", "sleep", "1000")
    defer { late.kill() }
    let stopped = try asker.ask("late")
    try asker.until(ended: 4)
    (outcome, _) = try Self.why(bus, stopped)
    // The number on the wire is that of the cause; the name is that of its code.
    #expect(outcome.hasPrefix("failed: TIMEOUT: "), "\(outcome)")
  }

  @Test("parts of a reply that is not over")
  func parts() throws {
    let dir = try TemporaryDirectory("cli")
    let bus = try CLIBus(dir.path)
    let lines = try Self.responder(
      bus, "lines", "--name", "lines", "--lines", "--exec", "sh", "-c",
      "echo one; echo two; exec sleep 1000")
    defer { lines.kill() }
    var asker = try Requester(bus, "asker")
    let id = try asker.ask("lines", SendOptions(timeoutNs: 100_000_000_000))
    while asker.messenger.statistics.responsesReceived < 2 { try asker.hear() }
    let (outcome, rows) = try Self.why(bus, id)
    #expect(outcome == "being answered, 2 parts of the reply so far")
    #expect(Self.texts(rows, "record") == ["request", "reply", "reply"])
  }

  @Test("an id that is none is a wrong call; one that no log holds is said")
  func refusals() throws {
    let dir = try TemporaryDirectory("cli")
    let bus = try CLIBus(dir.path)
    for wrong in ["0", "0x", "0xg", "+5", "-5", "4294967296", "12x", ""] {
      let result = try Child.run(
        try Programs.path("bcs"), ["why", "--dir", bus.directory, "--", wrong])
      #expect(result.exit == .code(64) && result.stderr.contains("correlation id"), "\(wrong)")
    }
    let unknown = try bus.run("why", "4294967295", "--json")
    #expect(unknown.exit == .code(1) && unknown.stderr.contains("NOT_FOUND"))
    #expect(try bus.run("why", "7").stderr.contains("No log holds anything of request 7"))
    let help = try bus.run("why", "--help")
    #expect(help.stdout.contains("correlation id"))
  }

  @Test("trace, req and reply print the id that why takes")
  func ids() throws {
    let dir = try TemporaryDirectory("cli")
    let bus = try CLIBus(dir.path)
    let reply = try Self.responder(bus, "adder", "--name", "adder", "--echo", "--json")
    defer { reply.kill() }
    func printed() throws -> [UInt32] {
      try jsonLines(reply.stdoutSoFar).compactMap { $0["request"] as? UInt32 }
    }
    let trace = try jsonLines(try bus.run("trace", "adder", "x", "--json").stdout).first
    let req = try jsonLines(try bus.run("req", "adder", "x", "--json").stdout).first
    let said = try bus.run("req", "adder", "x", "--log-level", "info")
    while reply.isRunning, try printed().count < 3 { breathe() }
    let ids = try printed()
    #expect(trace?["correlation"] as? UInt32 == ids[0] && req?["correlation"] as? UInt32 == ids[1])
    #expect(said.stderr.contains("request \(ids[2]) to adder"))
    #expect(try bus.run("trace", "adder", "x").stdout.contains("\nrequest "))
  }
}
