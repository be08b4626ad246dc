import Glibc

/// Where a router is met: the directory that holds `router.sock` and `router.lock`.
public enum RunDirectory {
  /// The directory by the rules that all programs share.
  ///
  /// An explicit path (or `shm://PATH`), else `$BCS_DIR`, else `$XDG_RUNTIME_DIR/bcs`, else
  /// `/tmp/bcs-UID`.
  public static func resolve(_ address: String?) -> String {
    if let address {
      let scheme = "shm://"
      return address.hasPrefix(scheme) ? String(address.dropFirst(scheme.count)) : address
    }
    if let named = environment("BCS_DIR") { return named }
    if let runtime = environment("XDG_RUNTIME_DIR") { return "\(runtime)/bcs" }
    return "/tmp/bcs-\(getuid())"
  }

  /// The router's socket in a run directory.
  public static func socketPath(in directory: String) -> String { "\(directory)/router.sock" }
}
