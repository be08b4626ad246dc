import BusTestSupport
import Foundation
import ProcessSupport
import Testing

/// Tiny runs of what a bus costs beside its messages: counts and shape, never a time.
@Suite("What start and idleness cost is measured between processes", .serialized)
struct ProcessCostTests {
  private func measure(_ words: String...) throws -> [String: Any] {
    let result = try Child.run(
      Programs.path("bcs"), ["bench"] + words + ["--json"], timeout: .seconds(120))
    #expect(result.exit == .code(0), "\(result.stderr)")
    return try #require(try jsonLines(result.stdout).first)
  }

  @Test("a start has a ready time and the times of its registrations, for each run")
  func start() throws {
    let json = try measure("start", "--runs", "2", "--registrations", "5")
    #expect(json["mode"] as? String == "start")
    #expect(json["registrations"] as? Int == 5)
    let runs = try #require(json["runs"] as? [[String: Any]])
    #expect(runs.count == 2)
    for part in runs + [json] {
      for key in ["ready_ns", "register_ns_p50", "register_ns_p99"] {
        #expect((part[key] as? Double ?? 0) > 0, "\(key)")
      }
    }
  }

  @Test("idle agents have CPU times, and their router a size")
  func idle() throws {
    let json = try measure("idle", "--readers", "3", "--runs", "1", "--duration", "0.2")
    #expect(json["readers"] as? Int == 3)
    for key in ["agents_cpu_ns", "router_cpu_ns", "cpu_percent"] {
      #expect(json[key] is Double, "\(key)")
    }
    #expect((json["router_resident_bytes"] as? Double ?? 0) > 100_000)
  }

  @Test("bcs top on a terminal is measured while it looks at them")
  func top() throws {
    let json = try measure(
      "idle", "--readers", "3", "--runs", "1", "--duration", "2.2", "--top")
    #expect((json["top_cpu_percent"] as? Double ?? 0) > 0)
  }

  @Test("the tables have one row for each figure")
  func tables() throws {
    let start = try Child.run(
      Programs.path("bcs"), ["bench", "start", "--runs", "1", "--registrations", "1"],
      timeout: .seconds(60))
    #expect(start.stdout.contains("bcs up until ready") && start.stdout.contains("median"))
    let wrong = try runCLI("bench", "idle", "--readers", "0")
    #expect(wrong.exit == .code(64))
    #expect(wrong.stderr.contains("--readers is 0"))
  }
}
