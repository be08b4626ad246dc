/// What this host gives BCS, gathered once: for people as `items`, for programs as fields.
///
/// ```swift
/// let host = HostReport.gather()
/// for item in host.items where item.verdict != .ok {
///   print(item.name, item.value, item.meaning)
/// }
/// let cpu = host.cpusByPreference.first
/// ```
///
/// Gathering takes about 20 ms; values that change, such as free memory, are those of
/// that moment.
public struct HostReport: Sendable {
  /// The findings; the same names in the same order on every host.
  public let items: [HostItem]
  /// The CPUs this process may run on, lowest first.
  public let allowedCPUs: [Int]
  /// The allowed CPUs in the order in which to give them to busy threads.
  public let cpusByPreference: [Int]
  /// CPUs, caches and memory; nil when they could not be read.
  public let topology: CPUTopology?
  /// The NUMA nodes; empty when they could not be read.
  public let numaNodes: [NUMANode]
  /// Release of the running kernel, empty when unknown.
  public let kernelRelease: String
  /// Whether the CPU's counter may serve as a clock.
  public let ticksUsable: Bool
  /// The counter's measured rate per second.
  public let ticksPerSecond: Double
  /// Whether all memory barriers that BCS uses in other processes are there.
  public let membarrierUsable: Bool
  /// Whether io_uring may be used.
  public let ioUringUsable: Bool
  /// Bytes that programs can still get without swapping; nil when unknown.
  public let memoryAvailable: UInt64?
  /// Memory limit in bytes set by the control group; nil when there is none.
  public let cgroupMemory: UInt64?
  /// CPUs' worth of time the control group allows; nil when unlimited.
  public let cgroupCPUs: Double?

  /// Looks at the host this process runs on.
  ///
  /// - Parameter absent: features to report as switched off, by default those `plat_forbid()` took
  ///   from this process.
  /// - Returns: the report; what could not be found out is in it as such.
  public static func gather(without absent: HostDegradations = .ofThisProcess) -> HostReport {
    HostReport(facts: .gather(), without: absent)
  }

  package init(facts: HostFacts, without absent: HostDegradations) {
    items = HostItemName.allCases.map { HostCheck(facts: facts, absent: absent).item($0) }
    allowedCPUs = facts.allowedCPUs
    cpusByPreference =
      facts.topology?.preference(among: facts.allowedCPUs) ?? facts.allowedCPUs
    topology = facts.topology
    numaNodes = facts.topology?.nodes ?? []
    kernelRelease = facts.release ?? ""
    ticksUsable = facts.ticksConstant && !absent.contains(.tsc)
    ticksPerSecond = facts.ticksPerSecond
    membarrierUsable =
      MembarrierCommands(facts.membarrier).complete && !absent.contains(.membarrier)
    ioUringUsable = facts.ioUring >= 0
    memoryAvailable = facts.memoryAvailable
    cgroupMemory = facts.cgroupMemory
    cgroupCPUs = facts.cgroupCPUs
  }

  /// The items as lines of a terminal: verdict, name and value, and the meaning of what is not ok.
  public var description: String {
    let width = items.map(\.name.count).max() ?? 0
    return items.map { item in
      let name = item.name + String(repeating: " ", count: width - item.name.count)
      let verdict = item.verdict.rawValue
      let mark = verdict + String(repeating: " ", count: 8 - verdict.count)
      let line = "\(mark)  \(name)  \(item.value)"
      return item.verdict == .ok ? line : line + "\n          \(item.meaning)"
    }
    .joined(separator: "\n")
  }
}

extension HostReport: CustomStringConvertible {}
