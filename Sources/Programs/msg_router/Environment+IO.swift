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

  /// Writes a line to standard output at once, also into a pipe.
  static func printNow(_ text: String) { write(text, to: STDOUT_FILENO) }

  /// Writes a line to standard error.
  static func complain(_ text: String) { write(text, to: STDERR_FILENO) }

  private static func write(_ text: String, to descriptor: Int32) {
    var rest = Array((text + "\n").utf8)[...]
    while !rest.isEmpty {
      let bytes = Array(rest)
      let written = unsafe Glibc.write(descriptor, bytes, bytes.count)
      if written < 0, errno == EINTR { continue }
      guard written > 0 else { return }
      rest = rest.dropFirst(written)
    }
  }
}
