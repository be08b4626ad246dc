import BusText
import CBusPlatform
import Glibc

/// The process's surroundings, without Foundation, whose loading would cost the start 20 ms.
enum Environment {
  /// The environment variables.
  static var ofThisProcess: [String: String] {
    var found: [String: String] = [:]
    for name in ["BCS_DIR", "BCS_FORBID", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "HOME"] {
      if let value = unsafe getenv(name) { found[name] = unsafe String(cString: value) }
    }
    return found
  }

  /// Keeps the numbers of the standard descriptors, those that the parent closed too, from files.
  static func holdStandardDescriptors() { plat_hold_standard_descriptors() }

  /// Writes a line to standard output at once, also into a pipe; says on standard error when nobody
  /// takes it.
  static func printNow(_ text: TerminalText) {
    let reason = write(text, to: STDOUT_FILENO)
    guard reason != 0 else { return }
    let words = unsafe String(cString: strerror(reason))
    complain(
      "msg_router: Standard output cannot be written (\(words)); the router runs all the same.")
  }

  /// Writes a line to standard error.
  static func complain(_ text: TerminalText) { _ = write(text, to: STDERR_FILENO) }

  /// Returns 0 or the error number.
  private static func write(_ text: TerminalText, to descriptor: Int32) -> Int32 {
    var rest = Array("\(text)\n".utf8)[...]
    while !rest.isEmpty {
      let bytes = Array(rest)
      let written = unsafe Glibc.write(descriptor, bytes, bytes.count)
      if written < 0, errno == EINTR { continue }
      guard written > 0 else { return errno }
      rest = rest.dropFirst(written)
    }
    return 0
  }
}
