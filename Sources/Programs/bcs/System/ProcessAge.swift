import CBusPlatform

/// How long a process has been running.
enum ProcessAge {
  /// What `/proc` counts a process's start in; the kernel shows it to programs in this unit.
  private static let ticksPerSecond: UInt64 = 100

  /// Whole seconds since the start of a process; nil when it is not there.
  static func seconds(_ pid: Int32) -> UInt64? {
    var ticks: UInt64 = 0
    guard unsafe plat_start_time(pid, &ticks) == 0,
      let uptime = try? Input.file("/proc/uptime", limit: 4096),
      let now = UInt64(String(decoding: uptime.prefix { $0 != UInt8(ascii: ".") }, as: UTF8.self))
    else { return nil }
    return now - min(now, ticks / ticksPerSecond)
  }
}
