/// Which commands of membarrier(2) the kernel knows.
struct MembarrierCommands {
  private let mask: Int32

  init(_ result: Int32) { mask = max(result, 0) }

  // Bits of linux/membarrier.h: each barrier works only with its registration.
  private static let wanted: [(bits: Int32, name: String)] = [
    (2 | 4, "global expedited"), (8 | 16, "private expedited"),
  ]

  private func knows(_ bits: Int32) -> Bool { mask & bits == bits }

  var complete: Bool { Self.wanted.allSatisfy { knows($0.bits) } }
  var description: String {
    Self.wanted.map { "\($0.name) \(knows($0.bits) ? "works" : "missing")" }.joined(separator: ", ")
  }
}

/// Turns facts into findings: the one place that says what is good enough and what to do if not.
struct HostCheck {
  let facts: HostFacts
  let absent: HostDegradations

  func item(_ name: HostItemName) -> HostItem {
    switch name {
    case .kernelRelease: kernelRelease
    case .cpuModel: cpuModel
    case .cpuTopology: cpuTopology
    case .cpuKinds: cpuKinds
    case .cpuAllowed: cpuAllowed
    case .cacheL1d: cache(.cacheL1d, level: 1)
    case .cacheL2: cache(.cacheL2, level: 2)
    case .cacheL3: cache(.cacheL3, level: 3)
    case .numaNodes: numaNodes
    case .clockTSC: clockTSC
    case .memoryAvailable: memoryAvailable
    case .memoryShm: memoryShm
    case .cgroupMemory: cgroupMemory
    case .cgroupCPU: cgroupCPU
    case .memfd: memfd
    case .noexecSeal: noexecSeal
    case .peerPidfd: peerPidfd
    case .pidfdOpen: pidfdOpen
    case .futexWaitv: futexWaitv
    case .membarrier: membarrier
    case .ioUring: ioUring
    case .descriptors: descriptors
    case .lockedMemory: lockedMemory
    }
  }

  /// The finding about a feature that was switched off in this process.
  func switchedOff(_ name: HostItemName, _ meaning: String) -> HostItem {
    HostItem(name, .degraded, "switched off for this process", meaning)
  }
}
