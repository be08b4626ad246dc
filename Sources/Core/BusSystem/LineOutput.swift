import Glibc
import Synchronization

/// Lines for a descriptor, written by a thread of its own: a terminal that was stopped or a pipe
/// that nobody reads holds that thread up, and not who has something to say.
///
/// What waits is bounded; lines beyond are left out, and how many is said in their place.
package final class LineOutput: Sendable {
  private struct State {
    var lines: [[UInt8]] = []
    /// Lines that the thread has taken and has not written yet.
    var underway = 0
    var leftOut = 0
    var isWriting = false
  }

  /// Starts a thread; false when there is none to be had.
  package typealias ThreadMaker = @Sendable (@escaping @Sendable () -> Void) -> Bool

  private let descriptor: Int32
  private let linesMax: Int
  private let startThread: ThreadMaker
  private let notice: @Sendable (Int) -> [UInt8]
  private let state = Mutex(State())

  /// Writes to a descriptor that stays open; `linesMax` lines wait at most.
  ///
  /// `notice`: the line that stands for so many that were left out.
  package init(
    _ descriptor: Int32, linesMax: Int,
    startThread: @escaping ThreadMaker = { body in SystemThread.start(nil, body) },
    notice: @escaping @Sendable (_ lines: Int) -> [UInt8]
  ) {
    self.descriptor = descriptor
    self.startThread = startThread
    self.linesMax = linesMax
    self.notice = notice
  }

  /// Has a line written, with its line feed, unless too many wait.
  package func write(_ line: [UInt8]) {
    let startsThread = state.withLock { state in
      if state.lines.count + state.underway < linesMax {
        noteLeftOut(&state)
        state.lines.append(line)
      } else {
        state.leftOut += 1
      }
      // Also by a line that is left out: there may have been no thread for those before it.
      defer { state.isWriting = true }
      return !state.isWriting
    }
    guard startsThread else { return }
    let isStarted = startThread { [self] in
      while let lines = next() { writeAll(lines) }
    }
    if !isStarted { state.withLock { $0.isWriting = false } }
  }

  /// Whether all that was to be written has been.
  package var isDone: Bool { state.withLock { !$0.isWriting && $0.lines.isEmpty } }

  /// Waits a moment for what was not written yet.
  package func finish() {
    for _ in 0..<100 where !isDone { SystemThread.sleep(milliseconds: 5) }
  }

  /// All that waits, for one system call; nil: nothing does.
  private func next() -> [UInt8]? {
    state.withLock { state in
      noteLeftOut(&state)
      state.underway = state.lines.count
      guard !state.lines.isEmpty else {
        state.isWriting = false
        return nil
      }
      defer { state.lines = [] }
      return Array(state.lines.joined())
    }
  }

  private func noteLeftOut(_ state: inout State) {
    guard state.leftOut > 0 else { return }
    state.lines.append(notice(state.leftOut))
    state.leftOut = 0
  }

  private func writeAll(_ bytes: [UInt8]) {
    var rest = bytes[...]
    while !rest.isEmpty {
      let count = unsafe rest.withUnsafeBytes {
        unsafe Glibc.write(descriptor, $0.baseAddress, $0.count)
      }
      if count < 0, errno == EINTR { continue }
      if count < 0, errno == EAGAIN {
        var room = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        _ = unsafe poll(&room, 1, -1)
        continue
      }
      guard count > 0 else { return }
      rest = rest.dropFirst(count)
    }
  }
}
