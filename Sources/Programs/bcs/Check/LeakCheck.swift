import BusSystem
import Glibc

/// What processes leave behind, as the kernel tells.
enum LeakCheck {
  /// Makes a private temporary directory.
  static func makeDirectory() throws -> String {
    var template = Array("/tmp/bcs-check-XXXXXX".utf8CString)
    let made = unsafe template.withUnsafeMutableBufferPointer { room -> String? in
      guard let base = room.baseAddress, let made = unsafe mkdtemp(base) else { return nil }
      return unsafe String(cString: made)
    }
    guard let made else {
      throw Failure(
        "No temporary directory can be made: \(Errno.text(errno)).",
        remedy: "Make room in /tmp.", name: "SYSTEM")
    }
    return made
  }

  /// The names in a directory but `.` and `..`, sorted; empty when it is not there.
  static func entries(of path: String) -> [String] { (try? names(in: path)) ?? [] }

  /// The names in a directory but `.` and `..`, sorted.
  ///
  /// - Throws: `Failure` when it cannot be read.
  static func names(in path: String) throws -> [String] {
    guard let folder = unsafe opendir(path) else {
      throw Failure(
        "The directory \(path.printable) cannot be read: \(Errno.text(errno)).",
        remedy: "Check the path and its permissions.", name: "SYSTEM")
    }
    defer { unsafe closedir(folder) }
    var names: [String] = []
    while let entry = unsafe readdir(folder) {
      let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { field in
        unsafe field.withMemoryRebound(to: CChar.self, capacity: 256) {
          unsafe String(cString: $0)
        }
      }
      if name != "." && name != ".." { names.append(name) }
    }
    return names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
  }

  /// Removes a directory with all in it.
  static func remove(_ path: String) {
    for name in entries(of: path) {
      let inner = "\(path)/\(name)"
      if unsafe unlink(inner) != 0 { remove(inner) }
    }
    unsafe rmdir(path)
  }

  /// Anonymous memory files that a process holds open.
  static func memoryFiles(of pid: Int32) -> Int {
    let folder = "/proc/\(pid)/fd"
    return entries(of: folder).count { name in
      var room = [CChar](repeating: 0, count: 256)
      let count = unsafe readlink("\(folder)/\(name)", &room, 255)
      let target = room.prefix(max(0, count)).map(UInt8.init(bitPattern:))
      return String(decoding: target, as: UTF8.self).hasPrefix("/memfd:")
    }
  }

  /// Bytes of memory files that this process has mapped.
  ///
  /// All others have ended when it is looked at, and the kernel frees what nobody maps: so this is
  /// all that can be left, whatever other programs on this host do.
  static var mappedMemory: UInt64 {
    guard let bytes = try? Input.file("/proc/self/maps", limit: 16 << 20) else { return 0 }
    let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n")
    return lines.filter { $0.contains("/memfd:") }.reduce(0) { sum, line in
      let ends = line.prefix { $0 != " " }.split(separator: "-").map { UInt64($0, radix: 16) }
      guard ends.count == 2, let first = ends[0], let last = ends[1] else { return sum }
      return sum + (last - first)
    }
  }
}
