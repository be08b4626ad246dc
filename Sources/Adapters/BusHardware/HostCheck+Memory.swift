// Below these a default router is cramped: its arena alone is 1 GiB.
private let memoryWanted: UInt64 = 1 << 30
private let descriptorsWanted: UInt64 = 4096
private let lockedWanted: UInt64 = 8 << 20

extension HostCheck {
  var memoryAvailable: HostItem {
    guard let available = facts.memoryAvailable else {
      return HostItem(
        .memoryAvailable, .missing, "unknown",
        "BCS cannot tell whether its arena fits into memory; mount /proc.")
    }
    let total = facts.memInfo.flatMap { SysText.meminfo("MemTotal", in: $0) }
    let value = inBytes(available) + (total.map { " of \(inBytes($0))" } ?? "")
    let enough = available >= memoryWanted
    return HostItem(
      .memoryAvailable, enough ? .ok : .degraded, value,
      enough
        ? "The router's arena of 1 GiB fits into memory."
        : "The router's arena of 1 GiB does not fit; free memory or start with a smaller --arena.")
  }

  var memoryShm: HostItem {
    guard let bytes = facts.shmBytes, let available = facts.shmAvailable else {
      return HostItem(
        .memoryShm, .degraded, "not mounted",
        "BCS keeps its rings in anonymous files and does not need it; other programs may.")
    }
    return HostItem(
      .memoryShm, .ok, "\(inBytes(available)) of \(inBytes(bytes)) free",
      "BCS leaves no file in /dev/shm: its rings are anonymous and charged to their writers.")
  }

  var cgroupMemory: HostItem {
    guard let bytes = facts.cgroupMemory else {
      return HostItem(
        .cgroupMemory, .ok, "no limit", "Rings are limited by the host's memory only.")
    }
    let enough = bytes >= memoryWanted
    return HostItem(
      .cgroupMemory, enough ? .ok : .degraded, inBytes(bytes),
      enough
        ? "Rings that agents of this control group create are charged to it."
        : "The router's arena of 1 GiB does not fit; raise the limit or use a smaller --arena.")
  }

  var cgroupCPU: HostItem {
    guard let cpus = facts.cgroupCPUs else {
      return HostItem(.cgroupCPU, .ok, "no limit", "The kernel does not throttle this process.")
    }
    let enough = cpus >= 2
    return HostItem(
      .cgroupCPU, enough ? .ok : .degraded, "\(inDecimals(cpus, places: 2)) CPUs",
      enough
        ? "Threads that spin longer than the quota are stopped for up to 100 ms."
        : "Spinning threads are stopped for up to 100 ms at a time; allow two CPUs or more.")
  }

  var descriptors: HostItem {
    guard let limit = facts.descriptors else {
      return HostItem(
        .descriptors, .missing, "unknown",
        "BCS cannot tell how many agents it may serve; the kernel did not say the limit.")
    }
    let value = "\(limited(limit.soft) { "\($0)" }), at most \(limited(limit.hard) { "\($0)" })"
    let enough = (limit.soft ?? .max) >= descriptorsWanted
    return HostItem(
      .descriptors, enough ? .ok : .degraded, value,
      enough
        ? "Each agent and each log takes a descriptor or two in the router."
        : "Few agents and logs fit; raise it with `ulimit -n 20000` or LimitNOFILE=.")
  }

  var lockedMemory: HostItem {
    guard let limit = facts.lockedMemory else {
      return HostItem(
        .lockedMemory, .missing, "unknown",
        "BCS cannot tell how much it may pin; the kernel did not say the limit.")
    }
    let value = "\(limited(limit.soft, inBytes)), at most \(limited(limit.hard, inBytes))"
    let enough = (limit.soft ?? .max) >= lockedWanted
    return HostItem(
      .lockedMemory, enough ? .ok : .degraded, value,
      enough
        ? "Buffers registered with the kernel fit."
        : "Buffers may not be registered with the kernel; raise `ulimit -l` or LimitMEMLOCK=.")
  }
}
