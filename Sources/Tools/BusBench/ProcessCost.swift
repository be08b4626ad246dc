import Glibc

/// What processes cost, as the kernel tells.
enum ProcessCost {
  /// Nanoseconds of the monotonic clock.
  static var nowNs: UInt64 {
    var now = timespec()
    unsafe clock_gettime(CLOCK_MONOTONIC, &now)
    return UInt64(now.tv_sec) * 1_000_000_000 + UInt64(now.tv_nsec)
  }

  static func sleep(seconds: Double) { usleep(UInt32(seconds * 1e6)) }

  /// CPU time of all threads of these processes since their starts, in ns.
  ///
  /// - Throws: `BenchError.system` when one is gone or the kernel keeps no such books.
  static func cpuNs(_ pids: [Int32]) throws(BenchError) -> UInt64 {
    var sum: UInt64 = 0
    for pid in pids {
      let tasks = "/proc/\(pid)/task"
      for thread in names(in: tasks) {
        // A thread may end between the listing and the reading.
        guard let words = words(of: "\(tasks)/\(thread)/schedstat") else { continue }
        sum += words.first ?? 0
      }
      guard words(of: "/proc/\(pid)/schedstat") != nil else {
        throw .system("reading /proc/\(pid)/schedstat", error: ENOENT)
      }
    }
    return sum
  }

  /// Bytes of a process that lie in memory.
  ///
  /// - Throws: `BenchError.system` when it is gone.
  static func residentBytes(_ pid: Int32) throws(BenchError) -> UInt64 {
    guard let words = words(of: "/proc/\(pid)/statm"), words.count > 1 else {
      throw .system("reading /proc/\(pid)/statm", error: ENOENT)
    }
    return words[1] * UInt64(sysconf(Int32(_SC_PAGESIZE)))
  }

  /// Descriptors that a process has open.
  static func descriptors(_ pid: Int32) -> Int { names(in: "/proc/\(pid)/fd").count }

  private static func words(of path: String) -> [UInt64]? {
    let file = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return nil }
    defer { close(file) }
    var room = [UInt8](repeating: 0, count: 512)
    let count = unsafe read(file, &room, room.count)
    guard count > 0 else { return nil }
    let text = String(decoding: room[..<count], as: UTF8.self)
    return text.split { $0 == " " || $0 == "\n" }.compactMap { UInt64($0) }
  }

  private static func names(in path: String) -> [String] {
    guard let folder = unsafe opendir(path) else { return [] }
    defer { unsafe closedir(folder) }
    var found: [String] = []
    while let entry = unsafe readdir(folder) {
      let name = unsafe withUnsafeBytes(of: entry.pointee.d_name) { bytes in
        unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
      }
      if !name.hasPrefix(".") { found.append(name) }
    }
    return found
  }
}
