/// Where one CPU (hardware thread) lies.
///
/// Indices other than `cpu` and `node` count from 0 over the machine.
public struct CPUPlace: Sendable, Equatable {
  /// The kernel's number of the CPU.
  public let cpu: Int
  /// The core it is a thread of.
  public let core: Int
  /// The package (socket) it lies in.
  public let package: Int
  /// The level 2 cache it uses; its core where none is reported.
  public let l2: Int
  /// The level 3 cache it uses; its package where none is reported.
  public let l3: Int
  /// The kernel's number of its NUMA node.
  public let node: Int
  /// Higher is faster; all alike where the CPU is not hybrid.
  public let performance: Int

  package init(
    cpu: Int, core: Int, package: Int, l2: Int, l3: Int, node: Int, performance: Int
  ) {
    self.cpu = cpu
    self.core = core
    self.package = package
    self.l2 = l2
    self.l3 = l3
    self.node = node
    self.performance = performance
  }
}

/// All data caches of one level and size.
public struct CacheLevel: Sendable, Equatable {
  /// 1, 2 or 3.
  public let level: Int
  /// Size of one of them in bytes.
  public let bytes: UInt64
  /// How many there are.
  public let count: Int
  /// How many CPUs share one.
  public let sharedBy: Int
}

/// A NUMA node: memory and the CPUs near it.
public struct NUMANode: Sendable, Equatable {
  /// The kernel's number of the node.
  public let id: Int
  /// Its memory in bytes.
  public let bytes: UInt64
  /// The CPUs near it, lowest first; empty for a node of memory only.
  public let cpus: [Int]
}

/// CPUs that are equally fast.
public struct CPUKind: Sendable, Equatable {
  /// What the kernel calls the kind, such as `IntelCore`; empty where it has no name for it.
  public let label: String
  /// Higher is faster.
  public let performance: Int
  /// The CPUs of this kind, lowest first.
  public let cpus: [Int]
}

/// The CPUs, caches and memory of a machine, and how they belong together.
public struct CPUTopology: Sendable, Equatable {
  /// Every CPU the kernel would let this process's group use.
  public let places: [CPUPlace]
  /// The data caches, by level and then by size.
  public let caches: [CacheLevel]
  /// The NUMA nodes; at least one.
  public let nodes: [NUMANode]
  /// The kinds of CPUs, slowest first; one, or none, where all are alike.
  public let kinds: [CPUKind]

  package init(
    places: [CPUPlace], caches: [CacheLevel], nodes: [NUMANode], kinds: [CPUKind]
  ) {
    self.places = places
    self.caches = caches
    self.nodes = nodes
    self.kinds = kinds
  }

  /// The CPUs of `allowed` in the order in which to give them to busy threads.
  ///
  /// One thread of every core comes before any second one, faster cores before slower ones, and
  /// neighbours in the list use different caches where there are several. CPUs the topology does
  /// not know come last.
  public func preference(among allowed: [Int]) -> [Int] {
    let known = places.filter { allowed.contains($0.cpu) }.sorted { $0.cpu < $1.cpu }
    let thread = ranks(known) { [$0.core] }
    let cluster = ranks(known) { [thread[$0.cpu, default: 0], $0.performance, $0.l2] }
    let spread = known.sorted {
      (cluster[$0.cpu, default: 0], $0.cpu) < (cluster[$1.cpu, default: 0], $1.cpu)
    }
    let turn = ranks(spread) { [thread[$0.cpu, default: 0], $0.performance, $0.l3] }
    let order = known.sorted { a, b in
      (thread[a.cpu, default: 0], -a.performance, turn[a.cpu, default: 0], a.l3, a.cpu)
        < (thread[b.cpu, default: 0], -b.performance, turn[b.cpu, default: 0], b.l3, b.cpu)
    }
    .map(\.cpu)
    return order + Set(allowed).subtracting(order).sorted()
  }

  // How many places of the same group precede each CPU.
  private func ranks(_ places: [CPUPlace], by group: (CPUPlace) -> [Int]) -> [Int: Int] {
    var seen: [[Int]: Int] = [:]
    var ranks: [Int: Int] = [:]
    for place in places {
      ranks[place.cpu] = seen[group(place), default: 0]
      seen[group(place), default: 0] += 1
    }
    return ranks
  }
}
