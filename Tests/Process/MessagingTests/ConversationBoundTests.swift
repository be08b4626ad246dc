import BinaryComm
import BusTestSupport
import BusWire
import Foundation
import ProcessSupport
import Synchronization
import Testing

/// What services hold, and for how long.
@Suite("Bounds of services", .serialized)
struct ConversationBoundTests {
  @Test("replies that wait to be sent are bounded in bytes; whoever is left without one is told")
  func replies() async throws {
    try await Watchdog.bounding("bounded replies", seconds: 120) {
      let bus = try ClientBus()
      let server = try bus.agent("server")
      let caller = try bus.agent("caller")
      let begun = Atomic(0)
      let goOn = Flag()
      let threads = WatchedThreads()
      // One array for all of them: what is bounded is what they would take if each had its own.
      let large = [UInt8](repeating: 7, count: 15 << 20)
      try await server.serve("large", executor: threads) { _ in
        begun.add(1, ordering: .relaxed)
        goOn.wait()
        return large
      }
      let stuck = StuckThreads()
      try await server.serve("stuck", executor: stuck) { _ in [] }
      let tasks = (0..<24).map { _ in
        Task(executorPreference: OwnThreads.shared) {
          await failure { () async throws(BusError) in
            _ = try await caller.request("large", [], timeout: patient)
          }
        }
      }
      while begun.load(ordering: .relaxed) < 24 { await rest(milliseconds: 1) }
      let last = Task(executorPreference: OwnThreads.shared) {
        try await caller.request("stuck", [], timeout: patient).payload
      }
      // The thread that sends starts this request's task, and is held up by its executor.
      await stuck.holds.isRaised()
      goOn.raise()
      await threads.areIdle()
      stuck.goOn.raise()
      var told = 0
      for task in tasks {
        guard let error = await task.value, error.detail.contains("could not send") else {
          continue
        }
        #expect(error.code == .resourceExhausted && error.cause == .queue, "\(error)")
        told += 1
      }
      // 18 of 15 MiB wait, the last of them beyond 256 MiB.
      #expect(told == 24 - 18)
      #expect(try await last.value == [])
    }
  }

  @Test("what a gathering holds is bounded in bytes; whoever sends more has failed, and is stopped")
  func gathered() async throws {
    try await Watchdog.bounding("a bounded gathering", seconds: 120) {
      let bus = try ClientBus()
      let (server, caller) = (try bus.agent("server"), try bus.agent("caller"))
      let stopped = Flag()
      let large = [UInt8](repeating: 7, count: 15 << 20)
      try await server.serve("flood", executor: OwnThreads.shared) { request in
        do {
          for _ in 0..<20 { try await request.send(large) }
          try await Task.sleep(for: .seconds(3000))
        } catch {
          stopped.raise()
          throw error
        }
        return []
      }
      let result = try await caller.gather("flood", [], timeout: patient)
      // 18 of 15 MiB are held, the last of them beyond 256 MiB.
      #expect(result.replies.count == 18)
      #expect(result.failures.map(\.code) == [.resourceExhausted])
      await stopped.isRaised()
    }
  }

  @Test("a stopped service lets its handler go with the end of its last request")
  func letGo() async throws {
    try await Watchdog.bounding("a handler let go", seconds: 60) {
      let bus = try ClientBus()
      let server = try bus.agent("server")
      let caller = try bus.agent("caller")
      let (begun, goOn, gone) = (Flag(), Flag(), Flag())
      let answer = Task(executorPreference: OwnThreads.shared) {
        await begun.isRaised()
        goOn.raise()
      }
      try await Self.serveOnce(server, caller, begun, goOn, gone)
      await answer.value
      await gone.isRaised()
    }
  }

  private static func serveOnce(
    _ server: Agent, _ caller: Agent, _ begun: Flag, _ goOn: Flag, _ gone: Flag
  ) async throws {
    let held = Held(gone)
    let stopping = Flag()
    let service = try await server.serve("work", executor: OwnThreads.shared) { request in
      _ = held
      stopping.raise()
      await goOn.isRaised()
      return request.payload
    }
    let request = Task(executorPreference: OwnThreads.shared) {
      try await caller.request("work", [5], timeout: patient).payload
    }
    await stopping.isRaised()
    try await service.stop()
    // Stopped while it works: it is held until that is done, and no longer.
    begun.raise()
    #expect(try await request.value == [5])
  }
}

/// Tells when nobody holds it any more.
private final class Held: Sendable {
  private let gone: Flag
  init(_ gone: Flag) { self.gone = gone }
  deinit { gone.raise() }
}

/// Threads of tasks that tell whether any of them still runs.
private final class WatchedThreads: TaskExecutor {
  private let running = Atomic(0)

  func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    running.add(1, ordering: .relaxed)
    Thread.detachNewThread {
      unsafe job.runSynchronously(on: self.asUnownedTaskExecutor())
      self.running.subtract(1, ordering: .releasing)
    }
  }

  func areIdle() async {
    while running.load(ordering: .acquiring) > 0 { await rest(milliseconds: 1) }
  }
}

/// Holds up whoever starts a task on it.
private final class StuckThreads: TaskExecutor {
  let holds = Flag()
  let goOn = Flag()

  func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    holds.raise()
    goOn.wait()
    Thread.detachNewThread { unsafe job.runSynchronously(on: self.asUnownedTaskExecutor()) }
  }
}
