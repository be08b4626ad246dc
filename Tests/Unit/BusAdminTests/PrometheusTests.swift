import BusAdmin
import BusCounters
import BusTestSupport
import Foundation
import Testing

@Suite("Prometheus' text")
struct PrometheusTests {
  /// Values by name and labels, as Prometheus reads them.
  private static func values(_ text: String) -> [String: String] {
    let lines = text.split(separator: "\n").filter { !$0.hasPrefix("#") }
    let pairs = lines.compactMap { line -> (String, String)? in
      guard let space = line.lastIndex(of: " ") else { return nil }
      return (String(line[..<space]), String(line[line.index(after: space)...]))
    }
    #expect(pairs.count == lines.count)
    #expect(Set(pairs.map(\.0)).count == pairs.count, "a series stands there twice")
    return Dictionary(pairs) { first, _ in first }
  }

  @Test("the original's names and ours say what the picture says")
  func contents() {
    let values = Self.values(PrometheusText.render(Day.picture))
    #expect(values["msg_throughput"] == "1699000.0")
    #expect(values["msg_latency_p99"] == "0.000000191")
    #expect(values["bcs_agents"] == "3" && values["bcs_router_up"] == "1")
    let feed = #"{agent="feed",channel="ticks",lane="normal",kind="topic"}"#
    #expect(values["bcs_messages_sent_total" + feed] == "2000500")
    #expect(values["bcs_sent_bytes_total" + feed] == "128032000")
    let sub = #"{agent="cli.sub.4242",channel="ticks",lane="normal",kind="topic",mode="lossy""#
    #expect(values["bcs_messages_received_total" + sub + "}"] == "1400000")
    #expect(values["bcs_messages_lost_total" + sub + "}"] == "300000")
    #expect(values["bcs_gaps_total" + sub + "}"] == "1")
    let dropped =
      #"{agent="cli.sub.4242",channel="ticks",lane="normal",kind="topic","#
      + #"direction="received",mode="lossy",reason="filtered"}"#
    #expect(values["bcs_messages_dropped_total" + dropped] == "100000")
    let auditor = #"{agent="auditor",channel="ticks",lane="normal",kind="topic",mode="lossless""#
    #expect(values["bcs_delivery_latency_seconds_count" + auditor + "}"] == "201")
    #expect(values["bcs_delivery_latency_seconds_sum" + auditor + "}"] == "0.000074")
    #expect(values["bcs_delivery_latency_seconds_bucket" + auditor + #",le="0.000000064"}"#] == "0")
    #expect(
      values["bcs_delivery_latency_seconds_bucket" + auditor + #",le="0.000000256"}"#] == "200")
    #expect(values["bcs_delivery_latency_seconds_bucket" + auditor + #",le="+Inf"}"#] == "201")
    #expect(
      values[#"bcs_channel_balanced{channel="ticks",lane="normal",kind="topic"}"#] == "1")
  }

  @Test("an agent that has ended has no series, and what is not known is left out")
  func merging() {
    var scene = Scene()
    scene.agent("p", hasEnded: true)
    scene.sends("c", stream: 1, messages: 5)
    scene.agent("p")
    scene.sends("c", stream: 2, messages: 7)
    scene.agent("r")
    scene.reads("c", stream: 9, of: 99, at: 3, delivered: 3)
    let text = PrometheusText.render(BusDelta(scene.sample(at: 1, routerGoneNs: 1)))
    let values = Self.values(text)
    let labels = #"{agent="p",channel="c",lane="normal",kind="topic"}"#
    #expect(values["bcs_messages_sent_total" + labels] == "7")
    #expect(values["bcs_router_up"] == "0" && values["msg_latency_p99"] == "NaN")
    #expect(!values.keys.contains { $0.hasPrefix("bcs_queue_depth") && $0.contains(#""r""#) })
  }

  @Test("names of strangers stay within their quotes")
  func escaping() {
    var scene = Scene()
    scene.agent("a\"} 1\nevil{x=\"\\")
    scene.sends("c", stream: 1, messages: 5)
    let text = PrometheusText.render(BusDelta(scene.sample(at: 1)))
    #expect(text.contains(#"{agent="a\"} 1\\u{a}evil{x=\"\\",channel="c""#))
    #expect(!text.split(separator: "\n").contains { $0.hasPrefix("evil") })
  }

  @Test("promtool finds no fault in it, and does in a faulty text")
  func promtool() throws {
    let tool = ProcessInfo.processInfo.environment["BCS_PROMTOOL"] ?? "promtool"
    func check(_ text: String) throws -> ChildResult {
      try Child.run(tool, ["check", "metrics"], input: .bytes(Array(text.utf8)))
    }
    let pictures = [
      Day.picture, BusDelta(Day.scene(1).sample(at: 1, routerGoneNs: 5)),
      BusDelta(BusSample(timeNs: 1, agents: [])),
    ]
    for picture in pictures {
      let result = try check(PrometheusText.render(picture))
      #expect(result.succeeded && result.stdout.isEmpty && result.stderr.isEmpty, "\(result)")
    }
    let faulty = try check("# TYPE bcs_gaps counter\nbcs_gaps 1\n")
    #expect(!faulty.succeeded)
  }
}
