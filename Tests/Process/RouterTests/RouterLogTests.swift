import BusTestSupport
import BusWire
import Foundation
import Glibc
import ProcessSupport
import Testing

@Suite("A router's log", .serialized)
struct RouterLogTests {
  @Test("nobody who lets its log stand holds the router up")
  func unreadLog() throws {
    try Watchdog.bounding("a log that nobody reads", seconds: 60) {
      let home = try TemporaryDirectory("log")
      let pipe = try StoppedPipe(home.file("log"))
      let directory = home.file("run")
      let router = try Child.start(
        "/bin/sh",
        [
          "-c", "exec \"$0\" --dir \"$1\" --json 2> \"$2\"", try Programs.path("msg_router"),
          directory, pipe.path,
        ])
      try router.waitForLine(containing: "\"event\":\"ready\"")
      // One line each, together more than the pipe holds.
      for number in 0..<60 {
        let client = try RouterClient("\(directory)/router.sock")
        _ = try client.register("noisy.\(number)")
        let foreign = SubscribeFrame(
          subscription: 1, pattern: "bcs.inbox.\(number).>", mode: .lossy, sleeps: false, epoch: 0)
        #expect(try client.refusal(.subscribe(foreign)) == .denied)
      }
      let newcomer = try RouterClient("\(directory)/router.sock")
      _ = try newcomer.register("newcomer")
      #expect(try newcomer.ask(.query(QueryFrame(subject: .agents))).last?.frame == .queryEnd)
      var lines = ""
      for _ in 0..<2000 where !lines.contains("noisy.59") {
        lines += pipe.read()
        usleep(5000)
      }
      for number in 0..<60 { #expect(lines.contains("noisy.\(number) "), "\(number) is missing") }
      router.signal(SIGTERM)
      #expect(try router.wait().exit == .code(0))
    }
  }
}
