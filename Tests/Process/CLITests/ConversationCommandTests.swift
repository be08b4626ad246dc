import BinaryComm
import BusTestSupport
import BusWire
import Foundation
import ProcessSupport
import Testing

/// Command lines as services, and those who ask them.
@Suite("bcs req, reply, tell and listen", .serialized)
struct ConversationCommandTests {
  /// Starts `bcs reply`; returns when the router knows what it answers.
  private static func responder(_ bus: CLIBus, _ service: String, _ words: String...) throws
    -> Child
  {
    let child = try Child.start(
      try Programs.path("bcs"), ["reply", service, "--dir", bus.directory] + words)
    while child.isRunning, !child.stderrSoFar.contains("answering") { breathe() }
    return child
  }

  @Test("a command line is a service: request in, reply out, metadata in its environment")
  func exec() throws {
    let dir = try TemporaryDirectory("cli")
    let bus = try CLIBus(dir.path)
    let upper = try Self.responder(bus, "upper", "--exec", "tr", "a-z", "A-Z")
    let who = try Self.responder(
      bus, "who", "--exec", "sh", "-c",
      "echo $BCS_SERVICE $BCS_REQUESTER; test $BCS_DEADLINE_MS -gt 0")
    defer { [upper, who].forEach { $0.kill() } }
    let result = try bus.run("req", "upper", "--raw", input: .bytes(Array("hello".utf8)))
    #expect(result.stdout == "HELLO" && result.succeeded)
    let asked = try bus.run("req", "who", "--empty", "--raw", "--name", "asker")
    #expect(asked.stdout == "who asker\n" && asked.succeeded)
    let json = try bus.run("req", "upper", "x", "--json", "--count", "3")
    let lines = try jsonLines(json.stdout)
    #expect(lines.count == 3 && lines.allSatisfy { $0["payload"] as? String == "X" })
  }

  @Test("a command that is started where the ends of children are ignored works all the same")
  func ignoredEnds() throws {
    let dir = try TemporaryDirectory("cli")
    let bus = try CLIBus(dir.path)
    let bcs = try Programs.path("bcs")
    let words = ["reply", "upper", "--dir", bus.directory, "--exec", "tr", "a-z", "A-Z"]
    let upper = try Child.start("/usr/bin/env", ["--ignore-signal=CHLD", bcs] + words)
    defer { upper.kill() }
    while upper.isRunning, !upper.stderrSoFar.contains("answering") { breathe() }
    let result = try bus.run("req", "upper", "hello", "--raw", "--timeout", "10")
    #expect(result.stdout == "HELLO" && result.succeeded, "\(result)")
  }

  @Test("what to do follows from a cause that the responder gives, never from its words")
  func advice() async throws {
    let dir = try TemporaryDirectory("cli")
    let bus = try CLIBus(dir.path)
    let server = try await Bus.connect(to: bus.directory).register("server", category: "test")
    defer { server.close() }
    let words = "no descriptor is left to map a memory file, --output-limit, see `bcs top`"
    let errors: [(String, BusError, String)] = [
      ("words", .resourceExhausted(words), BusErrorCode.resourceExhausted.remedy),
      ("late", .timeout("--time-limit: the router did not answer"), BusErrorCode.timeout.remedy),
    ]
    let caused: [(String, BusError, String)] = BusErrorCause.allCases.map { cause in
      let error: BusError =
        switch cause.code {
        case .timeout: .timeout("so it was", cause: cause)
        case .notFound: .notFound("so it was", cause: cause)
        default: .resourceExhausted("so it was", cause: cause)
        }
      return ("\(cause)", error, cause.remedy)
    }
    for (service, error, remedy) in errors + caused {
      _ = try await server.serve(service, executor: OwnThreads.shared) { _ in throw error }
      let result = try bus.run("req", service, "x", "--json")
      let told = try #require(try jsonLines(result.stderr).last)
      #expect(told["remedy"] as? String == remedy, "\(service): \(told)")
      #expect(told["error"] as? String == error.code.name, "\(service): \(told)")
    }
  }

  @Test("exit codes, signals and limits of a command are errors that say what happened")
  func failures() throws {
    let dir = try TemporaryDirectory("cli")
    let bus = try CLIBus(dir.path)
    let services = [
      try Self.responder(bus, "exit", "--exec", "sh", "-c", "echo oops >&2; exit 3"),
      try Self.responder(bus, "signal", "--exec", "sh", "-c", "kill -9 $$"),
      try Self.responder(bus, "endless", "--output-limit", "64KiB", "--exec", "cat", "/dev/zero"),
      try Self.responder(bus, "stuck", "--time-limit", "0.2", "--exec", "sleep", "1000"),
      try Self.responder(bus, "deaf", "--exec", "sh", "-c", "exec <&-; echo done"),
      try Self.responder(bus, "parent", "--exec", "sh", "-c", "sleep 1000 & echo started"),
    ]
    defer { services.forEach { $0.kill() } }
    let exit = try bus.run("req", "exit", "x")
    #expect(exit.exit == .code(8) && exit.stderr.contains("1003"))
    #expect(exit.stderr.contains("oops") && !exit.stderr.contains("log says more"))
    let signal = try bus.run("req", "signal", "x")
    #expect(signal.exit == .code(8) && signal.stderr.contains("1137"))
    let endless = try bus.run("req", "endless", "x")
    #expect(endless.exit == .code(6) && endless.stderr.contains("--output-limit"))
    #expect(!endless.stderr.contains("--arena"), "the remedy of another shortage")
    let stuck = try bus.run("req", "stuck", "x")
    #expect(stuck.exit == .code(4) && stuck.stderr.contains("--time-limit"))
    let big = [UInt8](repeating: 65, count: 300_000)
    #expect(try bus.run("req", "deaf", "--raw", input: .bytes(big)).stdout == "done\n")
    // What it left behind holds its output open, and the reply is not held up by that.
    #expect(try bus.run("req", "parent", "--raw", "x").stdout == "started\n")
  }

  @Test("lines are parts of a reply; every responder can be asked")
  func many() throws {
    let dir = try TemporaryDirectory("cli")
    let bus = try CLIBus(dir.path)
    let services = [
      try Self.responder(bus, "lines", "--lines", "--exec", "sh", "-c", "seq 1 2000; printf end"),
      try Self.responder(bus, "all", "--name", "one", "--exec", "echo", "1"),
      try Self.responder(bus, "all", "--name", "two", "--exec", "echo", "2"),
      try Self.responder(bus, "all", "--name", "bad", "--exec", "false"),
    ]
    defer { services.forEach { $0.kill() } }
    let lines = try bus.run("req", "lines", "x", "--stream")
    #expect(lines.stdout == (1...2000).map { "\($0)\n" }.joined() + "end\n")
    let all = try bus.run("req", "all", "x", "--all", "--json")
    let replies = try jsonLines(all.stdout)
    #expect(Set(replies.compactMap { $0["responder"] as? String }) == ["one", "two"])
    #expect(all.succeeded && all.stderr.contains("exit status 1"))
    let failed = try jsonLines(all.stderr).filter { $0["responder"] != nil }
    #expect(failed.count == 1 && failed.first?["responder"] as? String == "bad", "\(all.stderr)")
    #expect(failed.first?["exit"] as? Int == 8)
    #expect(try bus.run("req", "all", "x", "--all").stderr.contains("bad failed: exit status 1"))
    #expect(try bus.run("req", "all", "x", "--first", "--raw").succeeded)
  }

  @Test("where all responders of a request to all fail, each is named")
  func allFail() throws {
    try Watchdog.bounding("a request that all fail", seconds: 120) {
      let dir = try TemporaryDirectory("cli")
      let bus = try CLIBus(dir.path)
      let services = try ["one", "two"].map { name in
        try Self.responder(
          bus, "all", "--name", name, "--exec", "sh", "-c", "echo so it is >&2; exit 3")
      }
      defer { services.forEach { $0.kill() } }
      let text = try bus.run("req", "all", "x", "--all")
      #expect(text.exit == .code(8) && text.stdout.isEmpty)
      for name in ["one", "two"] {
        #expect(text.stderr.contains("\(name) failed: exit status 3: so it is"), "\(text.stderr)")
      }
      let json = try jsonLines(try bus.run("req", "all", "x", "--all", "--json").stderr)
      #expect(Set(json.compactMap { $0["responder"] as? String }) == ["one", "two"], "\(json)")
      #expect(json.last?["exit"] as? Int == 8 && json.last?["remedy"] is String)
      // Of one that was asked there is nothing to tell apart.
      #expect(try !bus.run("req", "all", "x").stderr.contains(" failed: "))
    }
  }

  @Test("what cannot be asked ends with a clear sentence and its documented code")
  func refusals() throws {
    let dir = try TemporaryDirectory("cli")
    let bus = try CLIBus(dir.path)
    let echo = try Self.responder(bus, "echo", "--echo")
    defer { echo.kill() }
    let nobody = try bus.run("req", "nobody", "x")
    #expect(nobody.exit == .code(3) && nobody.stderr.contains("NO_RESPONDERS"))
    for time in ["0", "-1"] {
      #expect(try bus.run("req", "echo", "x", "--timeout=\(time)").exit == .code(64))
    }
    let huge = [UInt8](repeating: 1, count: 16_777_217)
    let refused = try bus.run("req", "echo", input: .bytes(huge))
    #expect(refused.exit == .code(1) && refused.stderr.contains("16777216"))
    let missing = try bus.run("reply", "x", "--exec", "no-such-command")
    #expect(missing.exit == .code(64) && missing.stderr.contains("no-such-command"))
    #expect(try bus.run("reply", "x").exit == .code(64))
    #expect(try bus.run("reply", "not a name", "--echo").exit == .code(64))
    try bus.killRouter()
    let without = try bus.run("req", "echo", "x", "--timeout", "0.3")
    #expect(without.exit == .code(69) && without.stderr.contains("bcs up"))
  }

  @Test("Ctrl-C cancels the request and ends the command that works on it")
  func cancelled() throws {
    let dir = try TemporaryDirectory("cli")
    let bus = try CLIBus(dir.path)
    let mark = dir.file("began")
    let slow = try Self.responder(
      bus, "slow", "--exec", "sh", "-c", "echo $$ > \(mark); exec sleep 1000")
    defer { slow.kill() }
    let asking = try bus.start("req", "slow", "x", "--timeout", "1000")
    var pid: Int32 = 0
    while pid == 0, asking.isRunning {
      let text = (try? String(contentsOfFile: mark, encoding: .utf8)) ?? ""
      pid = Int32(text.split(separator: "\n").first ?? "") ?? 0
      breathe()
    }
    asking.signal(SIGINT)
    let result = try asking.wait(timeout: .seconds(20))
    #expect(result.exit == .code(9) && result.stderr.contains("cancelled"))
    while kill(pid, 0) == 0 { breathe() }
  }

  @Test("messages reach an agent by name, and each member of a team")
  func tell() throws {
    let dir = try TemporaryDirectory("cli")
    let bus = try CLIBus(dir.path)
    let listeners = try ["one", "two"].map { name in
      let child = try bus.start(
        "listen", "--name", name, "--team", "reviewers", "--json", "--count", "2")
      while child.isRunning, !child.stderrSoFar.contains("listening") { breathe() }
      return child
    }
    for name in ["one", "two"] { #expect(try bus.run("tell", name, "to \(name)").succeeded) }
    let team = try bus.run("tell", "reviewers", "to all", "--team", "--priority", "1", "--json")
    #expect(try jsonLines(team.stdout).first?["recipients"] as? Int == 2)
    for (listener, name) in zip(listeners, ["one", "two"]) {
      let result = try listener.wait(timeout: .seconds(20))
      let lines = try jsonLines(result.stdout)
      #expect(lines.map { $0["payload"] as? String } == ["to \(name)", "to all"])
      #expect(lines.map { $0["lane"] as? String } == ["normal", "urgent"])
      #expect(lines.map { $0["priority"] as? Int } == [3, 1])
    }
    #expect(try bus.run("tell", "nobody", "x").exit == .code(3))
  }

  @Test("a service is told nothing: it takes requests")
  func tellService() throws {
    let dir = try TemporaryDirectory("cli")
    let bus = try CLIBus(dir.path)
    let service = try bus.start("reply", "upper", "--echo", "--name", "shouter")
    defer { service.kill() }
    while service.isRunning, !service.stderrSoFar.contains("answering") { breathe() }
    let result = try bus.run("tell", "upper", "anybody?")
    #expect(result.exit == .code(3) && result.stdout.isEmpty, "\(result)")
    #expect(result.stderr.contains("a service, which shouter answers"), "\(result)")
    // Its agent has a name, but the program drops what is no request, and says so.
    #expect(try bus.run("tell", "shouter", "anybody?").succeeded)
    while service.isRunning, !service.stderrSoFar.contains("dropped a message") { breathe() }
    #expect(try bus.run("req", "upper", "x").succeeded)
  }

  /// Sends an urgent request, as soon as its recipient is known.
  private func ask(
    _ messenger: inout Messenger, _ recipient: Recipient
  ) throws -> UInt32 {
    let options = SendOptions(timeoutNs: 60_000_000_000, priority: .critical)
    while true {
      do throws(BusError) {
        return try messenger.out.request(recipient, [1], options)
      } catch {
        guard error == .wouldBlock else { throw error }
      }
      _ = try messenger.poll { _, _, _ in }
      _ = try messenger.wait(timeout: .milliseconds(5))
    }
  }

  @Test("a cancel, of which nothing is shown, is none of the messages that listen is to show")
  func cancelToListener() throws {
    try Watchdog.bounding("a cancel to a listener", seconds: 120) {
      let dir = try TemporaryDirectory("cli")
      let bus = try CLIBus(dir.path)
      let listener = try bus.start("listen", "--name", "listener", "--count", "1")
      defer { listener.kill() }
      while listener.isRunning, !listener.stderrSoFar.contains("listening") { breathe() }
      let agent = try Bus.connect(to: bus.directory).register("asker", category: "test")
      defer { agent.close() }
      var messenger = try agent.messenger()
      let recipient = try messenger.out.service("listener")
      // The first one has the lanes made; the second lies in the log at once, before its cancel.
      _ = try ask(&messenger, recipient)
      var refused = 0
      while refused == 0 {
        let taken = try messenger.poll { _, _, _ in
        } onFailure: { _, _ in
          refused += 1
        }
        if taken == 0 { _ = try messenger.wait(timeout: .milliseconds(5)) }
      }
      try messenger.out.cancel(try ask(&messenger, recipient))
      let isOut = messenger.drain(timeout: .seconds(20))
      #expect(isOut)
      #expect(try bus.run("tell", "listener", "hello").succeeded)
      let result = try listener.wait(timeout: .seconds(20))
      #expect(result.succeeded && result.stdout.contains("hello"), "\(result)")
      messenger.close()
    }
  }
}
