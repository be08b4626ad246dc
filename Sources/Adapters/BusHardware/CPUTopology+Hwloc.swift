import CHwloc

/// Why a topology could not be read.
public enum TopologyError: Error, Equatable {
  /// hwloc refused to start or to read the machine.
  case unreadable
  /// The description is none that hwloc understands.
  case badDescription
}

extension CPUTopology {
  /// Reads the topology of this machine.
  ///
  /// - Throws: `TopologyError.unreadable` when hwloc cannot.
  public static func ofThisMachine() throws(TopologyError) -> CPUTopology {
    let source = try HwlocTopology(description: nil)
    return source.read()
  }

  /// Reads the topology of a machine that is only described.
  ///
  /// - Parameters:
  ///   - description: in hwloc's notation, such as `numa:2 core:4 pu:2`.
  ///   - fast: CPUs that are faster than the others; none: all are alike.
  /// - Returns: the topology with the CPUs numbered as hwloc does.
  /// - Throws: `TopologyError.badDescription` when hwloc does not understand it.
  package static func described(
    _ description: String, fast: [Int] = []
  ) throws(TopologyError) -> CPUTopology {
    let source = try HwlocTopology(description: description)
    source.declare(fast: fast)
    return source.read()
  }
}

// Owns a loaded hwloc topology. The pointers it hands out live as long as it does.
@safe private final class HwlocTopology {
  private let handle: hwloc_topology_t

  init(description: String?) throws(TopologyError) {
    var created: hwloc_topology_t?
    guard unsafe hwloc_topology_init(&created) == 0, let handle = unsafe created
    else { throw .unreadable }
    unsafe self.handle = unsafe handle
    if let description {
      guard unsafe hwloc_topology_set_synthetic(handle, description) == 0
      else { throw .badDescription }
    }
    guard unsafe hwloc_topology_load(handle) == 0 else { throw .unreadable }
  }

  deinit { unsafe hwloc_topology_destroy(handle) }

  // Registers the CPUs of `fast` as one kind and all others as a slower one.
  func declare(fast: [Int]) {
    guard !fast.isEmpty, let set = unsafe hwloc_bitmap_alloc() else { return }
    for cpu in fast { unsafe hwloc_bitmap_set(set, UInt32(cpu)) }
    unsafe hwloc_cpukinds_register(handle, set, 1, 0, nil, 0)
    unsafe hwloc_bitmap_andnot(set, hwloc_topology_get_topology_cpuset(handle), set)
    unsafe hwloc_cpukinds_register(handle, set, 0, 0, nil, 0)
    unsafe hwloc_bitmap_free(set)
  }

  func read() -> CPUTopology {
    let nodes = nodes()
    let kinds = kinds()
    return CPUTopology(
      places: places(nodes: nodes, kinds: kinds), caches: caches(), nodes: nodes, kinds: kinds)
  }

  private func objects(_ type: hwloc_obj_type_t) -> [HwlocObject] {
    let count = unsafe hwloc_get_nbobjs_by_type(handle, type)
    return (0..<UInt32(max(count, 0))).compactMap { index in
      unsafe hwloc_get_obj_by_type(handle, type, index).map { unsafe HwlocObject($0) }
    }
  }

  private func places(nodes: [NUMANode], kinds: [CPUKind]) -> [CPUPlace] {
    objects(HWLOC_OBJ_PU).map { thread in
      let cpu = thread.number
      let core = thread.ancestor(HWLOC_OBJ_CORE) ?? cpu
      let package = thread.ancestor(HWLOC_OBJ_PACKAGE) ?? 0
      return CPUPlace(
        cpu: cpu, core: core, package: package,
        l2: thread.ancestor(HWLOC_OBJ_L2CACHE) ?? core,
        l3: thread.ancestor(HWLOC_OBJ_L3CACHE) ?? package,
        node: nodes.first { $0.cpus.contains(cpu) }?.id ?? 0,
        performance: kinds.first { $0.cpus.contains(cpu) }?.performance ?? 0)
    }
  }

  private func caches() -> [CacheLevel] {
    let types = [(1, HWLOC_OBJ_L1CACHE), (2, HWLOC_OBJ_L2CACHE), (3, HWLOC_OBJ_L3CACHE)]
    return types.flatMap { level, type in
      var counts: [[UInt64]: Int] = [:]
      for cache in objects(type) {
        counts[[cache.cacheBytes, UInt64(cache.cpus.count)], default: 0] += 1
      }
      return counts.sorted { $0.key[0] > $1.key[0] }.map {
        CacheLevel(level: level, bytes: $0.key[0], count: $0.value, sharedBy: Int($0.key[1]))
      }
    }
  }

  private func nodes() -> [NUMANode] {
    objects(HWLOC_OBJ_NUMANODE).map {
      NUMANode(id: $0.number, bytes: $0.memoryBytes, cpus: $0.cpus)
    }
  }

  private func kinds() -> [CPUKind] {
    let count = unsafe hwloc_cpukinds_get_nr(handle, 0)
    guard count > 0, let set = unsafe hwloc_bitmap_alloc() else { return [] }
    defer { unsafe hwloc_bitmap_free(set) }
    return (0..<UInt32(count)).compactMap { index in
      var efficiency: Int32 = 0
      var infoCount: UInt32 = 0
      var infos: UnsafeMutablePointer<hwloc_info_s>?
      guard
        unsafe hwloc_cpukinds_get_info(handle, index, set, &efficiency, &infoCount, &infos, 0) == 0
      else { return nil }
      let label = unsafe coreType(UnsafeBufferPointer(start: infos, count: Int(infoCount)))
      // hwloc says -1 when it cannot tell which kind is faster.
      return CPUKind(
        label: label, performance: max(Int(efficiency), 0), cpus: unsafe members(of: set))
    }
  }

  private func coreType(_ infos: UnsafeBufferPointer<hwloc_info_s>) -> String {
    for index in infos.indices {
      guard let name = unsafe infos[index].name, let value = unsafe infos[index].value,
        unsafe String(cString: name) == "CoreType"
      else { continue }
      return unsafe String(cString: value)
    }
    return ""
  }
}

// An object of a topology; used only while the topology that owns it lives.
@safe private struct HwlocObject {
  private let object: UnsafeMutablePointer<hwloc_obj>

  init(_ object: UnsafeMutablePointer<hwloc_obj>) { unsafe self.object = unsafe object }

  var number: Int { unsafe Int(object.pointee.os_index) }
  var cacheBytes: UInt64 { unsafe object.pointee.attr?.pointee.cache.size ?? 0 }
  var memoryBytes: UInt64 { unsafe object.pointee.attr?.pointee.numanode.local_memory ?? 0 }
  var cpus: [Int] { unsafe members(of: object.pointee.cpuset) }

  func ancestor(_ type: hwloc_obj_type_t) -> Int? {
    var next = unsafe object.pointee.parent
    while let found = unsafe next {
      if unsafe found.pointee.type == type { return unsafe Int(found.pointee.logical_index) }
      unsafe next = unsafe found.pointee.parent
    }
    return nil
  }
}

private func members(of set: hwloc_const_bitmap_t?) -> [Int] {
  guard let set = unsafe set else { return [] }
  var cpus: [Int] = []
  var next = unsafe hwloc_bitmap_first(set)
  while next >= 0 {
    cpus.append(Int(next))
    next = unsafe hwloc_bitmap_next(set, next)
  }
  return cpus
}
