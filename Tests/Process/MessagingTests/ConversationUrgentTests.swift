import BinaryComm
import BusTestSupport
import BusWire
import Foundation
import ProcessSupport
import Synchronization
import Testing

/// Priorities 0 and 1 where requests wait, beyond the lane.
@Suite("Urgent requests", .serialized)
struct ConversationUrgentTests {
  /// An agent that asks and counts what comes back.
  private struct Asker: ~Copyable {
    var messenger: Messenger
    var answers = 0

    mutating func ask(_ service: String, _ value: Int, _ priority: Priority? = nil) throws {
      let options = SendOptions(timeoutNs: 60_000_000_000, priority: priority)
      let recipient = try messenger.out.service(service)
      _ = try messenger.out.request(recipient, numbered(value), options)
    }

    mutating func hear(_ count: Int) throws {
      while answers < count {
        var came = 0
        let taken = try messenger.poll { _, incoming, _ in
          if incoming.kind == .response { came += 1 }
        }
        answers += came
        if taken == 0 { _ = try messenger.wait(timeout: .milliseconds(10)) }
      }
    }
  }

  @Test("go ahead of normal ones that wait for a handler")
  func handler() async throws {
    try await Watchdog.bounding("urgent requests", seconds: 60) {
      let bus = try ClientBus()
      let server = try bus.agent("server")
      let caller = try bus.agent("caller")
      defer { for agent in [server, caller] { agent.close() } }
      let (begun, goOn) = (Flag(), Flag())
      let seen = Mutex<[Int]>([])
      try await server.serve("work", concurrency: 1, executor: OwnThreads.shared) { request in
        seen.withLock { $0.append(number(request.payload)) }
        begun.raise()
        await goOn.isRaised()
        return []
      }
      try await server.serve("ping", executor: OwnThreads.shared) { _ in [] }
      var asker = Asker(messenger: try caller.messenger())
      // An answer to what came later in a lane: what came before it has been taken.
      try asker.ask("work", 0)
      try asker.ask("ping", 0)
      try asker.hear(1)
      await begun.isRaised()
      for value in 1...2 { try asker.ask("work", value) }
      try asker.ask("ping", 0)
      try asker.hear(2)
      try asker.ask("work", 3, .emergency)
      try asker.ask("ping", 0, .emergency)
      try asker.hear(3)
      goOn.raise()
      try asker.hear(7)
      #expect(seen.withLock { $0 } == [0, 3, 1, 2])
    }
  }
}
