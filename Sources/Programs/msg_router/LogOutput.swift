import BusSystem
import Glibc

/// Standard error for log lines, which never holds the router up.
final class LogOutput: TextOutputStream, Sendable {
  static let standardError = LogOutput()

  private let lines = LineOutput(STDERR_FILENO, linesMax: 1000) { count in
    Array("\(count) lines were left out: standard error was not read.\n".utf8)
  }

  func write(_ line: String) { lines.write(Array(line.utf8)) }

  /// Waits a moment for what was not written yet.
  func finish() { lines.finish() }
}
