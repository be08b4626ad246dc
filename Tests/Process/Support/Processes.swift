package import BusTestSupport
import Foundation
import Glibc

/// What the kernel says of processes that programs have started.
package enum Processes {
  /// Whether a process is there and no mere entry that nobody has waited for.
  package static func lives(_ pid: Int32) -> Bool {
    guard let stat = text("/proc/\(pid)/stat"), let end = stat.lastIndex(of: ")") else {
      return false
    }
    return !stat[stat.index(end, offsetBy: 2)...].hasPrefix("Z")
  }

  /// What the main thread of a process has started.
  package static func children(of pid: Int32) -> [Int32] {
    numbers(text("/proc/\(pid)/task/\(pid)/children") ?? "")
  }

  /// The living process that ends what a `bcs reply` has started, once it is there.
  package static func guardian(of child: Child) -> Int32? {
    while child.isRunning {
      let found = children(of: child.pid).first {
        lives($0) && text("/proc/\($0)/comm") == "bcs-guardian\n"
      }
      if let found { return found }
      breathe()
    }
    return nil
  }

  /// The pids that a command has noted, once it has.
  package static func noted(_ mark: String, while child: Child) -> [Int32] {
    while child.isRunning {
      if let text = text(mark) { return numbers(text) }
      breathe()
    }
    return []
  }

  private static func text(_ path: String) -> String? {
    try? String(contentsOfFile: path, encoding: .utf8)
  }

  private static func numbers(_ text: String) -> [Int32] {
    text.split(whereSeparator: \.isWhitespace).compactMap { Int32($0) }
  }
}

/// Gives other processes a moment.
package func breathe() { usleep(5000) }
