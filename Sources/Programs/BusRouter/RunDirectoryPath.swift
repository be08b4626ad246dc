/// Where the run directory lies when nobody says.
public enum RunDirectoryPath {
  /// The option, else `$BCS_DIR`, else `$XDG_RUNTIME_DIR/bcs`, else `/tmp/bcs-UID`.
  public static func resolve(
    option: String?, environment: [String: String], uid: UInt32
  ) -> String {
    if let option, !option.isEmpty { return option }
    if let named = environment["BCS_DIR"], !named.isEmpty { return named }
    // The base directory specification has relative paths ignored.
    if let runtime = environment["XDG_RUNTIME_DIR"], runtime.hasPrefix("/") {
      return runtime + "/bcs"
    }
    return "/tmp/bcs-\(uid)"
  }
}
