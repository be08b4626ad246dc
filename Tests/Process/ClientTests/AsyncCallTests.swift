import BinaryComm
import BusLog
import BusTestSupport
import BusWire
import Glibc
import ProcessSupport
import Testing

@Suite("Asynchronous calls")
struct AsyncCallTests {
  @Test("a subscription yields what another agent publishes, in order")
  func subscription() async throws {
    try await Watchdog.bounding("async subscription", seconds: 60) {
      let bus = try ClientBus()
      let writer = try bus.agent("writer")
      let listener = try bus.agent("listener")
      let alerts = try await listener.subscribe("alerts.>", mode: .lossless, buffer: 16)
      async let sent: Void = {
        for value in 0..<2000 { try await writer.publish("alerts.cpu", numbered(value)) }
      }()
      var seen: [Int] = []
      for try await message in alerts {
        seen.append(number(message.payload))
        if seen.count == 2000 { break }
      }
      try await sent
      #expect(seen == Array(0..<2000))
      #expect(alerts.statistics.gaps == 0)
    }
  }

  @Test("a broadcast reaches every other agent that listens, both ways")
  func broadcast() async throws {
    try await Watchdog.bounding("broadcast", seconds: 60) {
      let bus = try ClientBus()
      let first = try bus.agent("first")
      let second = try bus.agent("second")
      let atFirst = try await first.subscribe("bcs.broadcast")
      let atSecond = try await second.subscribe("bcs.broadcast")
      try await first.broadcast(numbered(1))
      var seconds = atSecond.makeAsyncIterator()
      let heard = try #require(await seconds.next())
      #expect(number(heard.payload) == 1 && heard.publisher == "first")
      #expect(heard.topic == "bcs.broadcast" && heard.header.type == .broadcast)
      try await second.broadcast(numbered(2))
      for try await message in atFirst where message.publisher == "second" {
        #expect(number(message.payload) == 2)
        break
      }
    }
  }

  @Test("cancel ends the sequence of a consumer that waits")
  func cancel() async throws {
    try await Watchdog.bounding("cancel", seconds: 60) {
      let bus = try ClientBus()
      let writer = try bus.agent("writer")
      let listener = try bus.agent("listener")
      let alerts = try await listener.subscribe("alerts.>")
      for value in 0..<3 { try await writer.publish("alerts.cpu", numbered(value)) }
      let consumer = Task(executorPreference: OwnThreads.shared) {
        var seen: [Int] = []
        for try await message in alerts {
          seen.append(number(message.payload))
          if seen.count == 3 { alerts.cancel() }
        }
        return seen
      }
      #expect(try await consumer.value == [0, 1, 2])
      let idle = try await listener.subscribe("alerts.>")
      let waiting = Task(executorPreference: OwnThreads.shared) {
        var count = 0
        for try await _ in idle { count += 1 }
        return count
      }
      await rest(milliseconds: 20)
      idle.cancel()
      #expect(try await waiting.value == 0)
    }
  }

  @Test("cancel is not slept through: two hundred readers that wait end one after the other")
  func cancelAsleep() async throws {
    try await Watchdog.bounding("two hundred times cancel", seconds: 60) {
      let bus = try ClientBus()
      let listener = try bus.agent("listener")
      for _ in 0..<200 {
        let idle = try await listener.subscribe("alerts.>")
        // Time for its thread to fall asleep.
        await rest(milliseconds: 2)
        idle.cancel()
        var count = 0
        for try await _ in idle { count += 1 }
        #expect(count == 0)
      }
    }
  }

  @Test("cancelling the task that iterates ends the sequence")
  func cancelTask() async throws {
    try await Watchdog.bounding("cancel task", seconds: 60) {
      let bus = try ClientBus()
      let listener = try bus.agent("listener")
      let idle = try await listener.subscribe("alerts.>")
      let waiting = Task(executorPreference: OwnThreads.shared) {
        var count = 0
        for try await _ in idle { count += 1 }
        return count
      }
      await rest(milliseconds: 20)
      waiting.cancel()
      #expect(try await waiting.value == 0)
    }
  }

  @Test("leaving for await holds no publisher back")
  func leaveLoop() async throws {
    try await Watchdog.bounding("leaving for await", seconds: 60) {
      let bus = try ClientBus(["--stall", "600"])
      let writer = try bus.agent("writer")
      let listener = try bus.agent("listener")
      var publisher = try writer.publisher(on: "alerts", options: smallLog)
      let publish = { (publisher: inout Publisher, value: Int) throws(BusError) in
        try publisher.publish("alerts.cpu", numbered(value), timeout: .seconds(600))
      }
      let first = Task(executorPreference: OwnThreads.shared) {
        for try await message in try await listener.subscribe(
          "alerts.>", mode: .lossless, buffer: 4)
        { return number(message.payload) }
        return -1
      }
      // A row alone says that the subscription is known: until it has joined, nothing is promised.
      while try !writer.query(.attachments).contains(where: { $0["state"] == "joined" }) {
        await rest(milliseconds: 5)
      }
      try publish(&publisher, 0)
      #expect(try await first.value == 0)
      for value in 1...5000 { try publish(&publisher, value) }
      let published = publisher.published
      #expect(published == 5001)
    }
  }

  @Test("many that publish to a full window wait together, none of them behind another's wait")
  func fullWindow() async throws {
    try await Watchdog.bounding("a full window", seconds: 60) {
      let bus = try ClientBus(["--stall", "600", "--log-first", "65536", "--log-most", "65536"])
      let writer = try bus.agent("writer")
      let listener = try bus.agent("listener")
      let reader = try listener.reader("alerts", mode: .lossless)
      let errors = await withTaskGroup { group in
        for value in 0..<24 {
          group.addTask { () -> BusError? in
            do throws(BusError) {
              try await writer.publish("alerts", numbered(value, bytes: 16_000))
              return nil
            } catch {
              return error
            }
          }
        }
        return await group.reduce(into: [BusError]()) { $0 += [$1].compactMap { $0 } }
      }
      #expect((20..<24).contains(errors.count))
      #expect(errors.allSatisfy { $0.code == .resourceExhausted })
      #expect(reader.statistics.received == 0)
    }
  }

  @Test("a subscription and a pollable handle may outlive their agent")
  func outliveAgent() async throws {
    try await Watchdog.bounding("outliving the agent", seconds: 60) {
      let bus = try ClientBus()
      for number in 0..<20 {
        let (alerts, handle) = try await leave(bus.agent("listener\(number)"))
        var count = 0
        do {
          for try await _ in alerts { count += 1 }
        } catch {
          #expect((error as? BusError)?.code == .closed)
        }
        #expect(count == 0)
        await rest(milliseconds: 2)
        alerts.cancel()
        handle.close()
      }
    }
  }

  private func leave(_ agent: Agent) async throws -> (Subscription, PollableHandle) {
    var reader = try agent.reader("ticks", wait: .sleep)
    let handle = try reader.pollable()
    _ = try reader.arm(handle)
    let alerts = try await agent.subscribe("alerts.>")
    reader.close()
    agent.close()
    return (alerts, handle)
  }
}
