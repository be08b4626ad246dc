import BusSystem
import Glibc

/// A program started by this one, and the pipes to it.
final class ChildProcess {
  /// The process id.
  let pid: Int32
  private var input: Int32
  private var output: Int32
  private var unread: [UInt8] = []
  private var knownEnd: ChildEnd?

  init(pid: Int32, input: Int32, output: Int32) {
    self.pid = pid
    self.input = input
    self.output = output
  }

  deinit {
    closeInput()
    closeOutput()
  }

  /// Writes to its standard input; a child that has ended is noticed elsewhere.
  func send(_ text: String) {
    if input >= 0 { writeAll(text, to: input) }
  }

  /// Ends its standard input.
  func closeInput() {
    if input >= 0 { close(input) }
    input = -1
  }

  private func closeOutput() {
    if output >= 0 { close(output) }
    output = -1
  }

  /// True until its standard output has ended.
  var isTalking: Bool { output >= 0 }

  /// The whole lines that are there, without waiting for more.
  func takeLines() -> [String] {
    readAvailable()
    var lines: [String] = []
    while let end = unread.firstIndex(of: 0x0A) {
      lines.append(String(decoding: unread[..<end], as: UTF8.self))
      unread.removeSubrange(...end)
    }
    return lines
  }

  /// Takes what it said, lines or not; how many bytes.
  func takeAll() -> Int {
    readAvailable()
    defer { unread = [] }
    return unread.count
  }

  private func readAvailable() {
    var room = [UInt8](repeating: 0, count: 65536)
    while output >= 0, Self.wait(for: [self], milliseconds: 0) {
      let count = unsafe read(output, &room, room.count)
      if count < 0 && errno == EINTR { continue }
      if count <= 0 {
        closeOutput()
      } else {
        unread += room[..<count]
      }
    }
  }

  /// Waits until one of them said something or ended; false when the time is over.
  static func wait(for children: [ChildProcess], milliseconds: Int32) -> Bool {
    var watched = children.filter(\.isTalking).map { child in
      pollfd(fd: child.output, events: Int16(POLLIN), revents: 0)
    }
    return unsafe poll(&watched, UInt(watched.count), milliseconds) > 0
  }

  /// True when this program's own standard input has ended; waits so long for that.
  static func inputHasEnded(within milliseconds: Int32) -> Bool {
    var watched = pollfd(fd: 0, events: Int16(POLLIN), revents: 0)
    guard unsafe poll(&watched, 1, milliseconds) > 0 else { return false }
    var byte: UInt8 = 0
    return unsafe read(0, &byte, 1) == 0
  }

  /// How it ended; nil while it runs.
  var end: ChildEnd? {
    if knownEnd == nil { knownEnd = ChildSupervisor.end(of: pid) }
    return knownEnd
  }

  /// Waits for its end, at most so long; nil when it still runs.
  func end(within seconds: Int) -> ChildEnd? {
    for _ in 0..<(seconds * 500) {
      if let end { return end }
      usleep(2000)
    }
    return nil
  }

  /// Asks it to end by closing its input and a signal, if any; kills it when it does not.
  @discardableResult
  func finish(signal: Int32? = nil, within seconds: Int = 5) -> ChildEnd? {
    closeInput()
    if let signal { ChildSupervisor.signal(pid, signal) }
    if let end = end(within: seconds) { return end }
    ChildSupervisor.signal(pid, SIGKILL)
    return end(within: 5)
  }
}
