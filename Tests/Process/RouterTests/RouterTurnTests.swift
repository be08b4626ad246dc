import BusTestSupport
import BusWire
import CBusPlatform
import Foundation
import Glibc
import ProcessSupport
import Testing

@Suite("The router's turns", .serialized)
struct RouterTurnTests {
  private func subscribe(_ number: UInt32) -> AgentFrame {
    .subscribe(
      SubscribeFrame(
        subscription: number, pattern: ">", mode: .lossy, sleeps: false, epoch: 0))
  }

  /// A publisher of a hundred streams.
  private func feed(on router: borrowing RouterProcess) throws -> RouterClient {
    let feed = try router.connect()
    _ = try feed.register("feed")
    for number in 0..<100 {
      #expect(try feed.publish("feed", "c\(number)")?.kind == .logAdded)
    }
    return feed
  }

  @Test("an agent whose frames cost much has its turn, and then others have theirs")
  func fairTurns() throws {
    try Watchdog.bounding("turns of the router", seconds: 60) {
      let router = try RouterProcess()
      let feed = try feed(on: router)
      let greedy = try router.connect()
      _ = try greedy.register("greedy")
      let other = try router.connect()
      try other.hello()
      #expect(router.child.stop())
      for number in 1...9 { try greedy.say(subscribe(UInt32(number))) }
      try other.send(AgentFrame.query(QueryFrame(subject: .router)).encode(request: 77))
      router.child.signal(SIGCONT)
      guard case .row(let row) = try other.receive().frame else {
        Issue.record("no row")
        return
      }
      let text = row.fields.first { $0.key == "attachments" }?.value ?? ""
      let before = try #require(Int(text))
      #expect(before >= 100 && before <= 300, "\(before) of 900 readings were made before")
      feed.close()
    }
  }

  @Test("a list that is longer than a turn comes whole")
  func longList() throws {
    try Watchdog.bounding("a long list", seconds: 60) {
      let router = try RouterProcess()
      let feed = try feed(on: router)
      let reader = try router.connect()
      _ = try reader.register("reader")
      for number in 1...9 {
        #expect(try reader.ask(subscribe(UInt32(number))).last?.frame.kind == .subscribed)
      }
      let other = try router.connect()
      try other.hello()
      for _ in 0..<3 {
        let frames = try other.ask(.query(QueryFrame(subject: .attachments))).map(\.frame)
        #expect(frames.count == 901 && frames.last == .queryEnd)
      }
      feed.close()
    }
  }
}
