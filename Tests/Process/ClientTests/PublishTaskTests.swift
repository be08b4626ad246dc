import BinaryComm
import BusLog
import BusTestSupport
import BusWire
import Foundation
import Glibc
import ProcessSupport
import Synchronization
import Testing

/// Tasks that publish into a full window: what they cost, and how they end.
@Suite("Tasks that wait to publish", .serialized)
struct PublishTaskTests {
  /// Threads of this process that publish, or block, on behalf of tasks.
  private static func threads() throws -> Int {
    let names = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/task").map {
      // A thread may have ended since.
      (try? String(contentsOfFile: "/proc/self/task/\($0)/comm", encoding: .utf8)) ?? ""
    }
    return names.filter { $0.hasPrefix("bcs-publish") || $0.hasPrefix("bcs-call") }.count
  }

  @Test("a cancelled task waits no longer, and its message is not published")
  func cancelled() async {
    // In a process of its own: other tests have threads, too.
    await #expect(processExitsWith: .success) {
      try await Watchdog.bounding("cancelled publish", seconds: 120) {
        try await PublishTaskTests.cancelWaiting()
      }
    }
  }

  private static func cancelWaiting() async throws {
    let bus = try ClientBus(["--stall", "600", "--log-most", "1M"])
    let writer = try bus.agent("writer")
    let listener = try bus.agent("listener")
    var reader = try listener.reader("alerts.>", mode: .lossless)
    try await Self.fillWindow(writer)
    let before = try Self.threads()
    let tasks = (0..<400).map { value in
      Task(executorPreference: OwnThreads.shared) {
        try await writer.publish("alerts.late", numbered(value, bytes: 60_000))
      }
    }
    await rest(milliseconds: 300)
    let during = try Self.threads()
    #expect(during < before + 100, "\(during - before) threads wait for 400 tasks")
    for task in tasks { task.cancel() }
    for task in tasks {
      let outcome = await task.result
      let error = #expect(throws: BusError.self) { try outcome.get() }
      #expect(error?.code == .cancelled)
    }
    var topics: [String] = []
    // Room again, and a message behind all that was there: it comes last.
    topics += try reader.drain().map(\.topic)
    try await writer.publish("alerts.next", numbered(1))
    while topics.last != "alerts.next" { topics += try reader.drain().map(\.topic) }
    let late = topics.filter { $0 == "alerts.late" }
    #expect(late.isEmpty, "\(late.count) messages of cancelled tasks were published")
  }

  @Test("tasks that wait for a router fail together, and one that is cancelled at once")
  func withoutRouter() async throws {
    // One after the other they would take three minutes and more.
    try await Watchdog.bounding("publishing without a router", seconds: 120) {
      let bus = try ClientBus()
      let writer = try bus.agent("writer")
      try bus.endRouter(SIGKILL)
      let tasks = (0..<40).map { value in
        Task(executorPreference: OwnThreads.shared) {
          try await writer.publish("alerts.late", numbered(value))
        }
      }
      await rest(milliseconds: 100)
      tasks[0].cancel()
      for (number, task) in tasks.enumerated() {
        let outcome = await task.result
        let error = #expect(throws: BusError.self) { try outcome.get() }
        #expect(error?.code == (number == 0 ? .cancelled : .noRouter), "task \(number)")
      }
    }
  }

  @Test("closing the agent ends what waits for room with `closed`")
  func closed() async throws {
    try await Watchdog.bounding("closed publish", seconds: 120) {
      let bus = try ClientBus(["--stall", "600", "--log-most", "1M"])
      let writer = try bus.agent("writer")
      let listener = try bus.agent("listener")
      let reader = try listener.reader("alerts.>", mode: .lossless)
      try await Self.fillWindow(writer)
      let tasks = (0..<8).map { value in
        Task(executorPreference: OwnThreads.shared) {
          try await writer.publish("alerts.late", numbered(value, bytes: 60_000))
        }
      }
      await rest(milliseconds: 100)
      writer.close()
      for task in tasks {
        let outcome = await task.result
        let error = #expect(throws: BusError.self) { try outcome.get() }
        #expect(error?.code == .closed)
      }
      _ = reader.statistics
    }
  }

  @Test("a task that is cancelled already publishes nothing, though there is room")
  func cancelledAlready() async throws {
    try await Watchdog.bounding("cancelled already", seconds: 60) {
      let bus = try ClientBus()
      let writer = try bus.agent("writer")
      let listener = try bus.agent("listener")
      var reader = try listener.reader("alerts.>", mode: .lossless)
      // From here on the publisher is there, and nothing has to wait.
      try await writer.publish("alerts.first", [])
      let task = Task(executorPreference: OwnThreads.shared) {
        while !Task.isCancelled { await rest(milliseconds: 1) }
        try await writer.publish("alerts.never", [])
      }
      task.cancel()
      let outcome = await task.result
      let error = #expect(throws: BusError.self) { try outcome.get() }
      #expect(error?.code == .cancelled)
      try await writer.publish("alerts.last", [])
      var topics: [String] = []
      while topics.last != "alerts.last" { topics += try reader.drain().map(\.topic) }
      #expect(topics == ["alerts.first", "alerts.last"])
    }
  }

  @Test("what waits for room is bounded in bytes; whoever is refused is told, and places come back")
  func bounded() async throws {
    try await Watchdog.bounding("bounded publish", seconds: 180) {
      let bus = try ClientBus(["--stall", "600", "--log-most", "1M"])
      let writer = try bus.agent("writer")
      let listener = try bus.agent("listener")
      var reader = try listener.reader("alerts.>", mode: .lossless)
      try await Self.fillWindow(writer)
      // One array for all of them: what is bounded is what they would take if each had its own.
      let payload = [UInt8](repeating: 7, count: 200_000)
      let refusal = Refusal()
      var tasks: [Task<Void, Never>] = []
      while refusal.error == nil {
        tasks += (0..<64).map { _ in
          Task(executorPreference: OwnThreads.shared) {
            do throws(BusError) {
              try await writer.publish("alerts.late", payload)
            } catch {
              refusal.note(error)
            }
          }
        }
        await rest(milliseconds: 5)
      }
      let error = try #require(refusal.error)
      #expect(error.code == .resourceExhausted && error.detail.contains("256 MiB"), "\(error)")
      for task in tasks { task.cancel() }
      for task in tasks { await task.value }
      let next = Task(executorPreference: OwnThreads.shared) {
        try await writer.publish("alerts.next", payload)
      }
      var topics: [String] = []
      while topics.last != "alerts.next" { topics += try reader.drain().map(\.topic) }
      try await next.value
    }
  }

  /// Publishes until a message finds no room for five seconds: the reader takes none.
  private static func fillWindow(_ writer: Agent) async throws {
    while true {
      do throws(BusError) {
        try await writer.publish("alerts.fill", numbered(0, bytes: 60_000))
      } catch {
        #expect(error.code == .resourceExhausted)
        return
      }
    }
  }
}

/// The first refusal of a message because too many wait already.
private final class Refusal: Sendable {
  private let first = Mutex<BusError?>(nil)
  var error: BusError? { first.withLock { $0 } }

  func note(_ error: BusError) {
    guard error.cause == .queue else { return }
    first.withLock { if $0 == nil { $0 = error } }
  }
}
