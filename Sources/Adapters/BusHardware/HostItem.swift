/// What a finding about the host means for running BCS on it.
public enum HostVerdict: String, Sendable {
  /// As BCS likes it.
  case ok
  /// BCS works, but slower, or with a weaker guarantee.
  case degraded
  /// Something BCS cannot do without, or that could not be found out.
  case missing
}

/// One line of the report about the host.
public struct HostItem: Sendable, Equatable {
  /// Dotted name, the same on every host, such as `cache.l2`.
  public let name: String
  /// What was found, for people to read.
  public let value: String
  /// Whether that is good enough.
  public let verdict: HostVerdict
  /// One sentence: what it means for BCS, and unless the verdict is `ok` what to do about it.
  public let meaning: String

  package init(_ name: HostItemName, _ verdict: HostVerdict, _ value: String, _ meaning: String) {
    self.name = name.rawValue
    self.value = value
    self.verdict = verdict
    self.meaning = meaning
  }
}

/// The names of all items, in the order of the report.
package enum HostItemName: String, CaseIterable, Sendable {
  case kernelRelease = "kernel.release"
  case cpuModel = "cpu.model"
  case cpuTopology = "cpu.topology"
  case cpuKinds = "cpu.kinds"
  case cpuAllowed = "cpu.allowed"
  case cacheL1d = "cache.l1d"
  case cacheL2 = "cache.l2"
  case cacheL3 = "cache.l3"
  case numaNodes = "numa.nodes"
  case clockTSC = "clock.tsc"
  case memoryAvailable = "memory.available"
  case memoryShm = "memory.shm"
  case cgroupMemory = "cgroup.memory"
  case cgroupCPU = "cgroup.cpu"
  case memfd = "feature.memfd"
  case noexecSeal = "feature.noexec_seal"
  case peerPidfd = "feature.peer_pidfd"
  case pidfdOpen = "feature.pidfd_open"
  case futexWaitv = "feature.futex_waitv"
  case membarrier = "feature.membarrier"
  case ioUring = "feature.io_uring"
  case descriptors = "limit.descriptors"
  case lockedMemory = "limit.locked_memory"
}
