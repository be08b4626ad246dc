import BusTestSupport
import Foundation
import ProcessSupport
import Testing

/// A long measurement that is disturbed: it says what happened, ends with the documented code and
/// leaves no process and no folder behind.
@Suite("A disturbed measurement leaves nothing behind", .serialized)
struct DisturbedRunTests {
  @Test("Each signal ends it with its code", arguments: [SIGHUP, SIGINT, SIGTERM])
  func interrupted(number: Int32) throws {
    try Watchdog.bounding("a measurement that is interrupted", seconds: 180) {
      try disturb { child, _ in
        child.signal(number)
      } then: { result in
        #expect(result.exit == .code(128 + number), "\(result.stderr)")
      }
    }
  }

  @Test("Under nohup the end of its terminal does not end it")
  func ignored() throws {
    try Watchdog.bounding("a measurement under nohup", seconds: 180) {
      try disturb(ignoring: "HUP") { child, _ in
        child.signal(SIGHUP)
        // It would be the first one, which decides the code.
        usleep(200_000)
        child.signal(SIGTERM)
      } then: { result in
        #expect(result.exit == .code(128 + SIGTERM), "\(result.stderr)")
      }
    }
  }

  @Test("Killed outright, its workers and its router end all the same")
  func killed() throws {
    try disturb { child, _ in
      child.kill()
    } then: { result in
      #expect(result.exit == .signal(SIGKILL))
    }
  }

  @Test("A worker that is killed is named")
  func workerKilled() throws {
    try disturb { _, folder in
      try end(folder, "\"role\":\"read\"")
    } then: { result in
      #expect(result.exit == .code(1))
      #expect(result.stderr.contains("reader 0 was ended by signal 9"), "\(result.stderr)")
      #expect(result.stdout == "")
    }
  }

  @Test("A router that is killed ends it with 69")
  func routerKilled() throws {
    try disturb { _, folder in
      try end(folder, "msg_router\0--dir")
    } then: { result in
      #expect(result.exit == .code(69))
      #expect(result.stderr.contains("was ended by signal 9"), "\(result.stderr)")
    }
  }

  @Test("A named run directory without a router is an error, not a reason to start one")
  func noRouter() throws {
    let folder = try TemporaryDirectory("bench")
    let result = try Child.run(
      Programs.path("bcs"), ["bench", "throughput", "--dir", folder.path])
    #expect(result.exit == .code(69))
    #expect(result.stderr.contains("no router answers in \(folder.path)"))
  }

  @Test("With --json its errors are objects", arguments: ["throughput", "floor", "latency"])
  func objects(mode: String) throws {
    try Watchdog.bounding("errors of measurements", seconds: 60) {
      let folder = try TemporaryDirectory("bench")
      let words = mode == "floor" ? ["--dir", ""] : ["--dir", folder.path]
      let result = try Child.run(Programs.path("bcs"), ["bench", mode, "--json"] + words)
      let told = try jsonLines(result.stderr)
      #expect(result.stdout.isEmpty && told.count == 1, "\(result)")
      let (name, code) = mode == "floor" ? ("USAGE", 64) : ("NO_ROUTER", 69)
      #expect(told.first?["error"] as? String == name && told.first?["exit"] as? Int == code)
      #expect((told.first?["message"] as? String)?.isEmpty == false)
      #expect(told.first?["remedy"] is String && result.exit == .code(Int32(code)))
    }
  }

  @Test(
    "Options that make no sense end with 64",
    arguments: [
      ("bcs", ["bench", "throughput", "--payload", "1"]),
      ("bcs", ["bench", "fanout", "--nonsense"]),
      ("test_throughput", ["--threads", "0"]), ("test_throughput", ["--messages", "-5"]),
      ("test_latency", ["--rate", "0"]), ("test_latency", ["--duration", "x"]),
    ])
  func usage(program: String, arguments: [String]) throws {
    let result = try Child.run(Programs.path(program), arguments)
    #expect(result.exit == .code(64))
    #expect(!result.stderr.isEmpty)
  }

  /// Starts a long measurement, disturbs it when its reader runs, and looks for what is left.
  ///
  /// `ignoring`: a signal that it is started to ignore.
  private func disturb(
    ignoring signal: String? = nil, _ body: (Child, String) throws -> Void,
    then check: (ChildResult) throws -> Void
  ) throws {
    let folder = try TemporaryDirectory("bench")
    // Its own router and its own folders; the usual run directory must not matter.
    let call = [try Programs.path("bcs"), "bench", "throughput", "--duration", "120"]
    let words = signal.map { ["/usr/bin/env", "--ignore-signal=\($0)"] } ?? []
    let all = words + call + ["--any-floor"]
    let child = try Child.start(
      all[0], Array(all.dropFirst()),
      environment: ["TMPDIR": folder.path, "BCS_DIR": folder.file("none")])
    try waitUntil("both workers run") {
      // Publishers are started after the readers.
      processes(folder.path).contains { $0.arguments.contains("\"role\":\"publish\"") }
    }
    try body(child, folder.path)
    try check(child.wait(timeout: .seconds(60)))
    try waitUntil("all processes have ended") { processes(folder.path).isEmpty }
    try waitUntil("the folder is empty") {
      try FileManager.default.contentsOfDirectory(atPath: folder.path).isEmpty
    }
  }

  private func end(_ folder: String, _ mark: String) throws {
    let wanted = processes(folder).filter { $0.arguments.contains(mark) }
    #expect(wanted.count == 1)
    for process in wanted { _ = Glibc.kill(process.pid, SIGKILL) }
  }

  private func waitUntil(_ what: String, _ condition: () throws -> Bool) throws {
    for _ in 0..<3000 {
      if try condition() { return }
      usleep(10_000)
    }
    Issue.record("not true in 30 s: \(what)")
  }

  /// The processes of a measurement: its workers, its router and the router's keeper have the
  /// folder in their arguments; the program itself has it in its environment.
  private func processes(_ folder: String) -> [(pid: Int32, arguments: String)] {
    let all = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
    return all.compactMap(Int32.init).compactMap { pid in
      func text(_ name: String) -> String {
        let bytes = FileManager.default.contents(atPath: "/proc/\(pid)/\(name)") ?? Data()
        return String(decoding: bytes, as: UTF8.self)
      }
      guard pid != getpid(), text("environ").contains("TMPDIR=\(folder)") else { return nil }
      return (pid, text("cmdline"))
    }
  }
}
