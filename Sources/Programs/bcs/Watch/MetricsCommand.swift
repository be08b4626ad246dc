import ArgumentParser
import BusAdmin
import BusText

/// Prints the counters as Prometheus reads them.
struct MetricsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "metrics", abstract: "Print the counters of the bus in Prometheus' text format.",
    discussion: """
      Takes two samples, --interval apart: msg_throughput and msg_latency_p99 are of that time, \
      all else is counted since each agent began. The counters are read from the agents' \
      memory. What an agent sends to inboxes is one series, inbox.*; agents that have ended have \
      none.

      Example:
        bcs metrics > /var/lib/node_exporter/bcs.prom
      """)

  @OptionGroup var place: PlaceOptions
  @OptionGroup var naming: NameOptions
  @OptionGroup var timing: IntervalOptions

  func run() throws {
    let common = place.common
    let watching = try CounterSampler.open(common, name: naming.resolved("metrics"))
    defer { watching.close() }
    let (earlier, later) = try watching.twice(timing.interval)
    try Output.write(.block(PrometheusText.render(BusDelta(later, since: earlier))))
  }
}
