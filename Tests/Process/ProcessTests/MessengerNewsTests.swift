import BinaryComm
import BusTestSupport
import BusWire
import Testing

@Suite("What the router tells a messenger that is not polled")
struct MessengerNewsTests {
  @Test("of each name only the newest waits, however often its responders change")
  func newest() throws {
    try Watchdog.bounding("news of responders", seconds: 60) {
      var pair = try Pair()
      try pair.right.answer("here")
      try pair.right.answer("there")
      let names = [try pair.left.out.service("here"), try pair.left.out.service("there")]
      for name in names {
        while pair.left.out.responders(of: name).isEmpty { try pair.hear() }
      }
      for _ in 0..<20 {
        for name in ["here", "there"] {
          try pair.right.stopAnswering(name)
          try pair.right.answer(name)
        }
      }
      try pair.right.stopAnswering("there")
      // Frames come in order: when this is answered all of the news are there.
      _ = try pair.asker.query(.router)
      let waiting = pair.left.newsWaiting
      #expect(waiting == 2)
      try pair.hear()
      let responders = names.map { pair.left.out.responders(of: $0) }
      #expect(responders == [["answerer"], []])
    }
  }
}
