import BusTestSupport
import Foundation
import Testing

/// Tiny runs between true processes: they fail on counts and on the shape of what is printed,
/// never on a time.
@Suite("Every measurement counts what arrived", .serialized)
struct MeasurementTests {
  private func measure(_ program: String, _ arguments: [String]) throws -> [String: Any] {
    let result = try Child.run(
      Programs.path(program), arguments + ["--json", "--any-floor", "--runs", "1"],
      timeout: .seconds(120))
    #expect(result.exit == .code(0), "\(result.stderr)")
    let lines = result.stdout.split(separator: "\n")
    #expect(lines.count == 1, "exactly one JSON object: \(result.stdout)")
    let parsed = try JSONSerialization.jsonObject(with: Data(result.stdout.utf8))
    return try #require(parsed as? [String: Any])
  }

  private func expectClean(_ json: [String: Any], messages: Int) {
    #expect(json["messages"] as? Int == messages)
    for key in ["lost", "corrupt", "duplicate", "out_of_order", "repeated_runs"] {
      #expect(json[key] as? Int == 0, "\(key)")
    }
    #expect((json["messages_per_second"] as? Double ?? 0) > 0)
    #expect((json["seconds"] as? Double ?? 0) > 0)
    #expect((json["runs"] as? [Any])?.count == 1)
    let floor = json["floor"] as? [String: Any] ?? [:]
    #expect(
      Set(floor.keys) == [
        "ping_pong_ns_p50_before", "ping_pong_ns_p50_after", "ring_messages_per_second",
        "memcpy_bytes_per_second", "futex_wake_ns_p50",
      ])
  }

  private func hasPercentiles(_ json: [String: Any]) -> Bool {
    let latency = json["latency_ns"] as? [String: Any] ?? [:]
    return ["p50", "p95", "p99", "p99_9", "max"].allSatisfy { latency[$0] is Double }
  }

  @Test(
    "Large payloads: every byte checked, in a log that grew for them, beside memcpy",
    arguments: [(1 << 20, 100), (16 << 20, 20), (1_000_001, 100)])
  func large(payload: Int, messages: Int) throws {
    let json = try measure(
      "bcs", ["bench", "large", "--payload", "\(payload)", "--messages", "\(messages)"])
    expectClean(json, messages: messages)
    #expect(json["mode"] as? String == "large")
    #expect(json["payload_bytes"] as? Int == payload)
    #expect(json["ratio_compares_with"] as? String == "memcpy_bytes_per_second")
    #expect((json["bytes_per_second"] as? Double ?? 0) > 0)
    #expect((json["ratio_to_floor"] as? Double ?? 0) > 0)
  }

  @Test("The floor is measured without the bus")
  func floor() throws {
    let json = try measure("bcs", ["bench", "floor"])
    #expect(json["messages"] is NSNull)
    #expect(json["ratio_to_floor"] is NSNull)
    let floor = try #require(json["floor"] as? [String: Any])
    #expect((floor["memcpy_bytes_per_second"] as? Double ?? 0) > 0)
  }

  @Test(
    "Throughput, one by one and in batches, of payloads of any length",
    arguments: [
      ["--messages", "20000"], ["--messages", "20000", "--batch", "16"],
      ["--messages", "20001", "--batch", "7", "--payload", "77"],
      ["--messages", "20000", "--payload", "8", "--log-bytes", "65536"],
      ["--messages", "40", "--payload", "1000000"],
      ["--messages", "20000", "--wait", "adaptive", "--no-pin"],
      ["--messages", "5000", "--wait", "sleep"],
    ])
  func throughput(arguments: [String]) throws {
    let json = try measure("bcs", ["bench", "throughput"] + arguments)
    expectClean(json, messages: try #require(Int(arguments[1])))
    #expect(!hasPercentiles(json))
    #expect(json["ratio_compares_with"] as? String == "ring_messages_per_second")
  }

  @Test("Throughput for a time")
  func throughputForATime() throws {
    let json = try measure("bcs", ["bench", "throughput", "--duration", "0.2"])
    #expect((json["messages"] as? Int ?? 0) > 0)
    #expect(json["lost"] as? Int == 0)
    #expect(json["corrupt"] as? Int == 0)
  }

  @Test("Latency of two agents that answer each other, spinning, adapting, asleep")
  func latency() throws {
    for (wait, messages) in [("spin", 20000), ("adaptive", 5000), ("sleep", 200)] {
      let json = try measure(
        "bcs", ["bench", "latency", "--messages", "\(messages)", "--wait", wait])
      expectClean(json, messages: 2 * messages)
      #expect(hasPercentiles(json))
      #expect(json["wait"] as? String == wait)
    }
  }

  @Test("Fan-out delivers every message to every reader")
  func fanout() throws {
    let json = try measure("bcs", ["bench", "fanout", "--messages", "20000", "--readers", "3"])
    expectClean(json, messages: 60000)
    #expect(json["readers"] as? Int == 3)
  }

  @Test("Fan-in receives every message of every publisher")
  func fanin() throws {
    let json = try measure("bcs", ["bench", "fanin", "--messages", "20000", "--publishers", "3"])
    expectClean(json, messages: 20000)
    #expect(json["publishers"] as? Int == 3)
  }

  @Test("The original's throughput test runs with its own options")
  func originalThroughput() throws {
    let json = try measure("test_throughput", ["--messages", "20000", "--threads", "2"])
    expectClean(json, messages: 20000)
    #expect(json["publishers"] as? Int == 2)
  }

  @Test("The original's latency test runs at a set rate with its own options")
  func originalLatency() throws {
    let json = try measure("test_latency", ["--duration", "0.2", "--rate", "50000"])
    expectClean(json, messages: 10000)
    #expect(hasPercentiles(json))
    #expect(json["rate_per_second"] as? Double == 50000)
  }
}
