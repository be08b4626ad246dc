import BusSystem
import BusText
import Glibc

/// The process's surroundings, without Foundation, whose loading would cost the start 20 ms.
enum Environment {
  /// The environment variables.
  static var ofThisProcess: [String: String] {
    var found: [String: String] = [:]
    for name in ["BCS_DIR", "BCS_FORBID", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "HOME"] {
      found[name] = ProcessEnvironment.variable(name)
    }
    return found
  }

  /// Writes a line to standard output at once, also into a pipe; says on standard error when nobody
  /// takes it.
  static func printNow(_ text: TerminalText) {
    let reason = write(text, to: STDOUT_FILENO)
    guard reason != 0 else { return }
    complain(
      "msg_router: Standard output cannot be written (\(Errno.text(reason))); the router runs all "
        + "the same.")
  }

  /// Writes a line to standard error.
  static func complain(_ text: TerminalText) { _ = write(text, to: STDERR_FILENO) }

  /// Returns 0 or the error number.
  private static func write(_ text: TerminalText, to descriptor: Int32) -> Int32 {
    FileDescriptor.writeAll(Array("\(text)\n".utf8), to: descriptor)
  }
}
