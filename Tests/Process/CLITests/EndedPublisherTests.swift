import BusTestSupport
import Foundation
import Glibc
import ProcessSupport
import Testing

/// What a publisher leaves when it ends before its reader has read everything.
@Suite("What publishers that have ended leave", .serialized)
struct EndedPublisherTests {
  @Test("channel counts what lies there, stat says who has not read it, and both end with it")
  func unread() throws {
    let dir = try TemporaryDirectory("ended")
    let bus = try CLIBus(dir.path, ["--stall", "600"])
    let reader = try bus.subscriber("q.>", "--lossless", "--name", "reader")
    reader.signal(SIGSTOP)
    // More than fits: it ends behind a window that stays full, in a log that has grown meanwhile.
    let writer = try bus.run(
      "pub", "q.x", "hello", "--count", "300000", "--timeout", "0.1", "--name", "writer", "--json")
    #expect(writer.exit == .code(6))
    let line = try #require(try jsonLines(writer.stdout).first)
    let published = try #require(line["messages"] as? Int)
    #expect(published > 0)
    let channel = try #require(try jsonLines(try bus.run("channel", "--json").stdout).first)
    #expect(channel["state"] as? String == "closed")
    #expect(channel["messages"] as? Int == published)
    let rows = try jsonLines(try bus.run("stat", "--json", "--interval", "0.1").stdout)
    let ended = try #require(rows.first { $0["kind"] as? String == "ended" })
    #expect(ended["publisher"] as? String == "writer" && ended["channel"] as? String == "q")
    #expect(ended["messages"] as? Int == published && ended["readers"] as? Int == 1)
    let sentence = "writer has ended; 1 reader has not read all of its \(published) messages on q."
    let stat = try bus.run("stat", "--interval", "0.1").stdout
    #expect(stat.contains(sentence), "\(stat)")
    reader.signal(SIGCONT)
    var left = 1
    while left > 0 {
      left = try jsonLines(try bus.run("channel", "--json").stdout).count
    }
    #expect(!(try bus.run("stat", "--interval", "0.1").stdout.contains("has ended")))
    reader.signal(SIGINT)
    let end = try reader.wait(timeout: .seconds(20))
    #expect(end.stderr.contains("received \(published) lost 0"))
  }
}
