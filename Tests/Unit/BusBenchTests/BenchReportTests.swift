import ArgumentParser
import BusBench
import BusJSON
import Foundation
import Testing

@Suite("A report says what was measured and null for what was not")
struct BenchReportTests {
  private func plan(_ mode: BenchMode, _ arguments: [String] = [], cpus: Int = 2) throws
    -> BenchPlan
  {
    try BenchOptions.parse(arguments).plan(mode, cpus: cpus)
  }

  private func run(_ perSecond: Double, p50: Double? = nil) -> RunReport {
    var run = RunReport()
    run.messages = 1000
    run.seconds = 1000 / perSecond
    run.floor.pingPongBefore = 50
    run.floor.pingPongAfter = 60
    run.floor.ringPerSecond = 200
    run.floor.futexWake = 5000
    run.latency = p50.flatMap {
      LatencySummary([LatencyCount(ticks: UInt64($0), count: 1000)], ticksPerNs: 1)
    }
    return run
  }

  private func report(_ plan: BenchPlan, _ runs: [RunReport]) -> BenchReport {
    var rule = StabilityRule(runsWanted: runs.count)
    for _ in runs { _ = rule.take(before: 50, after: 60) }
    return BenchReport(plan: plan, runs: runs, rule: rule)
  }

  @Test("Throughput is the median of the runs, its ratio that to the plain ring")
  func throughput() throws {
    let report = report(try plan(.throughput), [run(100), run(300), run(200)])
    let json = try object(report.json)
    #expect(json["mode"] as? String == "throughput")
    #expect(json["state"] as? String == "near")
    #expect(json["messages_per_second"] as? Double == 200)
    #expect(json["bytes_per_second"] as? Double == 12800)
    #expect(json["ratio_to_floor"] as? Double == 1)
    #expect(json["lost"] as? Int == 0)
    #expect((json["runs"] as? [Any])?.count == 3)
    let latency = try #require(json["latency_ns"] as? [String: Any])
    #expect(Set(latency.keys) == ["p50", "p95", "p99", "p99_9", "max"])
    #expect(latency.values.allSatisfy { $0 is NSNull })
    #expect(report.table.contains("messages/s"))
  }

  @Test("Latency compares with the ping-pong, of sleeping readers with the futex wake")
  func latency() throws {
    let spinning = report(try plan(.latency), [run(100, p50: 110)])
    #expect(spinning.json.ratio == 2)
    let sleeping = report(try plan(.latency, ["--wait", "sleep"]), [run(100, p50: 10000)])
    let ratio = try #require(sleeping.json.ratio)
    #expect(abs(ratio - 2) < 0.01)
  }

  @Test("The floor alone has no figures of ours, and one CPU no ping-pong")
  func floor() throws {
    var single = RunReport()
    single.floor.memcpyPerSecond = 1e10
    let json = try object(report(try plan(.floor), [single]).json)
    for key in ["messages", "messages_per_second", "lost", "corrupt", "ratio_to_floor", "state"] {
      #expect(json[key] is NSNull, "\(key)")
    }
    let floor = try #require(json["floor"] as? [String: Any])
    #expect(floor["memcpy_bytes_per_second"] as? Double == 1e10)
    #expect(floor["ping_pong_ns_p50_before"] is NSNull)
  }

  @Test("An unstable machine gives no figures but the range")
  func unstable() throws {
    var rule = StabilityRule(runsWanted: 1)
    while rule.verdict == .goOn { _ = rule.take(before: 56, after: 410) }
    let report = BenchReport(plan: try plan(.throughput), runs: [run(100)], rule: rule)
    let json = try object(report.json)
    #expect(json["state"] as? String == "unstable")
    #expect(json["messages_per_second"] is NSNull)
    #expect(json["repeated_runs"] as? Int == 10)
    #expect(report.table.contains("unstable"))
    #expect(report.table.contains("56.0 ns"))
  }

  @Test("A lost message is a fault of the report")
  func faults() throws {
    var bad = run(100)
    #expect(!report(try plan(.fanin), [bad]).hasFaults)
    bad.lost = 1
    #expect(report(try plan(.fanin), [run(100), bad]).hasFaults)
  }

  @Test("Defaults follow the mode and the machine")
  func defaults() throws {
    #expect(try plan(.fanout).readers == 4)
    #expect(try plan(.fanin).publishers == 4)
    #expect(try plan(.throughput).isPinned)
    #expect(try plan(.throughput).wait == .spin)
    #expect(try plan(.throughput, cpus: 1).isPinned == false)
    #expect(try plan(.fanin).isPinned == false)
    #expect(try plan(.fanin).wait == .adaptive)
    #expect(try plan(.throughput, ["--payload", "16777216"]).logBytes >= 8 * (16 << 20))
    #expect(try plan(.large).payload == 1 << 20 && plan(.large).logBytes == 4 << 20)
    #expect(try plan(.large, ["--payload", "16777216"]).logBytes == 64 << 20)
    let shares = try plan(.fanin, ["--messages", "10"])
    #expect((0..<4).compactMap { shares.share(of: $0) } == [4, 2, 2, 2])
  }

  @Test(
    "Options that make no sense are refused",
    arguments: [
      (.throughput, ["--payload", "7"]), (.throughput, ["--payload", "16777217"]),
      (.throughput, ["--messages", "0"]), (.throughput, ["--runs", "0"]),
      (.throughput, ["--publishers", "0"]), (.throughput, ["--readers", "65"]),
      (.throughput, ["--batch", "0"]), (.throughput, ["--duration", "nan"]),
      (.throughput, ["--duration", "0"]), (.throughput, ["--rate", "100"]),
      (.throughput, ["--messages", "5", "--duration", "5"]),
      (.throughput, ["--publishers", "2", "--pin"]), (.throughput, ["--log-bytes", "1"]),
      (.throughput, ["--log-bytes", "65536", "--payload", "60000"]),
      (.latency, ["--payload", "15"]), (.latency, ["--readers", "2"]),
      (.latency, ["--batch", "2"]), (.latency, ["--rate", "inf"]),
      (.latency, ["--rate", "1000000", "--wait", "sleep"]),
      (.fanout, ["--publishers", "2"]), (.fanin, ["--readers", "2"]),
      (.fanin, ["--messages", "3"]), (.large, ["--payload", "16777217"]),
      (.large, ["--log-bytes", "4194304"]), (.large, ["--batch", "2"]),
    ] as [(BenchMode, [String])])
  func refused(mode: BenchMode, arguments: [String]) {
    #expect(throws: (any Error).self) { try plan(mode, arguments) }
  }

  private func object(_ json: JSONValue) throws -> [String: Any] {
    let parsed = try JSONSerialization.jsonObject(with: Data(json.rendered.utf8))
    return try #require(parsed as? [String: Any])
  }
}

extension JSONValue {
  fileprivate var ratio: Double? {
    guard case .object(let fields) = self,
      case .number(let value)? = fields.first(where: { $0.key == "ratio_to_floor" })?.value
    else { return nil }
    return value
  }
}
