import BusHardware
import Testing

@Suite("Where threads go")
struct CPUTopologyTests {
  // Two fast cores of two threads, then four slower cores that share an L2 in pairs.
  private static let hybrid = CPUTopology(
    places: [
      place(0, core: 0, l2: 0, performance: 1), place(1, core: 0, l2: 0, performance: 1),
      place(2, core: 1, l2: 1, performance: 1), place(3, core: 1, l2: 1, performance: 1),
      place(4, core: 2, l2: 2), place(5, core: 3, l2: 2), place(6, core: 4, l2: 3),
      place(7, core: 5, l2: 3),
    ], caches: [], nodes: [], kinds: [])

  private static func place(_ cpu: Int, core: Int, l2: Int, performance: Int = 0) -> CPUPlace {
    CPUPlace(cpu: cpu, core: core, package: 0, l2: l2, l3: 0, node: 0, performance: performance)
  }

  @Test("one thread per core first, fast cores before slow ones, spread over the caches")
  func hybridOrder() {
    #expect(Self.hybrid.preference(among: Array(0..<8)) == [0, 2, 4, 6, 5, 7, 1, 3])
  }

  @Test("a second thread counts as the first when the first is not allowed")
  func lonelySibling() {
    #expect(Self.hybrid.preference(among: [1, 2, 3, 7]) == [1, 2, 7, 3])
  }

  @Test("allowed CPUs the topology does not know come last")
  func unknownCPUs() {
    #expect(Self.hybrid.preference(among: [99, 4, 0]) == [0, 4, 99])
  }

  @Test("every subset of the allowed CPUs comes back whole")
  func subsets() {
    for mask in 0..<256 {
      let allowed = (0..<8).filter { mask & (1 << $0) != 0 }
      #expect(Self.hybrid.preference(among: allowed).sorted() == allowed)
    }
  }

  @Test("two NUMA nodes of four cores: nodes, caches and places as described")
  func numaSample() throws {
    let topology = try CPUTopology.described("numa:2 l3:1 core:4 l2:1 pu:2")
    #expect(topology.nodes.map(\.id) == [0, 1])
    #expect(topology.nodes.map(\.cpus) == [Array(0..<8), Array(8..<16)])
    #expect(topology.places.count == 16)
    #expect(topology.places.allSatisfy { $0.node == $0.cpu / 8 && $0.core == $0.cpu / 2 })
    let l2 = try #require(topology.caches.first { $0.level == 2 })
    #expect(l2.count == 8)
    #expect(l2.sharedBy == 2)
  }

  @Test("neighbours in the order use different level 3 caches")
  func spreadOverL3() throws {
    let topology = try CPUTopology.described("numa:2 l3:1 core:4 l2:1 pu:2")
    let order = topology.preference(among: Array(0..<16))
    #expect(Array(order.prefix(8)) == [0, 8, 2, 10, 4, 12, 6, 14])
    #expect(Array(order.suffix(8)) == [1, 9, 3, 11, 5, 13, 7, 15])
  }

  @Test("kinds that hwloc knows decide which cores come first")
  func hybridSample() throws {
    let topology = try CPUTopology.described("l3:1 core:6 pu:1", fast: [4, 5])
    #expect(topology.kinds.map(\.cpus) == [[0, 1, 2, 3], [4, 5]])
    #expect(topology.preference(among: Array(0..<6)) == [4, 5, 0, 1, 2, 3])
  }

  @Test("a description hwloc does not understand is refused")
  func badDescription() {
    #expect(throws: TopologyError.badDescription) {
      try CPUTopology.described("no such thing")
    }
  }
}
