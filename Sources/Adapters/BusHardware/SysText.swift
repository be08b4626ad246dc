/// Pure readers of the text formats of /proc and /sys; text that is not as expected gives nil or
/// an empty list, never a guess.
package enum SysText {
  private static let cpusMax = 65_536

  /// CPUs of a list such as `0-3,8`, lowest first; nil when it is no such list.
  package static func cpuList(_ text: String) -> [Int]? {
    var cpus: Set<Int> = []
    for part in trimmed(text).split(separator: ",") {
      let ends = part.split(separator: "-", omittingEmptySubsequences: false)
      guard ends.count <= 2, let first = Int(ends[0]), let last = Int(ends[ends.count - 1]),
        first >= 0, first <= last, last < cpusMax
      else { return nil }
      cpus.formUnion(first...last)
    }
    return cpus.sorted()
  }

  /// The opposite of `cpuList`: `[0, 1, 2, 8]` gives `0-2,8`.
  package static func cpuRanges(_ cpus: [Int]) -> String {
    var ranges: [(first: Int, last: Int)] = []
    for cpu in cpus.sorted() {
      if let last = ranges.last, last.last == cpu - 1 {
        ranges[ranges.count - 1].last = cpu
      } else {
        ranges.append((cpu, cpu))
      }
    }
    return ranges.map { $0.first == $0.last ? "\($0.first)" : "\($0.first)-\($0.last)" }
      .joined(separator: ",")
  }

  /// The value behind `key:` in the first line of /proc/cpuinfo or /proc/meminfo that has it.
  package static func field(_ key: String, in text: String) -> String? {
    for line in text.split(separator: "\n") {
      guard let colon = line.firstIndex(of: ":"), trimmed(line[..<colon]) == key else { continue }
      return trimmed(line[line.index(after: colon)...])
    }
    return nil
  }

  /// A number of /proc/meminfo; sizes, which the kernel gives in kB, in bytes.
  package static func meminfo(_ key: String, in text: String) -> UInt64? {
    guard let words = field(key, in: text)?.split(separator: " "), let first = words.first,
      let number = UInt64(first)
    else { return nil }
    guard words.count > 1 else { return number }
    let (bytes, overflow) = number.multipliedReportingOverflow(by: 1024)
    return words[1] == "kB" && !overflow ? bytes : nil
  }

  /// Major and minor number of a kernel release such as `6.1.0-28-amd64`.
  package static func kernelVersion(_ release: String) -> (major: Int, minor: Int)? {
    let parts = release.split(separator: ".")
    guard parts.count >= 2, let major = Int(parts[0]),
      let minor = Int(parts[1].prefix { $0.isNumber })
    else { return nil }
    return (major, minor)
  }

  /// Bytes of a cgroup's memory limit; nil for `max`, and for version 1's huge number.
  package static func memoryLimit(_ text: String) -> UInt64? {
    guard let bytes = UInt64(trimmed(text)), bytes < UInt64(1) << 62 else { return nil }
    return bytes
  }

  /// CPUs a cgroup may use at a time, of `quota period` in microseconds; nil when unlimited.
  package static func cpuQuota(_ text: String) -> Double? {
    let words = text.split { $0 == " " || $0 == "\n" }
    guard words.count == 2, let quota = Double(words[0]), let period = Double(words[1]),
      quota > 0, period > 0
    else { return nil }
    return quota / period
  }

  /// The folders whose files may limit a process, innermost first, of /proc/self/cgroup.
  ///
  /// - Parameters:
  ///   - text: /proc/self/cgroup of either version, or of both side by side.
  ///   - controller: `memory` or `cpu`.
  /// - Returns: full paths under /sys/fs/cgroup, the root's folder last.
  package static func cgroupFolders(_ text: String, controller: String) -> [String] {
    var folders: [String] = []
    for line in text.split(separator: "\n") {
      let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      guard parts.count == 3, parts[2].hasPrefix("/") else { continue }
      let unified = parts[0] == "0" && parts[1].isEmpty
      guard unified || parts[1].split(separator: ",").contains(Substring(controller))
      else { continue }
      let root = unified ? "/sys/fs/cgroup" : "/sys/fs/cgroup/\(controller)"
      var names = parts[2].split(separator: "/")
      while !names.isEmpty {
        folders.append(root + "/" + names.joined(separator: "/"))
        names.removeLast()
      }
      folders.append(root)
    }
    return folders
  }

  /// The text without the blanks around it.
  package static func trimmed(_ text: some StringProtocol) -> String {
    let blank: (Character) -> Bool = { $0 == " " || $0 == "\t" || $0 == "\n" }
    return String(
      text.drop(while: blank).reversed().drop(while: blank).reversed())
  }
}
