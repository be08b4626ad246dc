import BusTestSupport
import Foundation
import ProcessSupport
import Testing

/// Commands whose process may open few files: what they say they did, they did.
@Suite("bcs with few descriptors", .serialized)
struct FewDescriptorTests {
  /// From too few to begin with up to enough for everything.
  private static let limits = 7...14

  private static func run(_ bus: CLIBus, _ limit: Int, _ words: [String]) throws -> ChildResult {
    try Child.run(
      "/bin/bash",
      ["-c", "ulimit -n \(limit) && exec \"$0\" \"$@\"", try Programs.path("bcs")] + words
        + ["--dir", bus.directory], timeout: .seconds(30))
  }

  @Test("a message that is said to be told arrives", arguments: [["L"], ["T", "--team"]])
  func tell(recipient: [String]) throws {
    try Watchdog.bounding("tell with few descriptors", seconds: 300) {
      let dir = try TemporaryDirectory("starved")
      let bus = try CLIBus(dir.path)
      let listener = try bus.start("listen", "--name", "L", "--team", "T")
      defer { listener.kill() }
      while listener.isRunning, !listener.stderrSoFar.contains("listening") { breathe() }
      var told = 0
      for limit in Self.limits {
        let result = try Self.run(bus, limit, ["tell"] + recipient + ["with-\(limit)-descriptors"])
        guard result.succeeded else { continue }
        told += 1
        try listener.waitForLine(containing: "with-\(limit)-descriptors", timeout: .seconds(20))
      }
      #expect(told > 0)
    }
  }

  @Test("a publisher that let a reader in or failed says so", arguments: ["--lossless", "--lossy"])
  func publish(mode: String) throws {
    try Watchdog.bounding("pub with few descriptors", seconds: 300) {
      let dir = try TemporaryDirectory("starved")
      let bus = try CLIBus(dir.path)
      let reader = try bus.subscriber("a.>", mode, "--line")
      defer { reader.kill() }
      var published = 0
      for limit in Self.limits {
        let body = "with-\(limit)-descriptors"
        let result = try Self.run(bus, limit, ["pub", "a.x", body])
        if result.stderr.contains("could not be let in") { #expect(result.exit == .code(6)) }
        guard result.succeeded else { continue }
        published += 1
        try reader.waitForLine(containing: body, timeout: .seconds(20))
      }
      #expect(published > 0)
    }
  }

  @Test("a requester that cannot read the answer does not say that the responder died")
  func request() throws {
    try Watchdog.bounding("req with few descriptors", seconds: 300) {
      let dir = try TemporaryDirectory("starved")
      let bus = try CLIBus(dir.path)
      let responder = try bus.start("reply", "up", "--echo")
      defer { responder.kill() }
      while responder.isRunning, !responder.stderrSoFar.contains("answering") { breathe() }
      for limit in Self.limits {
        let result = try Self.run(bus, limit, ["req", "up", "hello", "--timeout", "3"])
        #expect(!result.stderr.contains("PEER_DIED"), "\(limit): \(result)")
        #expect(!result.stderr.contains("ended, closed"), "\(limit): \(result)")
        if result.succeeded { #expect(result.stdout.contains("hello")) }
      }
    }
  }
}
