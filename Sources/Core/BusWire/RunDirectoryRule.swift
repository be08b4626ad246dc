/// Where a run directory lies and who may touch it: one rule for routers and agents.
public enum RunDirectoryRule {
  /// The option, else `BCS_DIR`, else `XDG_RUNTIME_DIR/bcs`, else `/tmp/bcs-UID`.
  ///
  /// What is empty counts as absent, and a relative `XDG_RUNTIME_DIR` too, as the base directory
  /// specification asks.
  public static func path(
    option: String?, environment: [String: String], uid: UInt32
  ) -> String {
    if let option, !option.isEmpty { return option }
    if let named = environment["BCS_DIR"], !named.isEmpty { return named }
    if let runtime = environment["XDG_RUNTIME_DIR"], runtime.hasPrefix("/") {
      return "\(runtime)/bcs"
    }
    return "/tmp/bcs-\(uid)"
  }

  /// The environment variables that ``path(option:environment:uid:)`` looks at.
  public static let variables = ["BCS_DIR", "XDG_RUNTIME_DIR"]

  /// Whether nobody but the owner (and root) can put a socket of his own into such a directory.
  public static func isWritableByOwnerOnly(mode: UInt32) -> Bool { mode & 0o022 == 0 }

  /// Whether a run directory with these permission bits keeps other users out of its files.
  ///
  /// Others may do nothing, or only pass through (0711), as where a policy names other users.
  public static func isClosed(mode: UInt32) -> Bool {
    mode & 0o077 == 0 || mode & 0o077 == 0o011
  }
}
