import BusHardware
import BusJSON
import BusOptions
import BusRouter
import BusRouting
import BusText
import CBusABI

/// What the router prints when agents can connect.
struct ReadyReport {
  private let ready: RouterReady
  private let host: HostReport
  private let limits: RouterLimits
  private let policyFile: String?

  init(_ ready: RouterReady, _ host: HostReport, limits: RouterLimits, policyFile: String?) {
    self.ready = ready
    self.host = host
    self.limits = limits
    self.policyFile = policyFile
  }

  /// Lines for a terminal.
  var text: TerminalText {
    var lines: [TerminalText] = [
      "msg_router \(BUS_RELEASE) is ready",
      "  socket      \(ready.socket)",
      "  pid         \(ready.pid)",
      "  arena       \(ByteSize(bytes: limits.arenaBytes).description), "
        + "\(ByteSize(bytes: limits.agentBytes).description) for an agent",
      "  NUMA nodes  \(host.numaNodes.count)",
      "  CPUs        \(host.allowedCPUs.count)",
      "  io_uring    \(host.ioUringUsable ? "yes" : "no")",
      "  policy      \(policyFile ?? "none: this user, everything")",
    ]
    if policyFile == nil {
      lines.append("              Processes of one user can take each other's names;")
      lines.append("              a policy file and a user for each agent keep them apart.")
    }
    if ready.tookOver {
      lines.append("  restart     took over from a killed router; its agents may come back")
    }
    for degradation in ready.degradations { lines.append("  without     \(degradation)") }
    lines.append("Next: bcs sub '>'      in another terminal, then")
    lines.append("      bcs pub alerts.disk 'almost full'")
    return .joined(lines, separator: "\n")
  }

  /// One line of JSON with stable names.
  var json: TerminalText {
    JSONValue.line([
      ("event", .text("ready")), ("version", .text(BUS_RELEASE)),
      ("socket", .text(ready.socket)), ("pid", .integer(Int(ready.pid))),
      ("arena_bytes", .unsigned(limits.arenaBytes)), ("agent_quota", .unsigned(limits.agentBytes)),
      ("numa_nodes", .integer(host.numaNodes.count)), ("cpus", .integer(host.allowedCPUs.count)),
      ("io_uring", .boolean(host.ioUringUsable)),
      ("ticks_are_clock", .boolean(ready.ticksAreClock)),
      ("descriptors", .integer(Int(ready.descriptorsMax))), ("policy", JSONValue(policyFile)),
      ("took_over", .boolean(ready.tookOver)),
      ("degradations", .list(ready.degradations.map { .text($0) })),
    ])
  }
}
