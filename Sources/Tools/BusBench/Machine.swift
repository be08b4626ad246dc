import BusSystem
import BusText
import CBusPlatform
import Glibc

/// What this process runs on.
enum Machine {
  /// The CPUs this process may use, lowest first.
  static var allowedCPUs: [Int32] {
    var cpus = [Int32](repeating: 0, count: 1024)
    let count = unsafe plat_allowed_cpus(&cpus, Int32(cpus.count))
    return Array(cpus.prefix(max(0, Int(count))))
  }

  /// Pins the calling thread; false when the kernel refuses.
  static func pin(to cpu: Int32) -> Bool { plat_pin(cpu) == 0 }

  /// True when counter readings of different processes can be compared.
  static var hasConstantCounter: Bool { plat_ticks_constant() == 1 }

  /// The path of the running program; nil when it was removed or replaced.
  static var executable: String? {
    ProcessEnvironment.programPath.flatMap { unsafe access($0, X_OK) == 0 ? $0 : nil }
  }

  /// This process.
  static var pid: Int32 { getpid() }

  /// True when somebody listens on the socket.
  static func answers(_ path: String) -> Bool {
    let socket = RecordSocket.make(nonblocking: true)
    guard socket >= 0 else { return false }
    defer { close(socket) }
    let result = RecordSocket.connect(socket, to: path)
    // A full queue is somebody's, too.
    return result == 0 || result == -EAGAIN
  }

  /// True when standard error is a terminal.
  static var showsProgress: Bool { isatty(2) == 1 }

  /// Writes a line to standard error.
  static func say(_ line: TerminalText) { writeAll("\(line)\n", to: 2) }

  /// Writes a piece of a line to standard error.
  static func mark(_ text: TerminalText) { writeAll(text.description, to: 2) }
}

extension Machine {
  /// Writes a result to standard output; that its reader has had enough is no failure.
  static func show(_ text: TerminalText) throws(BenchError) {
    guard !writeAll("\(text)\n", to: 1), errno != EPIPE else { return }
    throw .system("writing the results", error: errno)
  }
}

/// Writes all of a text; false, with the reason in `errno`, when the system refuses.
@discardableResult
func writeAll(_ text: String, to descriptor: Int32) -> Bool {
  let reason = FileDescriptor.writeAll(Array(text.utf8), to: descriptor)
  errno = reason
  return reason == 0
}
