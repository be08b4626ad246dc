import BusTestSupport
import Foundation
import ProcessSupport
import Testing

/// The verdicts of bcs, and the demonstration.
@Suite("bcs check and demo", .serialized)
struct CheckCommandTests {
  @Test(
    "the promises hold: nothing lost, exact counts, kill -9, eviction",
    arguments: [
      ["check", "lossy", "--count", "20000"], ["check", "kill"],
      ["check", "evict", "--stall", "0.2"],
    ])
  func promises(words: [String]) throws {
    let result = try Child.run(
      try Programs.path("bcs"), words + ["--json"], timeout: .seconds(120))
    let verdicts = try jsonLines(result.stdout)
    #expect(verdicts.count >= 4)
    for verdict in verdicts {
      #expect(verdict["verdict"] as? String == "PASS", "\(verdict)")
    }
    #expect(result.succeeded, "\(result.stderr)")
  }

  @Test(
    "a directory that cannot be read is no empty one", arguments: ["missing", "file", "in/missing"])
  func noDirectory(name: String) throws {
    let dir = try TemporaryDirectory("files")
    try "own file".write(toFile: dir.file("file"), atomically: true, encoding: .utf8)
    let result = try runCLI("check", "files", dir.file(name))
    #expect(result.exit == .code(1))
    #expect(result.stderr.contains("The directory \(dir.file(name)) cannot be read"))
    #expect(result.stdout.isEmpty)
  }

  @Test("a thousand files come out of three readers as they went in")
  func files() throws {
    let dir = try TemporaryDirectory("files")
    try "own file".write(toFile: dir.file("own"), atomically: true, encoding: .utf8)
    let result = try runCLI("check", "files", dir.path, "--seed", "7", "--json")
    let verdicts = try jsonLines(result.stdout)
    #expect(verdicts.count == 9)
    for verdict in verdicts {
      #expect(verdict["verdict"] as? String == "PASS", "\(verdict)")
    }
    #expect(verdicts.count { $0["files"] as? Int == 1000 } == 6)
    #expect(verdicts.count { $0["bytes"] as? Int ?? 0 > 12 << 20 } == 8, "some are large")
    #expect(result.stderr.contains("seed 7"))
    #expect(try FileManager.default.contentsOfDirectory(atPath: dir.path) == ["own"])
  }

  @Test("the demonstration runs real commands, stays with the router, and leaves but its key")
  func demonstration() throws {
    let dir = try TemporaryDirectory("demo")
    let demo = try Child.start(
      try Programs.path("bcs"), ["up", "--demo", "--dir", dir.path])
    try demo.waitForLine(containing: "Ctrl-C ends it", timeout: .seconds(120))
    for text in [
      "almost full", "published 2 messages", "HELLO", "viewer", "CHANNEL", "socket",
      "$ bcs sub", "$ bcs reply", "$ bcs agent",
    ] {
      #expect(demo.stdoutSoFar.contains(text))
    }
    #expect(try runCLI("agent", "--dir", dir.path).succeeded)
    demo.signal(SIGTERM)
    #expect(try demo.wait(timeout: .seconds(20)).exit == .code(0))
    #expect(try FileManager.default.contentsOfDirectory(atPath: dir.path) == ["router.lock"])
  }
}
