import BusHardware
import Testing

@Suite("How facts about a host are judged")
struct HostJudgeTests {
  // A host on which nothing is wrong.
  private static func sound() throws -> HostFacts {
    var facts = HostFacts()
    facts.release = "6.1.0-28-amd64"
    facts.cpuInfo = "processor\t: 0\nmodel name\t: Some CPU\n"
    facts.memInfo = """
      MemTotal:       16000000 kB
      MemAvailable:    8000000 kB
      """
    facts.onlineCPUs = Array(0..<8)
    facts.allowedCPUs = Array(0..<8)
    facts.topology = try CPUTopology.described("numa:2 l3:1 core:2 l2:1 l1d:1 pu:2")
    facts.ticksConstant = true
    facts.ticksPerSecond = 2.4e9
    facts.shmBytes = 1 << 33
    facts.shmAvailable = 1 << 32
    facts.membarrier = 0x7f
    facts.descriptors = SoftHard(soft: 20_000, hard: nil)
    facts.lockedMemory = SoftHard(soft: nil, hard: nil)
    return facts
  }

  private static func item(_ name: HostItemName, _ facts: HostFacts) throws -> HostItem {
    let items = HostReport(facts: facts, without: []).items
    return try #require(items.first { $0.name == name.rawValue })
  }

  @Test("a sound host has nothing to complain about")
  func soundHost() throws {
    let report = HostReport(facts: try Self.sound(), without: [])
    #expect(report.items.filter { $0.verdict != .ok } == [])
    #expect(report.membarrierUsable)
    #expect(report.ticksUsable)
    #expect(report.memoryAvailable == 8_000_000 * 1024)
  }

  @Test("values are written for people")
  func values() throws {
    let facts = try Self.sound()
    #expect(try Self.item(.clockTSC, facts).value == "2.400 GHz, constant in all states")
    #expect(try Self.item(.cpuAllowed, facts).value == "8 of 8: 0-7")
    #expect(try Self.item(.cpuTopology, facts).value.hasSuffix("4 cores, 8 threads"))
    #expect(try Self.item(.descriptors, facts).value == "20000, at most unlimited")
    #expect(try Self.item(.memoryShm, facts).value == "4 GiB of 8 GiB free")
    #expect(try Self.item(.cacheL3, facts).value.hasPrefix("2 × "))
    #expect(try Self.item(.cacheL3, facts).value.hasSuffix(", each for 4 CPUs"))
  }

  @Test(
    "a shortage is found by its own item, with its verdict",
    arguments: [
      (HostItemName.memfd, HostVerdict.missing), (.pidfdOpen, .missing),
      (.noexecSeal, .degraded), (.peerPidfd, .degraded), (.futexWaitv, .degraded),
      (.membarrier, .degraded), (.ioUring, .degraded),
      (.kernelRelease, .degraded), (.cpuAllowed, .degraded), (.clockTSC, .degraded),
      (.memoryAvailable, .missing), (.cgroupMemory, .degraded), (.cgroupCPU, .degraded),
      (.descriptors, .degraded), (.lockedMemory, .degraded),
    ])
  func shortage(name: HostItemName, verdict: HostVerdict) throws {
    var facts = try Self.sound()
    Self.spoil(&facts, name)
    #expect(try Self.item(name, facts).verdict == verdict)
    let others = HostReport(facts: facts, without: []).items.filter { $0.name != name.rawValue }
    #expect(others.allSatisfy { $0.verdict == .ok })
  }

  private static func spoil(_ facts: inout HostFacts, _ name: HostItemName) {
    let notPermitted: Int32 = -1
    switch name {
    case .memfd: facts.memfd = notPermitted
    case .pidfdOpen: facts.pidfdOpen = notPermitted
    case .noexecSeal: facts.noexecSeal = -22
    case .peerPidfd: facts.peerPidfd = -92
    case .futexWaitv: facts.futexWaitv = -38
    case .membarrier: facts.membarrier = 0x19
    case .ioUring: facts.ioUring = notPermitted
    case .kernelRelease: facts.release = "5.10.0-9-amd64"
    case .cpuAllowed: facts.allowedCPUs = [3]
    case .clockTSC: facts.ticksConstant = false
    case .memoryAvailable: facts.memInfo = nil
    case .cgroupMemory: facts.cgroupMemory = 256 << 20
    case .cgroupCPU: facts.cgroupCPUs = 0.5
    case .descriptors: facts.descriptors = SoftHard(soft: 1024, hard: 4096)
    case .lockedMemory: facts.lockedMemory = SoftHard(soft: 65_536, hard: 65_536)
    default: Issue.record("no way to spoil \(name)")
    }
  }

  @Test("a refused io_uring names the setting or the filter that refused it")
  func ioUringCure() throws {
    var facts = try Self.sound()
    facts.ioUring = -1
    facts.ioUringDisabled = "2"
    #expect(try Self.item(.ioUring, facts).meaning.contains("kernel.io_uring_disabled=0"))
    facts.ioUringDisabled = "0"
    #expect(try Self.item(.ioUring, facts).meaning.contains("io_uring_setup"))
  }

  @Test("a host of which nothing could be read still gets a whole report")
  func nothingKnown() {
    let report = HostReport(facts: HostFacts(), without: [])
    #expect(report.items.map(\.name) == HostItemName.allCases.map(\.rawValue))
    #expect(report.cpusByPreference == [])
    #expect(report.numaNodes == [])
  }
}
