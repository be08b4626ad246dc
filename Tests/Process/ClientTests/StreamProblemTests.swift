import BinaryComm
import BusLog
import BusTestSupport
import BusWire
import Glibc
import ProcessSupport
import Testing

/// One publisher's trouble stays its own, and is told.
@Suite("Trouble of one publisher", .serialized)
struct StreamProblemTests {
  @Test("a subscription goes on with all others after one publisher has left it behind")
  func goesOn() async throws {
    try await Watchdog.bounding("goes on", seconds: 60) {
      let bus = try ClientBus(["--stall", "0.1"])
      let listener = try bus.agent("listener")
      let good = try bus.agent("good")
      let fast = try bus.agent("fast")
      let alerts = try await listener.subscribe("alerts.>", mode: .lossless, buffer: 1)
      var flood = try fast.publisher(on: "alerts", options: smallLog)
      // Nobody takes anything: the small log fills, and its publisher goes on without the reader.
      for value in 0..<2000 {
        try flood.publish("alerts.flood", numbered(value), timeout: .seconds(20))
      }
      try await good.publish("alerts.good", numbered(7))
      var iterator = alerts.makeAsyncIterator()
      var isThere = false
      while !isThere, let message = try await iterator.next() {
        isThere = message.publisher == "good" && number(message.payload) == 7
      }
      #expect(isThere)
      var problems = alerts.problems.makeAsyncIterator()
      let problem = try #require(await problems.next())
      #expect(problem.publisher == "fast" && problem.error.code == .evicted)
      #expect(alerts.statistics.problems == 1)
    }
  }

  @Test("of the problems that nobody takes the newest 64 wait, and all are counted")
  func problemsThatWait() async throws {
    try await Watchdog.bounding("problems that wait", seconds: 120) {
      let bus = try ClientBus(["--stall", "0.02"])
      let listener = try bus.agent("listener")
      let fast = try bus.agent("fast")
      let all = try await listener.subscribe(">", mode: .lossless, buffer: 1)
      for number in 0..<70 {
        var flood = try fast.publisher(on: "c\(number)", options: smallLog)
        for value in 0..<1000 {
          try flood.publish("c\(number).x", numbered(value), timeout: .seconds(20))
        }
        flood.close()
      }
      let reading = Task(executorPreference: OwnThreads.shared) { for try await _ in all {} }
      for _ in 0..<4000 where all.statistics.problems < 70 { await rest(milliseconds: 10) }
      #expect(all.statistics.problems == 70)
      all.cancel()
      try await reading.value
      var waiting = 0
      for await problem in all.problems {
        #expect(problem.publisher == "fast" && problem.error.code == .evicted)
        waiting += 1
      }
      #expect(waiting == 64)
    }
  }

  @Test("what waits for a slow consumer is bounded in bytes, and nothing of it is lost")
  func bytesThatWait() async throws {
    try await Watchdog.bounding("bytes that wait", seconds: 120) {
      let bus = try ClientBus()
      let writer = try bus.agent("writer")
      let listener = try bus.agent("listener")
      let large = try await listener.subscribe("large.>", mode: .lossless, buffer: 10_000)
      let payload = [UInt8](repeating: 7, count: 4 << 20)
      // More than the bound and the log hold together: the publisher has to wait for the consumer.
      async let sent: Void = {
        for _ in 0..<64 { try await writer.publish("large.one", payload) }
      }()
      await rest(milliseconds: 1500)
      let waiting = large.statistics.received
      #expect(waiting < 40, "\(waiting) messages of 4 MiB wait for a consumer that takes none")
      var seen = 0
      for try await message in large {
        #expect(message.payload.count == payload.count)
        seen += 1
        if seen == 64 { break }
      }
      try await sent
      #expect(seen == 64)
    }
  }

  @Test("two tasks that share a subscription both end")
  func twoConsumers() async throws {
    try await Watchdog.bounding("two consumers", seconds: 60) {
      let bus = try ClientBus()
      let listener = try bus.agent("listener")
      let alerts = try await listener.subscribe("alerts.>")
      let tasks = (0..<2).map { _ in
        Task(executorPreference: OwnThreads.shared) {
          for try await _ in alerts {}
        }
      }
      await rest(milliseconds: 100)
      alerts.cancel()
      for task in tasks { try await task.value }
    }
  }

  @Test("a topic works with the publisher that resolved it alone, and a count cannot be negative")
  func foreignTopics() throws {
    try Watchdog.bounding("foreign topics", seconds: 60) {
      let bus = try ClientBus()
      let agent = try bus.agent("writer")
      let reader = try bus.agent("reader").reader("other.>", mode: .lossless)
      var one = try agent.publisher(on: "one")
      var other = try agent.publisher(on: "other")
      let foreign = try one.topic("one.two")
      // The log's table is full: the handle itself holds this one.
      let filler = String(repeating: "x", count: 100)
      for number in 0..<2000 { _ = try one.topic("one.\(number).\(filler)") }
      let late = try one.topic("one.late")
      let own = try other.topic("other.two")
      func code(_ body: () throws -> Void) -> BusErrorCode? {
        do { try body() } catch { return (error as? BusError)?.code }
        return nil
      }
      #expect(code { try other.publish(foreign, count: 8) { _ in } } == .invalid)
      #expect(code { try other.append(foreign, count: 8) { _ in } } == .invalid)
      #expect(code { try other.publish(late, count: 8) { _ in } } == .invalid)
      #expect(code { try other.append(late, count: 8) { _ in } } == .invalid)
      #expect(code { try one.publish(late, count: 8) { _ in } } == nil)
      #expect(code { try other.publish(own, count: -1) { _ in } } == .invalid)
      #expect(code { try other.publish(own, count: 8) { _ in } } == nil)
      other.close()
      one.close()
      // What was refused lies in no log.
      #expect(reader.statistics.received == 0)
      #expect(other.published == 1)
    }
  }
}
