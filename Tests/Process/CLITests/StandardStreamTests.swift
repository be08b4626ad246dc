import BusTestSupport
import Foundation
import Glibc
import ProcessSupport
import Testing

/// What the programs do when what they print to or read from is full, closed, or not theirs.
@Suite("bcs with broken input and output", .serialized)
struct StandardStreamTests {
  /// Runs a line of shell in which `bcs` is the program and `$DIR` the run directory.
  private func shell(_ line: String, _ directory: String) throws -> ChildResult {
    let bin = try Programs.path("bcs").dropLast("/bcs".count)
    return try Child.run(
      "/bin/bash", ["-c", line],
      environment: ["PATH": "\(bin):/usr/bin:/bin", "DIR": directory], timeout: .seconds(30))
  }

  @Test(
    "output that cannot be written is a failure",
    arguments: [
      "test_latency --help > /dev/full", "test_throughput --help > /dev/full",
      "bcs --version > /dev/full", "bcs pub --help > /dev/full", "bcs errors > /dev/full",
      "bcs agent --dir $DIR > /dev/full", "bcs pub a x --json --dir $DIR > /dev/full",
      "bcs bench idle --readers 1 --runs 1 --duration 0.1 > /dev/full",
    ])
  func fullDisk(line: String) throws {
    let dir = try TemporaryDirectory("cli")
    let bus = try CLIBus(dir.path)
    let result = try shell(line, bus.directory)
    #expect(result.exit == .code(1))
    #expect(result.stderr.contains("No space left on device"))
  }

  @Test(
    "closed standard descriptors are no others: reading and writing them fails",
    arguments: [
      "bcs pub a --dir $DIR <&-", "bcs pub a --stdin-lines --dir $DIR <&-",
      "bcs agent --dir $DIR >&-", "bcs errors <&- >&-", "bcs bench floor --runs 1 >&-",
    ])
  func closed(line: String) throws {
    let dir = try TemporaryDirectory("cli")
    let bus = try CLIBus(dir.path)
    let result = try shell(line, bus.directory)
    #expect(result.exit == .code(1))
    #expect(result.stderr.contains("Bad file descriptor"))
  }

  @Test("what a program with closed descriptors prints reaches no socket and no log of its own")
  func nothingElse() throws {
    let dir = try TemporaryDirectory("cli")
    let bus = try CLIBus(dir.path)
    let reader = try bus.subscriber("a")
    let result = try shell("bcs pub a one --dir $DIR <&- >&- 2>&-", bus.directory)
    #expect(result.exit == .code(1), "its report could not be written")
    #expect(try bus.run("pub", "a", "two").succeeded)
    try reader.waitForLine(containing: "one", timeout: .seconds(10))
    try reader.waitForLine(containing: "two", timeout: .seconds(10))
    reader.signal(SIGINT)
    #expect(try reader.wait(timeout: .seconds(10)).stderr.contains("received 2 lost 0"))
  }

  @Test(
    "a router that cannot say that it is ready says that, and runs",
    arguments: ["exec bcs up --dir $DIR > /dev/full", "exec msg_router --dir $DIR <&- >&-"])
  func silentRouter(line: String) throws {
    let dir = try TemporaryDirectory("cli")
    let bin = try Programs.path("bcs").dropLast("/bcs".count)
    let router = try Child.start(
      "/bin/bash", ["-c", line],
      environment: ["PATH": "\(bin):/usr/bin:/bin", "DIR": dir.file("run")])
    #expect(try runCLI("pub", "a", "x", "--dir", dir.file("run")).succeeded)
    router.signal(SIGTERM)
    let result = try router.wait(timeout: .seconds(10))
    #expect(result.exit == .code(0))
    #expect(result.stderr.contains("Standard output cannot be written"))
  }

  @Test(
    "what lies in the place of the router's files is named",
    arguments: ["router.sock", "router.lock"])
  func inTheWay(name: String) throws {
    let dir = try TemporaryDirectory("cli")
    try FileManager.default.createDirectory(
      atPath: dir.file(name), withIntermediateDirectories: false)
    let result = try runCLI("up", "--dir", dir.path)
    #expect(result.exit == .code(1))
    #expect(result.stderr.contains(dir.file(name)))
    #expect(result.stderr.contains("Remove what lies there"))
  }

  @Test(
    "the doctor tells another user that a run directory is closed to them",
    .enabled(if: geteuid() == 0, "only root can become another user"))
  func otherUser() throws {
    let dir = try TemporaryDirectory("cli")
    let bus = try CLIBus(dir.file("run"))
    let bcs = dir.file("bcs")
    let program = URL(fileURLWithPath: try Programs.path("bcs")).resolvingSymlinksInPath()
    try FileManager.default.copyItem(at: program, to: URL(fileURLWithPath: bcs))
    for path in [dir.path, bcs] { #expect(unsafe chmod(path, 0o755) == 0) }
    let result = try Child.run(
      "setpriv",
      ["--reuid", "65534", "--regid", "65534", "--clear-groups", bcs, "doctor", "--dir"]
        + [bus.directory], timeout: .seconds(30))
    #expect(result.exit == .code(1))
    #expect(result.stdout.contains("it belongs to user 0, who keeps you out"))
  }
}
