import BusCounters
import BusText

/// A picture of the bus as Prometheus reads it: text format, version 0.0.4.
///
/// The names of the original stand beside ours: `msg_throughput` and `msg_latency_p99`.
public enum PrometheusText {
  /// The content type of the text, for whoever serves it.
  public static let contentType = "text/plain; version=0.0.4; charset=utf-8"

  /// The text of a picture.
  public static func render(_ picture: BusDelta) -> String {
    var text = ""
    for family in gauges(picture) + counters(picture) + balances(picture) {
      guard !family.samples.isEmpty else { continue }
      text += "# HELP \(family.name) \(family.help)\n# TYPE \(family.name) \(family.type)\n"
      for sample in family.samples {
        text += "\(family.name)\(sample.suffix)\(sample.labels) \(sample.value)\n"
      }
    }
    return text
  }

  private struct Family {
    let name: String
    let type: String
    let help: String
    var samples: [Sample]
  }

  private struct Sample {
    var suffix = ""
    let labels: Labels
    let value: String
  }

  /// Names and values as they stand between braces.
  struct Labels: CustomStringConvertible {
    var pairs: [(String, String)]

    var description: String {
      guard !pairs.isEmpty else { return "" }
      return "{" + pairs.map { "\($0)=\"\(Self.escaped($1))\"" }.joined(separator: ",") + "}"
    }

    func with(_ name: String, _ value: String) -> Labels {
      Labels(pairs: pairs + [(name, value)])
    }

    /// A name may hold anything that an agent wrote; what a terminal would obey is written as a
    /// backslash and more, of which the backslash is escaped like any other.
    static func escaped(_ value: String) -> String {
      var text = ""
      for scalar in SafeText.printable(value).unicodeScalars {
        switch scalar {
        case "\\": text += "\\\\"
        case "\"": text += "\\\""
        default: text.unicodeScalars.append(scalar)
        }
      }
      return text
    }
  }

  private static func gauges(_ picture: BusDelta) -> [Family] {
    let p99 = picture.recentPercentile(0.99).map(seconds) ?? "NaN"
    return [
      gauge(
        "msg_throughput", "Messages a second handed to readers, over the interval of the look.",
        decimal(picture.receivedPerSecond)),
      gauge(
        "msg_latency_p99",
        "One-way time in seconds that 99 of 100 sampled messages of the interval did not exceed.",
        p99),
      gauge("bcs_agents", "Agents whose counters can be read.", "\(picture.agents)"),
      gauge(
        "bcs_router_up", "Whether a router answered; counters are read without it.",
        picture.routerGoneNs == nil ? "1" : "0"),
      Family(
        name: "bcs_queue_depth_messages", type: "gauge",
        help: "Messages that wait: received: for the agent; sent: for the slowest reader.",
        samples: merged(living(picture), isMixed: true, \.depth).map { labels, depth in
          Sample(labels: labels, value: "\(depth)")
        }),
    ]
  }

  /// Agents that are there, and what each sends to inboxes as one: a series for each of many
  /// short-lived requesters would fill a database, and one for those that have ended would fall
  /// whenever one of them came back.
  private static func living(_ picture: BusDelta) -> [ChannelTraffic] {
    picture.traffic.filter { !$0.hasEnded }.map { one in
      var one = one
      if one.key.kind == .pair, one.key.direction == .sent { one.key.channel = endedInboxes }
      return one
    }
  }

  private static func counters(_ picture: BusDelta) -> [Family] {
    let living = living(picture)
    let sent = living.filter { $0.key.direction == .sent }
    let received = living.filter { $0.key.direction == .received }
    return [
      counter("bcs_messages_sent_total", "Messages published.", sent, \.messages),
      counter("bcs_sent_bytes_total", "Payload bytes published.", sent, \.bytes),
      counter(
        "bcs_send_errors_total", "Calls to publish that failed.", sent, \.errors),
      counter(
        "bcs_window_full_total", "How often a publisher found its window full.", sent, \.blocked),
      counter(
        "bcs_messages_received_total", "Messages handed to a reader.", received, \.messages),
      counter(
        "bcs_received_bytes_total", "Payload bytes handed to a reader.", received, \.bytes),
      counter(
        "bcs_receive_errors_total", "Readings that ended by eviction or corruption.", received,
        \.errors),
      counter(
        "bcs_gaps_total", "How often a lossy reader was overtaken.", received, \.gapEvents),
      counter(
        "bcs_messages_lost_total", "Messages that a lossy reader lost by that.", received,
        \.gapMessages),
      dropped(living), latency(received),
    ]
  }

  private static func balances(_ picture: BusDelta) -> [Family] {
    [
      Family(
        name: "bcs_channel_balanced", type: "gauge",
        help: "Whether sent equals delivered, pending, lost and dropped on the channel.",
        samples: picture.channels.map { channel in
          Sample(
            labels: Labels(pairs: [
              ("channel", channel.channel), ("lane", "\(channel.lane)"),
              ("kind", "\(channel.kind)"),
            ]), value: channel.holds ? "1" : "0")
        })
    ]
  }

  private static func dropped(_ traffic: [ChannelTraffic]) -> Family {
    var samples: [Sample] = []
    for reason in DropReason.allCases {
      let dropped = merged(traffic, isMixed: true) { one in
        let count = one.counts.dropped(reason)
        return count > 0 ? count : nil
      }
      for (labels, count) in dropped where count > 0 {
        samples.append(Sample(labels: labels.with("reason", reason.name), value: "\(count)"))
      }
    }
    return Family(
      name: "bcs_messages_dropped_total", type: "counter",
      help: "Messages not handed over, by reason; sent: refused before they were sent.",
      samples: samples)
  }

  /// A bucket for each power of two: enough to draw a percentile, few enough to store.
  private static func latency(_ received: [ChannelTraffic]) -> Family {
    var places: [String: Int] = [:]
    var sums: [(Labels, LatencyHistogram)] = []
    for one in received where one.times.total > 0 {
      let labels = labels(one)
      let text = labels.description
      let place = places[text, default: sums.count]
      if place == sums.count {
        places[text] = place
        sums.append((labels, one.times))
      } else {
        sums[place].1.add(one.times)
      }
    }
    var samples: [Sample] = []
    for (labels, times) in sums {
      var below: UInt64 = 0
      for (bucket, count) in times.counts.enumerated() {
        below &+= count
        guard bucket % 4 == 3, let end = LatencyScale.upperNs(of: bucket) else { continue }
        samples.append(
          Sample(suffix: "_bucket", labels: labels.with("le", seconds(end)), value: "\(below)"))
      }
      samples.append(
        Sample(suffix: "_bucket", labels: labels.with("le", "+Inf"), value: "\(below)"))
      samples.append(Sample(suffix: "_sum", labels: labels, value: seconds(times.sumNs)))
      samples.append(Sample(suffix: "_count", labels: labels, value: "\(below)"))
    }
    return Family(
      name: "bcs_delivery_latency_seconds", type: "histogram",
      help: "One-way time from publishing to reading, sampled once a poll.", samples: samples)
  }

  // MARK: Samples

  private static func gauge(_ name: String, _ help: String, _ value: String) -> Family {
    Family(
      name: name, type: "gauge", help: help,
      samples: [Sample(labels: Labels(pairs: []), value: value)])
  }

  private static func counter(
    _ name: String, _ help: String, _ traffic: [ChannelTraffic],
    _ count: KeyPath<CounterCounts, UInt64>
  ) -> Family {
    Family(
      name: name, type: "counter", help: help,
      samples: merged(traffic, { $0.counts[keyPath: count] }).map { labels, sum in
        Sample(labels: labels, value: "\(sum)")
      })
  }

  /// The sum for each set of labels: two lives of an agent have the same.
  ///
  /// `isMixed`: both directions are in one family, so a label tells them apart.
  private static func merged(
    _ traffic: [ChannelTraffic], isMixed: Bool = false, _ count: (ChannelTraffic) -> UInt64?
  ) -> [(Labels, UInt64)] {
    var places: [String: Int] = [:]
    var sums: [(Labels, UInt64)] = []
    for one in traffic {
      guard let count = count(one) else { continue }
      let labels = labels(one, isMixed: isMixed)
      let text = labels.description
      let place = places[text, default: sums.count]
      if place == sums.count {
        places[text] = place
        sums.append((labels, count))
      } else {
        sums[place].1 &+= count
      }
    }
    return sums
  }

  private static func labels(_ one: ChannelTraffic, isMixed: Bool = false) -> Labels {
    var pairs = [
      ("agent", one.agent), ("channel", one.key.channel), ("lane", "\(one.key.lane)"),
      ("kind", "\(one.key.kind)"),
    ]
    if isMixed { pairs.append(("direction", "\(one.key.direction)")) }
    if one.key.direction == .received { pairs.append(("mode", "\(one.key.mode)")) }
    return Labels(pairs: pairs)
  }

  /// Nanoseconds as seconds, exact.
  static func seconds(_ ns: UInt64) -> String {
    let fraction = String(ns % 1_000_000_000)
    var digits = String(repeating: "0", count: 9 - fraction.count) + fraction
    while digits.last == "0" { digits.removeLast() }
    return digits.isEmpty ? "\(ns / 1_000_000_000)" : "\(ns / 1_000_000_000).\(digits)"
  }

  private static func decimal(_ value: Double) -> String {
    value.isFinite ? "\((value * 1000).rounded() / 1000)" : "NaN"
  }
}
