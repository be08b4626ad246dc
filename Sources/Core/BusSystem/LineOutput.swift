import Glibc
import Synchronization

/// Lines for a descriptor, written by a thread of its own: a terminal that was stopped or a pipe
/// that nobody reads holds that thread up, and not who has something to say.
///
/// What waits is bounded; lines beyond are left out, and so are those that could not be written, as
/// on a full disk. How many is said in their place, as soon as that can be written.
package final class LineOutput: Sendable {
  private struct Line {
    let bytes: [UInt8]
    /// How many lines are left out when it is.
    var weight = 1
  }

  private struct State {
    var lines: [Line] = []
    /// Lines that the thread has taken and has not written yet.
    var underway = 0
    var leftOut = 0
    var isWriting = false
    /// The last write failed: what was left out is said with the next line.
    var hasFailed = false
    /// It failed within a line, which has to end before the next one.
    var isCut = false
  }

  /// Starts a thread; false when there is none to be had.
  package typealias ThreadMaker = @Sendable (@escaping @Sendable () -> Void) -> Bool

  private let descriptor: Int32
  private let linesMax: Int
  private let startThread: ThreadMaker
  private let notice: @Sendable (Int) -> [UInt8]
  private let onFailure: @Sendable (Int32) -> Void
  private let state = Mutex(State())

  /// Writes to a descriptor that stays open; `linesMax` lines wait at most.
  ///
  /// `notice`: the line that stands for so many that were left out. `onFailure` is called with the
  /// error number when a write fails, once until one succeeds, on the writing thread.
  package init(
    _ descriptor: Int32, linesMax: Int,
    startThread: @escaping ThreadMaker = { body in SystemThread.start(nil, body) },
    onFailure: @escaping @Sendable (_ number: Int32) -> Void = { _ in },
    notice: @escaping @Sendable (_ lines: Int) -> [UInt8]
  ) {
    self.descriptor = descriptor
    self.startThread = startThread
    self.linesMax = linesMax
    self.onFailure = onFailure
    self.notice = notice
  }

  /// Has a line written, with its line feed, unless too many wait.
  package func write(_ line: [UInt8]) {
    let startsThread = state.withLock { state in
      if state.lines.count + state.underway < linesMax {
        noteLeftOut(&state)
        state.lines.append(Line(bytes: line))
      } else {
        state.leftOut += 1
      }
      // Also by a line that is left out: there may have been no thread for those before it.
      defer { state.isWriting = true }
      return !state.isWriting
    }
    guard startsThread else { return }
    let isStarted = startThread { [self] in
      while let (lines, isCut) = next() { write(lines, afterCut: isCut) }
    }
    if !isStarted { state.withLock { $0.isWriting = false } }
  }

  /// Whether all that was to be written has been, or could not be.
  package var isDone: Bool { state.withLock { !$0.isWriting && $0.lines.isEmpty } }

  /// Waits a moment for what was not written yet.
  package func finish() {
    for _ in 0..<100 where !isDone { SystemThread.sleep(milliseconds: 5) }
  }

  /// All that waits, for one system call, and whether a line before it is cut; nil: nothing does.
  private func next() -> (lines: [Line], isCut: Bool)? {
    state.withLock { state in
      // Where the disk is full the notice would be refused again and again.
      if !state.hasFailed { noteLeftOut(&state) }
      state.underway = state.lines.count
      guard !state.lines.isEmpty else {
        state.isWriting = false
        return nil
      }
      defer { state.lines = [] }
      return (state.lines, state.isCut)
    }
  }

  private func noteLeftOut(_ state: inout State) {
    guard state.leftOut > 0 else { return }
    state.lines.append(Line(bytes: notice(state.leftOut), weight: state.leftOut))
    state.leftOut = 0
  }

  private func write(_ lines: [Line], afterCut isCut: Bool) {
    let head = isCut ? [UInt8(ascii: "\n")] : []
    let (written, number) = writeAll(head + lines.flatMap(\.bytes))
    var left = max(0, written - head.count)
    var lost = lines[...]
    while let line = lost.first, left >= line.bytes.count {
      left -= line.bytes.count
      lost.removeFirst()
    }
    let isNews = state.withLock { state in
      defer { state.hasFailed = number != nil }
      state.isCut = number != nil && (left > 0 || isCut && written == 0)
      state.leftOut += lost.reduce(0) { $0 + $1.weight }
      return !state.hasFailed
    }
    if let number, isNews { onFailure(number) }
  }

  /// Returns how many bytes were written, and why no more.
  private func writeAll(_ bytes: [UInt8]) -> (written: Int, failure: Int32?) {
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
      guard count > 0 else { return (bytes.count - rest.count, count < 0 ? errno : EIO) }
      rest = rest.dropFirst(count)
    }
    return (bytes.count, nil)
  }
}
