import BinaryComm
import BusSystem
import BusText
import Glibc

/// Standard output was closed by whoever read it.
struct BrokenPipe: Error {}

/// Writing to standard output and standard error, past any buffer.
enum Output {
  /// How long a command that was asked to end waits for whoever reads what it prints.
  static let lastWait = Duration.milliseconds(500)

  /// Writes text to standard output, or to another descriptor.
  static func write(_ text: TerminalText, to descriptor: Int32 = 1) throws {
    try write(Array(text.utf8), to: descriptor)
  }

  /// Writes bytes as they are: payloads that the user wants raw, and what was made harmless.
  ///
  /// - Throws: `BrokenPipe` when nobody reads any more, `Interrupted` when a signal asked to end
  ///   and nobody reads now, `Failure` when the system refuses.
  static func write(_ bytes: [UInt8], to descriptor: Int32 = 1) throws {
    try unsafe bytes.withUnsafeBytes { all in try unsafe write(all, descriptor) }
  }

  /// Writes the bytes of a blob to standard output, from where they are.
  static func write(_ blob: Blob) throws {
    try unsafe blob.bytes.withUnsafeBytes { all in try unsafe write(all, 1) }
  }

  private static func write(_ all: UnsafeRawBufferPointer, _ descriptor: Int32) throws {
    var done = 0
    var limit: Deadline?
    while done < all.count {
      guard let base = all.baseAddress else { return }
      if Interrupt.isAsked {
        let end = limit ?? Deadline(after: lastWait)
        if end.isOver { throw Interrupted() }
        limit = end
      }
      let (count, code) = Interrupt.waiting {
        unsafe Glibc.write(descriptor, base + done, all.count - done)
      }
      if count < 0 && code == EINTR { continue }
      if count < 0 && code == EAGAIN {
        waitUntilWritable(descriptor)
        continue
      }
      if count < 0 && code == EPIPE { throw BrokenPipe() }
      guard count > 0 else {
        throw Failure(
          "Writing the output failed: \(Errno.text(code)).",
          remedy: "Check the disk or the program behind the pipe.", name: "SYSTEM")
      }
      done += count
    }
  }

  /// Writes one line to standard error; that nobody reads it is no failure.
  static func note(_ line: TerminalText) {
    if !Reports.takes(line) { try? write("\(line)\n", to: 2) }
  }

  private static func waitUntilWritable(_ descriptor: Int32) {
    var watch = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
    _ = unsafe poll(&watch, 1, 200)
  }
}

/// What the terminal is like.
enum Terminal {
  /// Whether a descriptor is a terminal.
  static func isTerminal(_ descriptor: Int32) -> Bool { isatty(descriptor) == 1 }

  /// Whether it is a terminal, and this process is one of those that it works for now.
  static func isForeground(_ descriptor: Int32) -> Bool { tcgetpgrp(descriptor) == getpgrp() }

  /// Whether colour makes sense there: a terminal that is not dumb, and `NO_COLOR` is not set.
  static func showsColour(_ descriptor: Int32) -> Bool {
    isTerminal(descriptor) && ProcessEnvironment.variable("NO_COLOR") == nil
      && ProcessEnvironment.variable("TERM") != "dumb"
  }

  /// Columns to fit a listing into: `COLUMNS` where it is set, else those of the terminal on
  /// standard output; nil when it is none.
  static var width: Int? {
    if let columns = ProcessEnvironment.variable("COLUMNS").flatMap({ Int($0) }), columns > 0 {
      return columns
    }
    guard isTerminal(1) else { return nil }
    var size = winsize()
    guard unsafe ioctl(1, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
    return Int(size.ws_col)
  }
}
