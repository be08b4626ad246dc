extension HostCheck {
  var kernelRelease: HostItem {
    guard let release = facts.release, let version = SysText.kernelVersion(release) else {
      return HostItem(
        .kernelRelease, .missing, facts.release ?? "unknown",
        "BCS cannot tell which kernel this is; mount /proc and run on Linux 6.1 or later.")
    }
    let known = (version.major, version.minor) >= (6, 1)
    return HostItem(
      .kernelRelease, known ? .ok : .degraded, release,
      known
        ? "BCS is made for Linux 6.1 and later."
        : "BCS is made for Linux 6.1 and later; update the kernel.")
  }

  var cpuModel: HostItem {
    let model = facts.cpuInfo.flatMap { SysText.field("model name", in: $0) }
    return HostItem(
      .cpuModel, .ok, model ?? "not stated",
      "Compare figures of BCS only between hosts of the same model.")
  }

  var cpuTopology: HostItem {
    guard let topology = facts.topology else {
      return HostItem(
        .cpuTopology, .missing, "unreadable",
        "BCS cannot place threads by core and cache; mount /sys, or pin threads by hand.")
    }
    let packages = Set(topology.places.map(\.package)).count
    let cores = Set(topology.places.map(\.core)).count
    return HostItem(
      .cpuTopology, .ok,
      [
        counted(packages, "package"), counted(cores, "core"),
        counted(topology.places.count, "thread"),
      ].joined(separator: ", "),
      "BCS gives each busy thread a core of its own while there are any left.")
  }

  var cpuKinds: HostItem {
    let kinds = facts.topology?.kinds ?? []
    guard kinds.count > 1 else {
      return HostItem(.cpuKinds, .ok, "all alike", "It does not matter which core a thread gets.")
    }
    let value = kinds.reversed().map { kind in
      let label = kind.label.isEmpty ? "performance \(kind.performance)" : kind.label
      return "\(label): \(SysText.cpuRanges(kind.cpus))"
    }
    return HostItem(
      .cpuKinds, .ok, value.joined(separator: "; "),
      "BCS gives its busy threads the faster cores first.")
  }

  var cpuAllowed: HostItem {
    let allowed = facts.allowedCPUs
    guard !allowed.isEmpty else {
      return HostItem(
        .cpuAllowed, .missing, "unknown",
        "BCS cannot place threads; the kernel did not say where this process may run.")
    }
    let online = facts.onlineCPUs.map { " of \($0.count)" } ?? ""
    let value = "\(allowed.count)\(online): \(SysText.cpuRanges(allowed))"
    guard allowed.count > 1 else {
      return HostItem(
        .cpuAllowed, .degraded, value,
        "Sender and receiver take turns on one CPU; allow this process two or more.")
    }
    return HostItem(.cpuAllowed, .ok, value, "Sender and receiver can run at the same time.")
  }

  func cache(_ name: HostItemName, level: Int) -> HostItem {
    let caches = facts.topology?.caches.filter { $0.level == level } ?? []
    guard !caches.isEmpty else {
      return HostItem(
        name, .degraded, "not reported",
        "BCS cannot fit its rings to this cache; let the hypervisor pass the CPU's caches on.")
    }
    let value = caches.map {
      "\($0.count) × \(inBytes($0.bytes)), each for \(counted($0.sharedBy, "CPU"))"
    }
    return HostItem(
      name, .ok, value.joined(separator: "; "),
      level == 3
        ? "Agents whose cores share it exchange messages fastest."
        : "Rings that fit into it are fastest.")
  }

  var numaNodes: HostItem {
    let nodes = facts.topology?.nodes ?? []
    guard !nodes.isEmpty else {
      return HostItem(
        .numaNodes, .degraded, "not reported",
        "BCS treats all memory as equally near; mount /sys if the host has several nodes.")
    }
    let value = nodes.map { node in
      let cpus = node.cpus.isEmpty ? "no CPUs" : "CPUs \(SysText.cpuRanges(node.cpus))"
      return "node \(node.id): \(inBytes(node.bytes)), \(cpus)"
    }
    return HostItem(
      .numaNodes, .ok, value.joined(separator: "; "),
      nodes.count == 1
        ? "All memory is equally near to all CPUs."
        : "Keep agents that talk a lot on CPUs of one node.")
  }

  var clockTSC: HostItem {
    let cure = "time stamps come from clock_gettime at about twice the cost"
    if absent.contains(.tsc) {
      return switchedOff(.clockTSC, "\(cure.capitalizedFirst); allow the counter again.")
    }
    let rate = inDecimals(facts.ticksPerSecond / 1e9, places: 3) + " GHz"
    let source = facts.clockSource.map { ", kernel clock \($0)" } ?? ""
    guard facts.ticksConstant else {
      return HostItem(
        .clockTSC, .degraded, "\(rate), not constant\(source)",
        "The CPU's counter is no clock here, so \(cure); let the hypervisor pass on invariant TSC.")
    }
    return HostItem(
      .clockTSC, .ok, "\(rate), constant in all states\(source)",
      "Time stamps are read straight from the CPU's counter.")
  }
}

extension String {
  fileprivate var capitalizedFirst: String { prefix(1).uppercased() + dropFirst() }
}
