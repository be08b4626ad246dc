import BinaryComm
import BusTestSupport
import BusWire
import Foundation
import Glibc
import ProcessSupport
import Testing

@Suite("The first conversation of an agent")
struct ConversationStartTests {
  @Test("tasks that wait for a router that stands still can be cancelled, and later ones go on")
  func stoppedRouter() async throws {
    try await Watchdog.bounding("a router that stands still", seconds: 120) {
      let bus = try ClientBus()
      let (server, caller) = (try bus.agent("server"), try bus.agent("caller"))
      try await server.serve("work", executor: OwnThreads.shared) { $0.payload }
      kill(bus.routerPid, SIGSTOP)
      let tasks = (0..<2).map { _ in
        Task(executorPreference: OwnThreads.shared) {
          await failure { () async throws(BusError) in
            _ = try await caller.request("work", [], timeout: patient)
          }
        }
      }
      for task in tasks { task.cancel() }
      for task in tasks { #expect(await task.value?.code == .cancelled) }
      kill(bus.routerPid, SIGCONT)
      // What was begun for them may end without an inbox: then it is begun anew.
      var reply: Reply?
      while reply == nil { reply = try? await caller.request("work", [1], timeout: patient) }
      #expect(reply?.payload == [1])
    }
  }

  @Test("an agent that is closed meanwhile is closed, and whoever waited is told so")
  func closed() async {
    // In a process of its own: other tests have threads of this name, too.
    await #expect(processExitsWith: .success) {
      try await Watchdog.bounding("closing before the first conversation", seconds: 60) {
        let bus = try ClientBus()
        let caller = try bus.agent("caller")
        kill(bus.routerPid, SIGSTOP)
        let task = Task(executorPreference: OwnThreads.shared) {
          await failure { () async throws(BusError) in
            _ = try await caller.request("work", [], timeout: patient)
          }
        }
        while !ConversationStartTests.isWaiting() { await rest(milliseconds: 1) }
        caller.close()
        #expect(await task.value?.code == .closed)
      }
    }
  }

  /// Whether a thread waits for the router on behalf of a task.
  private static func isWaiting() -> Bool {
    let tasks = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/task")) ?? []
    return tasks.contains { task in
      let name = try? String(contentsOfFile: "/proc/self/task/\(task)/comm", encoding: .utf8)
      return name?.hasPrefix("bcs-call") == true
    }
  }
}
