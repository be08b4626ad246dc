import ArgumentParser
import BusAdmin
import BusText

/// Prints the counters as Prometheus reads them.
struct MetricsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "metrics", abstract: "Print the counters of the bus in Prometheus' text format.",
    discussion: """
      Looks twice, --interval apart: msg_throughput and msg_latency_p99 are of that time, all else \
      is counted since each agent began. The counters are read from the agents' memory.

      Example:
        bcs metrics > /var/lib/node_exporter/bcs.prom
      """)

  @OptionGroup var common: CommonOptions
  @OptionGroup var naming: NameOptions
  @OptionGroup var timing: IntervalOptions

  func validate() throws {
    guard !common.json else {
      throw ValidationError("Metrics have one format, Prometheus' text: leave out --json.")
    }
  }

  func run() throws {
    let watching = try Watching.open(common, name: naming.resolved("metrics"))
    defer { watching.close() }
    let (earlier, later) = try watching.twice(timing.interval)
    try Output.write(.block(PrometheusText.render(BusPicture(later, since: earlier))))
  }
}
