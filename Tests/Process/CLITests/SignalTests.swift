import BusTestSupport
import Foundation
import Glibc
import ProcessSupport
import Testing

/// How commands end, and what they have started ends with them.
@Suite("bcs and signals", .serialized)
struct SignalTests {
  /// Starts `bcs reply` with a shell that notes its pid and that of a child of its own.
  private func responder(_ bus: CLIBus, _ mark: String, _ script: String, _ words: [String] = [])
    throws -> Child
  {
    let child = try Child.start(
      try Programs.path("bcs"),
      ["reply", "slow", "--dir", bus.directory] + words + [
        "--exec", "sh", "-c", "\(script) & echo $$ $! > \(mark).new; mv \(mark).new \(mark); wait",
      ])
    while child.isRunning, !child.stderrSoFar.contains("answering") { breathe() }
    return child
  }

  /// A bus with a responder whose command works on a request and has started a child.
  private struct AtWork: ~Copyable {
    let bus: CLIBus
    let responder: Child
    let requester: Child
    /// Of the command and its child.
    let pids: [Int32]
    private let dir: TemporaryDirectory

    init(_ test: SignalTests, _ script: String, _ words: [String] = []) throws {
      let dir = try TemporaryDirectory("signals")
      let bus = try CLIBus(dir.path)
      let mark = dir.file("pids")
      let responder = try test.responder(bus, mark, script, words)
      let requester = try bus.start("req", "slow", "x", "--timeout", "1000")
      let pids = Processes.noted(mark, while: responder)
      #expect(pids.count == 2 && pids.allSatisfy(Processes.lives))
      self.dir = dir
      self.bus = bus
      self.responder = responder
      self.requester = requester
      self.pids = pids
    }

    deinit { responder.kill() }
  }

  /// Ignores what a shell ends by.
  private static let stubborn = "sh -c 'trap \"\" TERM HUP; while :; do sleep 1; done'"

  @Test(
    "a command ends with 128 and the number of the signal",
    arguments: [SIGHUP, SIGINT, SIGTERM])
  func exitCodes(number: Int32) throws {
    try Watchdog.bounding("signals", seconds: 120) {
      let dir = try TemporaryDirectory("signals")
      let bus = try CLIBus(dir.path)
      let writer = try bus.start("pub", "a", "--stdin-lines", "--name", "w", input: .pipe)
      let listener = try bus.start("listen", "--name", "l")
      let service = try bus.start("reply", "s", "--echo")
      let reader = try bus.subscriber("a")
      writer.send("x\n")
      try reader.waitForLine(containing: "[w/a:0]", timeout: .seconds(20))
      while listener.isRunning, !listener.stderrSoFar.contains("listening") { breathe() }
      while service.isRunning, !service.stderrSoFar.contains("answering") { breathe() }
      for child in [writer, listener, service, reader] {
        child.signal(number)
        #expect(try child.wait(timeout: .seconds(20)).exit == .code(128 + number))
      }
      #expect(writer.stdoutSoFar.contains("published 1 message"))
      #expect(reader.stderrSoFar.contains("received 1 lost 0"))
    }
  }

  @Test("nohup keeps a command from the end of its terminal")
  func ignored() throws {
    let dir = try TemporaryDirectory("signals")
    let bus = try CLIBus(dir.path)
    let bcs = try Programs.path("bcs")
    let reader = try Child.start(
      "/bin/sh", ["-c", "trap '' HUP; exec \(bcs) sub a --count 1 --dir \(bus.directory)"])
    while reader.isRunning, !reader.stderrSoFar.contains("subscribed to") { breathe() }
    reader.signal(SIGHUP)
    #expect(try bus.run("pub", "a", "x").succeeded)
    #expect(try reader.wait(timeout: .seconds(20)).succeeded)
  }

  @Test(
    "a responder that is told to end ends its command with all that it started, and says so",
    arguments: [SIGHUP, SIGINT, SIGTERM])
  func told(number: Int32) throws {
    try Watchdog.bounding("a responder's end", seconds: 120) {
      let scene = try AtWork(self, "sleep 1000")
      scene.responder.signal(number)
      let result = try scene.requester.wait(timeout: .seconds(20))
      #expect(result.exit == .code(9) && result.stderr.contains("the service was stopped"))
      #expect(try scene.responder.wait(timeout: .seconds(20)).exit == .code(128 + number))
      #expect(!scene.pids.contains(where: Processes.lives))
    }
  }

  @Test("kill -9 of a responder ends its command with all that it started")
  func killed() throws {
    try Watchdog.bounding("a responder's death", seconds: 120) {
      let scene = try AtWork(self, Self.stubborn)
      scene.responder.kill()
      #expect(try scene.requester.wait(timeout: .seconds(20)).exit == .code(1))
      while scene.pids.contains(where: Processes.lives) { breathe() }
    }
  }

  @Test(
    "a signal to a requester cancels its request and is its exit code",
    arguments: [SIGHUP, SIGTERM])
  func cancelled(number: Int32) throws {
    try Watchdog.bounding("a requester's end", seconds: 120) {
      let scene = try AtWork(self, "sleep 1000", ["--time-limit", "1000"])
      scene.requester.signal(number)
      let result = try scene.requester.wait(timeout: .seconds(20))
      #expect(result.exit == .code(128 + number) && result.stderr.contains("cancelled"))
      while scene.pids.contains(where: Processes.lives) { breathe() }
    }
  }

  @Test(
    "a signal to bcs trace cancels its request, says so, and is its exit code but for Ctrl-C",
    arguments: [(SIGINT, Int32(9)), (SIGTERM, Int32(143)), (SIGHUP, Int32(129))])
  func trace(number: Int32, code: Int32) throws {
    try Watchdog.bounding("a trace's end", seconds: 120) {
      let dir = try TemporaryDirectory("signals")
      let bus = try CLIBus(dir.path)
      let mark = dir.file("pids")
      let slow = try responder(bus, mark, "sleep 1000", ["--time-limit", "1000"])
      defer { slow.kill() }
      let tracing = try bus.start("trace", "slow", "x", "--timeout", "1000")
      let pids = Processes.noted(mark, while: slow)
      #expect(pids.count == 2)
      tracing.signal(number)
      let result = try tracing.wait(timeout: .seconds(20))
      #expect(result.exit == .code(code), "\(result)")
      #expect(result.stderr.contains("The request was cancelled"))
      while pids.contains(where: Processes.lives) { breathe() }
    }
  }

  @Test("kill -9 of a requester ends the command that works for it")
  func requester() throws {
    try Watchdog.bounding("a requester's death", seconds: 120) {
      let scene = try AtWork(self, "sleep 1000", ["--time-limit", "1000"])
      scene.requester.kill()
      while scene.pids.contains(where: Processes.lives) { breathe() }
      #expect(scene.responder.isRunning)
    }
  }

  @Test("the time limit of a command holds for all that it started")
  func limit() throws {
    try Watchdog.bounding("a time limit", seconds: 120) {
      let dir = try TemporaryDirectory("signals")
      let bus = try CLIBus(dir.path)
      let mark = dir.file("pids")
      let slow = try responder(bus, mark, Self.stubborn, ["--time-limit", "1"])
      defer { slow.kill() }
      let result = try bus.run("req", "slow", "x", "--timeout", "1000")
      #expect(result.exit == .code(4) && result.stderr.contains("--time-limit"))
      #expect(!result.stderr.contains("is stopped"), "the remedy of another time-out")
      let pids = Processes.noted(mark, while: slow)
      #expect(pids.count == 2)
      while pids.contains(where: Processes.lives) { breathe() }
      #expect(slow.isRunning)
    }
  }

  @Test("what a command leaves behind when it ends by itself is its own affair")
  func leftBehind() throws {
    let dir = try TemporaryDirectory("signals")
    let bus = try CLIBus(dir.path)
    let mark = dir.file("pid")
    let service = try Child.start(
      try Programs.path("bcs"),
      ["reply", "s", "--dir", bus.directory, "--exec", "sh", "-c"]
        + ["sleep 1000 >&- 2>&- & echo $! > \(mark)"])
    while service.isRunning, !service.stderrSoFar.contains("answering") { breathe() }
    #expect(try bus.run("req", "s", "x").succeeded)
    let pids = Processes.noted(mark, while: service)
    service.kill()
    try service.wait(timeout: .seconds(20))
    try #require(pids.count == 1)
    // The guardian ends when there is nobody to end.
    usleep(1_500_000)
    #expect(Processes.lives(pids[0]))
    kill(pids[0], SIGKILL)
  }

  @Test(
    "the demonstration's router and commands end with it, however it ends",
    arguments: [SIGHUP, SIGKILL])
  func demonstration(number: Int32) throws {
    try Watchdog.bounding("a demonstration", seconds: 120) {
      let dir = try TemporaryDirectory("signals")
      let demo = try Child.start(
        try Programs.path("bcs"), ["up", "--demo", "--dir", dir.path])
      try demo.waitForLine(containing: "$ bcs agent", timeout: .seconds(60))
      let children = Processes.children(of: demo.pid)
      #expect(children.count >= 3)
      demo.signal(number)
      try demo.wait(timeout: .seconds(20))
      while children.contains(where: Processes.lives) { breathe() }
      #expect(try FileManager.default.contentsOfDirectory(atPath: dir.path) == ["router.lock"])
    }
  }

  @Test("a limit of the size of files is an error that says which limit, no silent death")
  func fileSize() throws {
    let dir = try TemporaryDirectory("signals")
    let bus = try CLIBus(dir.path)
    let bcs = try Programs.path("bcs")
    let result = try Child.run(
      "/bin/bash", ["-c", "ulimit -f 10; \(bcs) pub a x --dir \(bus.directory)"],
      timeout: .seconds(30))
    #expect(result.exit == .code(6) && result.stderr.contains("ulimit -f"))
    #expect(!result.stderr.contains("--arena"), "the remedy of another shortage")
  }
}
