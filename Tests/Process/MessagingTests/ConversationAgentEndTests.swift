import BinaryComm
import BusTestSupport
import BusWire
import Foundation
import ProcessSupport
import Synchronization
import Testing

/// Requests that are on their way when the agent that sent them ends.
@Suite("The end of a requester's own agent")
struct ConversationAgentEndTests {
  @Test("an agent that is closed ends everything that waits for replies")
  func closed() async throws {
    try await Watchdog.bounding("a closed requester", seconds: 60) {
      let bus = try ClientBus()
      let waits = try await Waits(bus)
      waits.caller.close()
      #expect(await waits.ends() == ["gather: CLOSED", "replies: CLOSED", "request: CLOSED"])
    }
  }

  @Test("so does a router that does not take it back")
  func fenced() async throws {
    try await Watchdog.bounding("a fenced requester", seconds: 90) {
      var bus = try ClientBus()
      let waits = try await Waits(bus)
      try bus.endRouter(SIGKILL)
      try bus.forgetRouter()
      try bus.startRouter()
      #expect(await waits.ends() == ["gather: FENCED", "replies: FENCED", "request: FENCED"])
    }
  }
}

/// A requester that waits for replies in every way, and two responders that give none.
private struct Waits {
  let caller: Agent
  private let servers: [Agent]
  private let goOn: Flag
  private let tasks: [Task<String, Never>]

  /// Returns when all requests are being worked on.
  init(_ bus: borrowing ClientBus) async throws {
    let begun = Counter()
    let goOn = Flag()
    let caller = try bus.agent("caller")
    servers = [try bus.agent("first"), try bus.agent("second")]
    for server in servers {
      try await server.serve("never", executor: OwnThreads.shared) { request in
        begun.add()
        // Not to be cancelled: a responder that says so itself would be heard first.
        await goOn.isRaised()
        return request.payload
      }
    }
    let timeout = Duration.seconds(3000)
    tasks = [
      Self.end("gather") { _ = try await caller.gather("never", [], timeout: timeout) },
      Self.end("request") { _ = try await caller.request("never", [], timeout: timeout) },
      Self.end("replies") {
        for try await _ in try await caller.replies("never", [], timeout: timeout) {}
      },
    ]
    self.caller = caller
    self.goOn = goOn
    while begun.value < 4 { await rest(milliseconds: 1) }
  }

  /// How each wait ended.
  func ends() async -> [String] {
    var ends: [String] = []
    for task in tasks { ends.append(await task.value) }
    goOn.raise()
    withExtendedLifetime(servers) {}
    return ends.sorted()
  }

  private static func end(
    _ name: String, _ body: @escaping @Sendable () async throws -> Void
  ) -> Task<String, Never> {
    Task(executorPreference: OwnThreads.shared) {
      do {
        try await body()
        return "\(name): nothing"
      } catch {
        return "\(name): \((error as? BusError)?.code.name ?? "\(error)")"
      }
    }
  }
}

/// Counts what handlers do.
private final class Counter: Sendable {
  private let count = Atomic(0)
  var value: Int { count.load(ordering: .acquiring) }
  func add() { count.add(1, ordering: .releasing) }
}
