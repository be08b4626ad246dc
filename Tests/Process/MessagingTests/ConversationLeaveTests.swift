import BinaryComm
import BusTestSupport
import BusWire
import ProcessSupport
import Testing

@Suite("Streamed replies that are not taken to their end")
struct ConversationLeaveTests {
  private static let timeout = Duration.seconds(3000)

  /// Answers `endless` with one part, and then nothing until it is stopped.
  private static func serveEndless(_ server: Agent, _ stopped: Flag) async throws {
    try await server.serve("endless", executor: OwnThreads.shared) { request in
      try await request.send([1])
      do {
        try await Task.sleep(for: timeout)
      } catch {
        stopped.raise()
        throw error
      }
      return []
    }
  }

  @Test("a cancelled task does not take what came for the whole reply, and stops the responder")
  func cancelled() async throws {
    try await Watchdog.bounding("a cancelled consumer", seconds: 60) {
      let bus = try ClientBus()
      let (server, caller) = (try bus.agent("server"), try bus.agent("caller"))
      let (taken, stopped) = (Flag(), Flag())
      try await Self.serveEndless(server, stopped)
      // Held until the end: not its being dropped stops the responder.
      let reply = try await caller.replies("endless", [], timeout: Self.timeout)
      let task = Task(executorPreference: OwnThreads.shared) {
        var parts = reply.makeAsyncIterator()
        return await failure { () async throws(BusError) in
          while try await parts.next() != nil { taken.raise() }
        }
      }
      await taken.isRaised()
      task.cancel()
      #expect(await task.value?.code == .cancelled)
      await stopped.isRaised()
      withExtendedLifetime(reply) {}
    }
  }

  @Test("whoever leaves the loop stops the responder")
  func left() async throws {
    try await Watchdog.bounding("a consumer that leaves", seconds: 60) {
      let bus = try ClientBus()
      let (server, caller) = (try bus.agent("server"), try bus.agent("caller"))
      let stopped = Flag()
      try await Self.serveEndless(server, stopped)
      for try await part in try await caller.replies("endless", [], timeout: Self.timeout) {
        #expect(part.payload == [1])
        break
      }
      await stopped.isRaised()
    }
  }

  @Test("a reply that is there as a whole is taken as a whole, by a cancelled task as well")
  func whole() async throws {
    try await Watchdog.bounding("a whole reply", seconds: 60) {
      let bus = try ClientBus()
      let (server, caller) = (try bus.agent("server"), try bus.agent("caller"))
      try await server.serve("parts", concurrency: 1, executor: OwnThreads.shared) { request in
        for part in request.payload { try await request.send([part]) }
        return [9]
      }
      let reply = try await caller.replies("parts", [1, 2], timeout: patient)
      // It is begun after the reply before it has ended, and its own comes behind that.
      _ = try await caller.request("parts", [], timeout: patient)
      let task = Task(executorPreference: OwnThreads.shared) {
        while !Task.isCancelled { await rest(milliseconds: 1) }
        var seen: [[UInt8]] = []
        for try await part in reply { seen.append(part.payload) }
        return seen
      }
      task.cancel()
      #expect(try await task.value == [[1], [2], [9]])
    }
  }
}
