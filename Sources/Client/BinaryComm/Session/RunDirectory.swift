import BusSystem
import BusWire
import Glibc

/// Where a router is met: the directory that holds `router.sock` and `router.lock`.
public enum RunDirectory {
  /// The directory by the rules that all programs share.
  ///
  /// An explicit path (or `shm://PATH`), else `$BCS_DIR`, else `$XDG_RUNTIME_DIR/bcs`, else
  /// `/tmp/bcs-UID`; what is empty counts as absent.
  public static func resolve(_ address: String?) -> String {
    let scheme = "shm://"
    let option = address.map { $0.hasPrefix(scheme) ? String($0.dropFirst(scheme.count)) : $0 }
    var variables: [String: String] = [:]
    for name in RunDirectoryRule.variables { variables[name] = ProcessEnvironment.variable(name) }
    return RunDirectoryRule.path(option: option, environment: variables, uid: geteuid())
  }

  /// The router's socket in a run directory.
  public static func socketPath(in directory: String) -> String { "\(directory)/router.sock" }
}
