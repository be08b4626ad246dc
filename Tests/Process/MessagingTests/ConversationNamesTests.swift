import BinaryComm
import BusTestSupport
import BusWire
import ProcessSupport
import Testing

/// An agent that talks to ever new names does not come to an end of them.
@Suite("Names that come and go", .serialized)
struct ConversationNamesTests {
  @Test("fifteen hundred names, each used once, and those of before are found again")
  func many() async throws {
    try await Watchdog.bounding("many names", seconds: 120) {
      let bus = try ClientBus()
      let hub = try bus.agent("hub")
      let first = try bus.agent("first")
      try await first.serve("first.work", executor: OwnThreads.shared) { $0.payload }
      #expect(try await hub.request("first.work", [1], timeout: .seconds(30)).payload == [1])
      var others = 0
      for number in 0..<1500 {
        do {
          _ = try await hub.request("nobody.\(number)", [], timeout: .seconds(30))
        } catch {
          if (error as? BusError)?.code != .noResponders { others += 1 }
        }
      }
      #expect(others == 0, "of 1500 names that nobody answers so many failed otherwise")
      // Long unused, and so forgotten meanwhile.
      #expect(try await hub.request("first.work", [2], timeout: .seconds(30)).payload == [2])
      let late = try bus.agent("late")
      try await late.serve("late.work", executor: OwnThreads.shared) { $0.payload }
      #expect(try await hub.request("late.work", [3], timeout: .seconds(30)).payload == [3])
    }
  }
}
