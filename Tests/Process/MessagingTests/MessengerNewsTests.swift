import BinaryComm
import BusLog
import BusTestSupport
import BusWire
import Glibc
import ProcessSupport
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

  @Test("of agents that it does not know it hears no end, however many come and go")
  func strangers() throws {
    try Watchdog.bounding("ends of strangers", seconds: 60) {
      var pair = try Pair()
      _ = try pair.openLanes()
      let publisher = try pair.asker.publisher(on: "h.x")
      for number in 0..<20 {
        let stranger = try pair.bus.agent("stranger-\(number)")
        var reader = try stranger.reader("h.>", mode: .lossy)
        try reader.meet()
        stranger.close()
      }
      pair.answerer.close()
      func isThere(_ row: [String: String]) -> Bool { row["name"] != "asker" }
      while try pair.asker.query(.agents).contains(where: isThere) { usleep(1000) }
      // Frames come in order: when this is answered all of the news are there.
      _ = try pair.asker.query(.router)
      // That the answerer has ended, reads its lanes no more, and answers its name no more.
      let waiting = pair.left.newsWaiting
      #expect(waiting > 0 && waiting < 20)
      _ = consume publisher
    }
  }

  @Test("a name that the router refuses is not answered to whoever has not heard of that")
  func refused() throws {
    try Watchdog.bounding("a refused name", seconds: 60) {
      var pair = try Pair()
      try pair.right.answer("echo")
      let echo = try pair.left.out.service("echo")
      while pair.left.out.responders(of: echo).isEmpty { try pair.hear() }
      try pair.right.stopAnswering("echo")
      let other = try pair.bus.agent("echo")
      let why = failure { () throws(BusError) in _ = try pair.right.answer("echo") }
      #expect(why?.code == .nameInUse)
      // The asker hears nothing before its next poll: for it the name is still the answerer's.
      _ = try pair.left.out.request(echo, numbered(1), Pair.longAsking)
      while pair.failures.isEmpty, pair.arrived.isEmpty {
        if try pair.hear() + pair.take() == 0 { usleep(200) }
      }
      #expect(pair.arrived.isEmpty && pair.failures.map(\.code) == [.noResponders])
      // Other names are answered as ever.
      try pair.right.answer("work")
      let work = try pair.left.out.service("work")
      _ = try pair.left.out.request(work, numbered(2), Pair.longAsking)
      try pair.until(arrived: 1)
      #expect(pair.numbers == [2])
      other.close()
    }
  }
}
