/// What went wrong with a child process.
public enum ChildError: Error, Equatable, CustomStringConvertible {
  /// No executable of this name in any of the places.
  case noProgram(String, searched: [String])
  /// A system call failed with this errno.
  case system(String, Int32)
  /// The child did not end in time and was killed; what it had printed until then.
  case timedOut(String, stdout: String, stderr: String)
  /// The line did not come: the child ended or the time was over; what it had printed until then.
  case noLine(String, stdout: String, stderr: String)

  /// One text a developer can act on.
  public var description: String {
    switch self {
    case .noProgram(let name, let searched):
      "no program '\(name)' in \(searched.joined(separator: ", ")): run 'make build' first"
    case .system(let call, let error):
      "\(call) failed with errno \(error)"
    case .timedOut(let what, let stdout, let stderr):
      "'\(what)' did not end in time and was killed\n--- stdout\n\(stdout)\n--- stderr\n\(stderr)"
    case .noLine(let text, let stdout, let stderr):
      "no line with '\(text)'\n--- stdout\n\(stdout)\n--- stderr\n\(stderr)"
    }
  }
}

/// How a child ended.
public enum ChildExit: Sendable, Equatable {
  /// It returned this status, 0 to 255.
  case code(Int32)
  /// This signal killed it.
  case signal(Int32)
}

/// What a child left: how it ended and all it printed.
public struct ChildResult: Sendable {
  /// How it ended.
  public let exit: ChildExit
  /// All of its standard output.
  public let stdout: String
  /// All of its standard error.
  public let stderr: String

  /// True when it returned 0.
  public var succeeded: Bool { exit == .code(0) }
}

/// What a child reads on its standard input.
public enum ChildInput: Sendable {
  /// Nothing: /dev/null.
  case none
  /// These bytes, then the end.
  case bytes([UInt8])
  /// What the test sends with `Child.send`, until `Child.closeInput`.
  case pipe
}
