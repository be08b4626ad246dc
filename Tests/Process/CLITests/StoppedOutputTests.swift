import BusTestSupport
import Foundation
import Glibc
import ProcessSupport
import Testing

/// Commands whose output stands in a pipe that nobody reads.
@Suite("bcs and output that nobody takes", .serialized)
struct StoppedOutputTests {
  private static let ends = [SIGHUP, SIGINT, SIGTERM]
  /// More than the pipe holds.
  private static let large = [UInt8](repeating: 65, count: 100_000)

  private static func end(_ child: Child, _ pipe: StoppedPipe, by number: Int32) throws {
    // The rest of what it writes waits for room.
    while child.isRunning, pipe.bytes < 1000 { breathe() }
    #expect(child.signal(number))
    let result = try child.wait(timeout: .seconds(30))
    #expect(result.exit == .code(128 + number), "\(result)")
  }

  @Test("the first signal ends bcs sub, which says what it received", arguments: ends)
  func sub(number: Int32) throws {
    try Watchdog.bounding("a stopped bcs sub", seconds: 120) {
      let dir = try TemporaryDirectory("stopped")
      let bus = try CLIBus(dir.path)
      let pipe = try StoppedPipe(dir.file("pipe"))
      let reader = try pipe.start(bus, ["sub", "a"])
      let sent = try bus.run("pub", "a", "--wait-for-reader", input: .bytes(Self.large))
      #expect(sent.succeeded, "\(sent)")
      try Self.end(reader, pipe, by: number)
      #expect(reader.stderrSoFar.contains("received 1 lost 0"))
    }
  }

  @Test("the first signal ends bcs listen", arguments: ends)
  func listen(number: Int32) throws {
    try Watchdog.bounding("a stopped bcs listen", seconds: 120) {
      let dir = try TemporaryDirectory("stopped")
      let bus = try CLIBus(dir.path)
      let pipe = try StoppedPipe(dir.file("pipe"))
      let listener = try pipe.start(bus, ["listen", "--name", "l"])
      while listener.isRunning, !listener.stderrSoFar.contains("listening") { breathe() }
      #expect(try bus.run("tell", "l", input: .bytes(Self.large)).succeeded)
      try Self.end(listener, pipe, by: number)
    }
  }

  @Test("the first signal ends bcs req", arguments: ends)
  func req(number: Int32) throws {
    try Watchdog.bounding("a stopped bcs req", seconds: 120) {
      let dir = try TemporaryDirectory("stopped")
      let bus = try CLIBus(dir.path)
      let pipe = try StoppedPipe(dir.file("pipe"))
      let service = try bus.start("reply", "s", "--echo")
      while service.isRunning, !service.stderrSoFar.contains("answering") { breathe() }
      let asking = try pipe.start(bus, ["req", "s"], input: .bytes(Self.large))
      try Self.end(asking, pipe, by: number)
      service.kill()
    }
  }

  @Test(
    "bcs reply answers while nobody takes what it reports, and ends when it is told",
    arguments: [false, true])
  func reply(errors: Bool) throws {
    try Watchdog.bounding("a bcs reply that nobody listens to", seconds: 120) {
      let dir = try TemporaryDirectory("stopped")
      let bus = try CLIBus(dir.path)
      let pipe = try StoppedPipe(dir.file("pipe"))
      let form = errors ? ["--log-level", "info"] : ["--json"]
      let service = try pipe.start(bus, ["reply", "s", "--echo"] + form, errors: errors)
      defer { service.kill() }
      var said = ""
      while service.isRunning, !(said + service.stderrSoFar).contains("answering") {
        if errors { said += pipe.read() }
        breathe()
      }
      let lines = (1...200).map { "\($0)\n" }.joined()
      let asked = try bus.run("req", "s", "--stdin-lines", input: .bytes(Array(lines.utf8)))
      #expect(asked.succeeded && asked.stdout == lines, "\(asked.exit) \(asked.stderr)")
      // Nothing was lost: so much waits for a reader.
      var reports = 0
      while service.isRunning, reports < 200 {
        said += pipe.read()
        reports = said.components(separatedBy: errors ? ": ok\n" : "\"end\":\"ok\"").count - 1
        breathe()
      }
      let again = try bus.run("req", "s", "--stdin-lines", input: .bytes(Array(lines.utf8)))
      #expect(again.succeeded && again.stdout == lines, "\(again.exit) \(again.stderr)")
      service.signal(SIGTERM)
      #expect(try service.wait(timeout: .seconds(30)).exit == .code(143))
    }
  }
}

extension StoppedPipe {
  /// Starts bcs with this pipe as its standard output, or as its standard error.
  func start(_ bus: CLIBus, _ words: [String], errors: Bool = false, input: ChildInput = .none)
    throws -> Child
  {
    try Child.start(
      "/bin/sh",
      ["-c", "pipe=$0; exec \"$@\" \(errors ? "2>" : ">") \"$pipe\"", path]
        + [try Programs.path("bcs")] + words.prefix(1) + ["--dir", bus.directory]
        + words.dropFirst(), input: input)
  }
}
