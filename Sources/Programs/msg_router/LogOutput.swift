import BusRouter
import BusSystem
import Glibc
import Synchronization

/// Standard error for log lines, written by a thread of its own: a terminal that was stopped or a
/// pipe that nobody reads holds that thread up, and not the router.
///
/// What waits is bounded; lines beyond are left out, and how many is said in their place.
final class LogOutput: TextOutputStream, Sendable {
  private struct State {
    var lines: [String] = []
    var leftOut = 0
    var isWriting = false
  }

  /// Lines that wait at most.
  private static let linesMax = 1000

  static let standardError = LogOutput()

  private let state = Mutex(State())

  func write(_ line: String) {
    let startsThread = state.withLock { state in
      guard state.lines.count < Self.linesMax else {
        state.leftOut += 1
        return false
      }
      if state.leftOut > 0 { state.lines.append(Self.notice(of: state.leftOut)) }
      state.leftOut = 0
      state.lines.append(line)
      defer { state.isWriting = true }
      return !state.isWriting
    }
    guard startsThread else { return }
    let isStarted = SystemThread.start { [self] in
      while let lines = next() { Self.write(lines) }
    }
    if !isStarted { state.withLock { $0.isWriting = false } }
  }

  /// Waits a moment for what was not written yet.
  func finish() {
    for _ in 0..<100 where state.withLock({ $0.isWriting }) { usleep(5000) }
  }

  private func next() -> String? {
    state.withLock { state in
      if state.leftOut > 0, state.lines.isEmpty {
        state.lines.append(Self.notice(of: state.leftOut))
        state.leftOut = 0
      }
      guard !state.lines.isEmpty else {
        state.isWriting = false
        return nil
      }
      return state.lines.removeFirst()
    }
  }

  private static func notice(of lines: Int) -> String {
    "\(lines) lines were left out: standard error was not read.\n"
  }

  private static func write(_ text: String) {
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
      let bytes = Array(rest)
      let written = unsafe Glibc.write(STDERR_FILENO, bytes, bytes.count)
      if written < 0, errno == EINTR { continue }
      guard written > 0 else { return }
      rest = rest.dropFirst(written)
    }
  }
}
