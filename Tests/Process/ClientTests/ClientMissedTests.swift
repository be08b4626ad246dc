import BinaryComm
import BusLog
import BusTestSupport
import BusWire
import ProcessSupport
import Testing

/// Streams for which an agent has no place, by the hundred.
@Suite("Streams that are missed")
struct ClientMissedTests {
  /// An array takes no publisher.
  private final class Held {
    private let publisher: Publisher

    init(_ publisher: consuming Publisher) { self.publisher = publisher }
  }

  @Test("of hundreds of missed streams a program is told the first, and that there are others")
  func many() throws {
    try Watchdog.bounding("hundreds of missed streams", seconds: 100) {
      let bus = try ClientBus()
      let feed = try bus.agent("feed")
      // One publisher has half of a reader's 1,984 places; 256 more are kept in mind.
      let publishers = try (0..<1300).map { Held(try feed.publisher(on: "c\($0)")) }
      let listener = try bus.agent("listener")
      var reader = try listener.reader("*", mode: .lossy)
      while reader.statistics.problems < 257 {
        do throws(BusError) {
          _ = try reader.poll { _ in }
        } catch {
          #expect(error.code == .resourceExhausted)
        }
      }
      let problems = reader.drainProblems()
      #expect(problems.count == 64)
      #expect(problems.dropLast().allSatisfy { $0.publisher == "feed" })
      #expect(problems.last?.publisher == "")
      #expect(problems.last?.error.detail.contains("not given later") == true)
      withExtendedLifetime(publishers) {}
    }
  }
}
