import BusHardware
import Testing

@Suite("What the report says about this host")
struct HostReportTests {
  @Test("every host gives the same items in the same order, each with something to say")
  func fixedItems() {
    let report = HostReport.gather()
    #expect(report.items.map(\.name) == HostItemName.allCases.map(\.rawValue))
    for item in report.items {
      #expect(!item.value.isEmpty, "\(item.name)")
      #expect(item.meaning.hasSuffix("."), "\(item.name)")
    }
  }

  @Test("the order of preference holds every allowed CPU exactly once")
  func preferenceIsAllowedSet() {
    let report = HostReport.gather()
    #expect(!report.allowedCPUs.isEmpty)
    #expect(report.cpusByPreference.sorted() == report.allowedCPUs)
  }

  @Test("the topology places every allowed CPU on one of its NUMA nodes")
  func allowedCPUsArePlaced() throws {
    let report = HostReport.gather()
    let topology = try #require(report.topology)
    let nodes = Set(topology.nodes.map(\.id))
    for cpu in report.allowedCPUs {
      let place = try #require(topology.places.first { $0.cpu == cpu })
      #expect(nodes.contains(place.node))
    }
  }

  @Test(
    "a feature that is switched off degrades its own item and no other",
    arguments: [
      (HostDegradations.noexecSeal, HostItemName.noexecSeal),
      (.peerPidfd, .peerPidfd), (.membarrier, .membarrier), (.tsc, .clockTSC),
      (.memfd, .memfd),
    ])
  func switchedOff(feature: HostDegradations, name: HostItemName) {
    let facts = HostFacts.gather()
    let whole = HostReport(facts: facts, without: [])
    let report = HostReport(facts: facts, without: feature)
    for (before, after) in zip(whole.items, report.items) {
      if after.name == name.rawValue {
        #expect(after.verdict == .degraded)
        #expect(after.value == "switched off for this process")
      } else {
        #expect(after == before)
      }
    }
  }

  @Test("typed fields follow what is switched off")
  func typedFieldsFollow() {
    let report = HostReport.gather(without: [.tsc, .membarrier])
    #expect(!report.ticksUsable)
    #expect(!report.membarrierUsable)
    #expect(report.ticksPerSecond > 1e6)
  }

  @Test("what plat_forbid() took from a process shows in its report")
  func forbiddenShows() async {
    await #expect(processExitsWith: .success) {
      HostDegradations.forbidInThisProcess([.peerPidfd, .tsc])
      let report = HostReport.gather()
      let degraded = ["clock.tsc", "feature.peer_pidfd"]
      for item in report.items where degraded.contains(item.name) {
        guard item.value == "switched off for this process" else { fatalError(item.name) }
      }
      guard !report.ticksUsable else { fatalError("the counter is still in use") }
    }
  }

  @Test("the description shows every item, and the cure of what is not ok")
  func description() {
    let report = HostReport.gather(without: [.memfd])
    for item in report.items {
      #expect(report.description.contains(item.name))
      #expect(report.description.contains(item.meaning) == (item.verdict != .ok))
    }
  }
}
