import BinaryComm
import BusAdmin
import BusCounters
import BusLog
import BusTestSupport
import BusWire
import ProcessSupport
import Testing

extension CounterWatch {
  /// What everybody counts now.
  func picture() -> BusDelta { BusDelta(BusSample(timeNs: 1, agents: look())) }

  /// Looks until the picture is as wanted; the test's watchdog ends it when that never comes.
  func picture(when isThere: (BusDelta) -> Bool) -> BusDelta {
    while true {
      let now = picture()
      if isThere(now) { return now }
      breathe()
    }
  }
}

extension BusDelta {
  /// What an agent does one way, over all channels.
  func all(_ agent: String, _ direction: CounterDirection) -> [ChannelTraffic] {
    traffic.filter { $0.agent == agent && $0.key.direction == direction }
  }

  /// What an agent counted one way.
  func counts(_ agent: String, _ direction: CounterDirection) -> CounterCounts {
    var sum = CounterCounts()
    for one in all(agent, direction) { sum.add(one.counts) }
    return sum
  }

  var isBalanced: Bool { channels.allSatisfy(\.holds) }
}

@Suite("Counters say what publishers and readers counted themselves")
struct CounterCountTests {
  @Test("lossless: messages, bytes, what waits, and the log's own count")
  func lossless() throws {
    try Watchdog.bounding("counters, lossless", seconds: 60) {
      let bus = try ClientBus()
      let writer = try bus.agent("writer")
      let listener = try bus.agent("listener")
      let watch = try bus.agent("top").watchCounters()
      var reader = try listener.reader("ticks", mode: .lossless)
      var publisher = try writer.publisher(on: "ticks")
      try reader.meet()
      var bytes = 0
      for value in 0..<500 {
        let payload = numbered(value, bytes: 8 + value % 90)
        bytes += payload.count
        try publisher.publish("ticks", payload)
      }
      // The handing in of segments goes its own way.
      var picture = watch.picture { $0.all("writer", .sent).count == 1 && $0.agents == 2 }
      #expect(picture.counts("writer", .sent).messages == publisher.published)
      #expect(picture.counts("writer", .sent).bytes == UInt64(bytes))
      #expect(picture.all("listener", .received).map(\.depth) == [500])
      #expect(picture.all("writer", .sent).map(\.depth) == [500])
      #expect(picture.channels.first?.pending == 500 && picture.isBalanced)
      var (taken, took) = (0, 0)
      while taken < 200 {
        taken += try reader.poll(limit: 200 - taken) { took += $0.payload.byteCount }
      }
      picture = watch.picture()
      #expect(picture.counts("listener", .received).messages == 200)
      #expect(picture.counts("listener", .received).bytes == UInt64(took))
      #expect(picture.channels.first?.pending == 300 && picture.isBalanced)
      #expect(picture.all("listener", .received).first?.times.total ?? 0 > 0)
      taken += try reader.take(300).count
      publisher.close()
      while reader.statistics.ended == 0 { _ = try reader.poll { _ in taken += 1 } }
      picture = watch.picture()
      #expect(taken == 500)
      #expect(picture.counts("listener", .received).messages == 500)
      #expect(picture.counts("listener", .received).bytes == UInt64(bytes))
      #expect(picture.channels.first?.pending == 0 && picture.isBalanced)
      #expect(picture.channels.first?.published == 500)
    }
  }

  @Test(
    "in the middle of a burst each poll shows what it took, whoever stops polling then",
    arguments: [ReadMode.lossless, .lossy])
  func withinBurst(mode: ReadMode) throws {
    try Watchdog.bounding("counters, within a burst", seconds: 60) {
      let bus = try ClientBus()
      let writer = try bus.agent("writer")
      let listener = try bus.agent("listener")
      let watch = try bus.agent("top").watchCounters()
      var reader = try listener.reader("ticks", mode: mode)
      var publisher = try writer.publisher(on: "ticks")
      try reader.meet()
      for value in 0..<300 { try publisher.publish("ticks", numbered(value)) }
      _ = watch.picture { $0.agents == 2 }
      var (taken, bytes) = (0, 0)
      while taken < 300 {
        taken += try reader.poll(limit: 1 + taken % 5) { bytes += $0.payload.byteCount }
        let picture = watch.picture()
        let counts = picture.counts("listener", .received)
        #expect(counts.messages == UInt64(taken) && counts.bytes == UInt64(bytes))
        #expect(picture.channels.first?.pending == UInt64(300 - taken) && picture.isBalanced)
      }
      // One time for the first of them and one for each 256 that follow: the clock is dear.
      let times = watch.picture().all("listener", .received).first?.times.total
      #expect(mode == .lossless ? times == 2 : (times ?? 0) > 2)
    }
  }

  @Test("lossy: every gap that the reader was told of, and every message in it")
  func lossy() throws {
    try Watchdog.bounding("counters, lossy", seconds: 60) {
      let bus = try ClientBus()
      let writer = try bus.agent("writer")
      let listener = try bus.agent("listener")
      let watch = try bus.agent("top").watchCounters()
      var reader = try listener.reader("ticks", mode: .lossy)
      var publisher = try writer.publisher(on: "ticks", options: smallLog)
      try reader.meet()
      var (taken, told, lost) = (0, 0, UInt64(0))
      for round in 0..<30 {
        for value in 0..<(round % 3 == 0 ? 20 : 400) {
          try publisher.publish("ticks", numbered(value))
        }
        while true {
          let now = try reader.poll { message in
            if message.gapBefore > 0 { told += 1 }
            lost += message.gapBefore
          }
          taken += now
          if now == 0 { break }
        }
      }
      let picture = watch.picture { $0.agents == 2 }
      let counts = picture.counts("listener", .received)
      #expect(told > 5 && lost > 0)
      #expect(counts.messages == UInt64(taken))
      #expect(counts.gapMessages == lost && counts.gapEvents == UInt64(told))
      #expect(counts.gapMessages == reader.statistics.gaps)
      #expect(counts.expected == publisher.published && picture.isBalanced)
      #expect(picture.channels.first?.pending == 0)
    }
  }

  @Test("latest: replaced messages are counted as such, whether handed over at once or later")
  func latest() throws {
    try Watchdog.bounding("counters, latest", seconds: 60) {
      let bus = try ClientBus()
      let writer = try bus.agent("writer")
      let listener = try bus.agent("listener")
      let watch = try bus.agent("top").watchCounters()
      var reader = try listener.reader("ticks.>", mode: .latest)
      var publisher = try writer.publisher(on: "ticks")
      try reader.meet()
      for value in 0..<90 { try publisher.publish("ticks.\(value % 9)", numbered(value)) }
      #expect(try reader.poll(limit: 4) { _ in } == 4)
      var picture = watch.picture { $0.agents == 2 }
      var counts = picture.counts("listener", .received)
      #expect(counts.messages == 4 && counts.dropped(.superseded) == 81)
      #expect(picture.channels.first?.pending == 5 && picture.isBalanced)
      #expect(try reader.poll { _ in } == 5)
      picture = watch.picture()
      counts = picture.counts("listener", .received)
      #expect(counts.messages == 9 && counts.dropped(.superseded) == reader.statistics.superseded)
      #expect(picture.channels.first?.pending == 0 && picture.isBalanced)
    }
  }

  @Test("what the pattern does not want is filtered, what an evicted reader was shown is void")
  func drops() throws {
    try Watchdog.bounding("counters, drops", seconds: 60) {
      let bus = try ClientBus(["--stall", "0.3"])
      let writer = try bus.agent("writer")
      let picky = try bus.agent("picky")
      let sluggard = try bus.agent("sluggard")
      let watch = try bus.agent("top").watchCounters()
      var wanted = try picky.reader("ticks.a", mode: .lossy)
      var idle = try sluggard.reader("ticks.>", mode: .lossless)
      var publisher = try writer.publisher(on: "ticks", options: smallLog)
      try wanted.meet()
      try idle.meet()
      var (kept, made) = (0, 0)
      for value in 0..<1000 {
        try publisher.publish(value % 4 == 0 ? "ticks.a" : "ticks.b", numbered(value))
        made += 1
        if value % 16 == 0 { kept += try wanted.poll { _ in } }
      }
      while try wanted.poll({ _ in kept += 1 }) > 0 {}
      var error: BusError?
      while error == nil { error = failure { () throws(BusError) in _ = try idle.poll { _ in } } }
      let picture = watch.picture { $0.agents == 3 }
      let counts = picture.counts("picky", .received)
      #expect(counts.messages == UInt64(kept))
      #expect(kept + Int(counts.dropped(.filtered)) + Int(counts.gapMessages) == made)
      let evicted = picture.counts("sluggard", .received)
      #expect(error?.code == .evicted && evicted.errors == 1)
      #expect(evicted.messages == 0 && evicted.dropped(.evicted) == publisher.published)
      #expect(picture.counts("writer", .sent).blocked > 0)
      #expect(picture.isBalanced)
    }
  }

  @Test("a reader that leaves says how many it left, and the next one goes on with its totals")
  func leaving() throws {
    try Watchdog.bounding("counters, leaving", seconds: 60) {
      let bus = try ClientBus()
      let writer = try bus.agent("writer")
      let listener = try bus.agent("listener")
      let watch = try bus.agent("top").watchCounters()
      var publisher = try writer.publisher(on: "ticks")
      for round in 1...5 as ClosedRange<UInt64> {
        var reader = try listener.reader("ticks", mode: .lossless)
        try reader.meet()
        for value in 0..<100 { try publisher.publish("ticks", numbered(value)) }
        var taken = 0
        while taken < 60 { taken += try reader.poll(limit: 60 - taken) { _ in } }
        reader.close()
        let picture = watch.picture { $0.agents == 2 }
        let counts = picture.counts("listener", .received)
        #expect(counts.messages == 60 * round && counts.dropped(.left) == 40 * round)
        #expect(counts.expected == 100 * round && picture.isBalanced)
        #expect(picture.channels.first?.readings == 0)
      }
    }
  }

  @Test("a wait in several tries counts as refused once, when it is given up")
  func tries() throws {
    try Watchdog.bounding("counters, tries", seconds: 60) {
      let bus = try ClientBus(["--stall", "600"])
      let writer = try bus.agent("writer")
      let listener = try bus.agent("listener")
      let watch = try bus.agent("top").watchCounters()
      var reader = try listener.reader("ticks", mode: .lossless)
      var publisher = try writer.publisher(on: "ticks", options: smallLog)
      try reader.meet()
      let topic = try publisher.topic("ticks")
      var sent = 0
      var errors: [BusError] = []
      while errors.count < 4 {
        let bytes = numbered(sent)
        let error = failure { () throws(BusError) in
          try publisher.attempt(topic, bytes.raw, timeout: .milliseconds(1))
        }
        if let error { errors.append(error) } else { sent += 1 }
      }
      #expect(errors.allSatisfy { $0.cause == .slowReader })
      let before = watch.picture { $0.agents == 2 }.counts("writer", .sent)
      #expect(before.errors == 0 && before.dropped(.queueFull) == 0)
      #expect(before.messages == UInt64(sent))
      publisher.noteFailure(errors[0])
      let after = watch.picture().counts("writer", .sent)
      #expect(after.errors == 1 && after.dropped(.queueFull) == 1)
    }
  }

  @Test("a publish that fails is an error, one that finds the window full is counted as refused")
  func refusals() throws {
    try Watchdog.bounding("counters, refusals", seconds: 60) {
      let bus = try ClientBus(["--stall", "600"])
      let writer = try bus.agent("writer")
      let listener = try bus.agent("listener")
      let watch = try bus.agent("top").watchCounters()
      var reader = try listener.reader("ticks", mode: .lossless)
      var publisher = try writer.publisher(on: "ticks", options: smallLog)
      try reader.meet()
      var sent = 0
      var error: BusError?
      while error == nil {
        let bytes = numbered(sent)
        error = failure { () throws(BusError) in
          try publisher.publish("ticks", bytes, timeout: .milliseconds(20))
        }
        if error == nil { sent += 1 }
      }
      #expect(error?.code == .resourceExhausted)
      let large = [UInt8](repeating: 1, count: 1 << 20)
      #expect(failure { () throws(BusError) in try publisher.publish("ticks", large) } != nil)
      let picture = watch.picture { $0.agents == 2 }
      let counts = picture.counts("writer", .sent)
      #expect(counts.messages == UInt64(sent) && counts.messages == publisher.published)
      #expect(counts.errors == 2 && counts.dropped(.queueFull) == 1 && counts.blocked > 0)
      #expect(picture.isBalanced && picture.channels.first?.pending == UInt64(sent))
    }
  }
}
