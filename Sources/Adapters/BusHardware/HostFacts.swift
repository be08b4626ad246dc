/// A soft and a hard limit; `nil` is unlimited.
package struct SoftHard: Sendable {
  package var soft: UInt64?
  package var hard: UInt64?

  package init(soft: UInt64?, hard: UInt64?) {
    self.soft = soft
    self.hard = hard
  }
}

/// What was read and tried on the host, before anybody judged it.
///
/// Results of probes are 0 or more for success and -errno for failure, texts as the kernel gave
/// them; what could not be read is nil.
package struct HostFacts: Sendable {
  package var release: String?
  package var cpuInfo: String?
  package var memInfo: String?
  package var onlineCPUs: [Int]?
  package var allowedCPUs: [Int] = []
  package var topology: CPUTopology?

  package var ticksConstant = false
  package var ticksPerSecond = 0.0
  package var clockSource: String?

  package var shmBytes: UInt64?
  package var shmAvailable: UInt64?

  package var cgroupMemory: UInt64?
  package var cgroupCPUs: Double?

  package var memfd: Int32 = 0
  package var noexecSeal: Int32 = 0
  package var peerPidfd: Int32 = 0
  package var pidfdOpen: Int32 = 0
  package var futexWaitv: Int32 = 0
  package var membarrier: Int32 = 0
  package var ioUring: Int32 = 0
  package var ioUringDisabled: String?

  package var descriptors: SoftHard?
  package var lockedMemory: SoftHard?

  package init() {}

  /// Bytes that programs can still get without swapping.
  package var memoryAvailable: UInt64? {
    memInfo.flatMap { SysText.meminfo("MemAvailable", in: $0) }
  }
}
