import BinaryComm
import BusTestSupport
import Foundation
import Glibc
import ProcessSupport
import Testing

/// A service with more living requesters than its soft limit of descriptors, and one that really
/// runs out of them.
@Suite("Crowded services", .serialized)
struct CrowdedServiceTests {
  /// `bcs reply NAME --echo` with limits of descriptors: soft, then hard.
  private func echo(_ bus: borrowing ClientBus, _ name: String, limits: String) throws -> Child {
    let words = try [Programs.path("bcs"), "reply", name, "--echo", "--dir", bus.directory]
    let child = try Child.start("/bin/sh", ["-c", "\(limits); exec \"$@\"", "sh"] + words)
    return child
  }

  /// Sends one request by each of so many living agents; returns how many were answered.
  private func crowd(
    _ bus: borrowing ClientBus, _ count: Int, _ name: String
  ) async throws -> (answered: Int, agents: [Agent], failures: [String]) {
    var agents: [Agent] = []
    var answered = 0
    var failures: [String] = []
    for number in 0..<count {
      let agent = try bus.agent("asker.\(number)")
      agents.append(agent)
      do {
        let reply = try await agent.request(name, [UInt8(number & 255)], timeout: .seconds(20))
        if reply.payload == [UInt8(number & 255)] { answered += 1 }
      } catch {
        failures.append("\(number): \(error)")
      }
    }
    return (answered, agents, failures)
  }

  @Test("a service answers more living requesters than its soft limit of descriptors")
  func softLimit() async throws {
    // BCS_REQUESTERS=1500 is the size at which the usual soft limit of 1,024 matters.
    let most = ProcessInfo.processInfo.environment["BCS_REQUESTERS"].flatMap { Int($0) } ?? 200
    try await Watchdog.bounding("soft limit", seconds: 240) {
      let bus = try ClientBus()
      let soft = min(1024, most / 2)
      let hub = try echo(bus, "crowd", limits: "ulimit -Sn \(soft)")
      defer { hub.kill() }
      try await ready(bus, "crowd")
      let (answered, agents, failures) = try await crowd(bus, most, "crowd")
      print("crowd: \(most) living requesters, soft limit \(soft): \(answered) answered")
      #expect(answered == most, "\(failures.prefix(3))")
      withExtendedLifetime(agents) {}
    }
  }

  @Test("a service that runs out of descriptors loses hand-overs, not itself")
  func hardLimit() async throws {
    try await Watchdog.bounding("hard limit", seconds: 120) {
      let bus = try ClientBus()
      let hub = try echo(bus, "small", limits: "ulimit -n 40")
      defer { hub.kill() }
      try await ready(bus, "small")
      let first = try bus.agent("first")
      _ = try await first.request("small", [1], timeout: .seconds(10))
      let crowd = try (0..<20).map { try bus.agent("asker.\($0)") }
      // A crowd alone may find each descriptor again that the one before it has used.
      try hub.limitFiles(to: 0)
      let served = await withTaskGroup(of: Bool.self) { group in
        for agent in crowd {
          group.addTask {
            (try? await agent.request("small", [2], timeout: .seconds(1))) != nil
          }
        }
        return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
      }
      #expect(served == 0, "no descriptors were enough: the test is none")
      // Whoever was there before is served on.
      #expect(try await first.request("small", [3], timeout: .seconds(10)).payload == [3])
      try hub.limitFiles(to: 40)
      for agent in crowd { agent.close() }
      // And whoever comes when there is room again is served, too.
      var isServed = false
      for attempt in 0..<50 where !isServed {
        let late = try bus.agent("late.\(attempt)")
        isServed = (try? await late.request("small", [4], timeout: .seconds(1)))?.payload == [4]
        late.close()
      }
      #expect(isServed)
      #expect(hub.isRunning)
    }
  }

  private func ready(_ bus: borrowing ClientBus, _ name: String) async throws {
    let probe = try bus.agent("probe.\(name)")
    while (try? await probe.request(name, [0], timeout: .seconds(5))) == nil {
      await rest(milliseconds: 20)
    }
    probe.close()
  }
}
