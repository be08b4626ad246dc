public import BusAccess

/// Reads a policy from YAML; `Docs/operating/policy.md` describes the format.
public enum PolicyFile {
  /// Most bytes of a policy file.
  public static let bytesMax = 1 << 20

  /// The policy that is in force, and the file it came from.
  ///
  /// - Parameters:
  ///   - explicit: the file named on the command line; has to exist.
  ///   - environment: where `XDG_CONFIG_HOME` and `HOME` are looked up.
  ///   - ownUID: the router's user, who may do everything when there is no file.
  /// - Returns: the file is nil when there is none and one user may do everything.
  /// - Throws: `PolicyFileError`; a file that is there but cannot be used never counts as none.
  public static func inForce(
    explicit: String?, environment: [String: String], ownUID: UInt32
  ) throws(PolicyFileError) -> (policy: Policy, file: String?) {
    guard let file = locate(explicit: explicit, environment: environment) else {
      return (Policy.sameUser(ownUID), nil)
    }
    return (try load(file), file)
  }

  /// The path of the policy file, nil when there is none.
  ///
  /// - Parameters:
  ///   - explicit: the file named on the command line.
  ///   - environment: where `XDG_CONFIG_HOME` and `HOME` are looked up.
  /// - Returns: the explicit file whether it exists or not, else
  ///   `$XDG_CONFIG_HOME/bcs/policy.yaml` or `$HOME/.config/bcs/policy.yaml` if it is there.
  public static func locate(explicit: String?, environment: [String: String]) -> String? {
    if let explicit { return explicit }
    let folder: String
    // The base directory specification has relative paths ignored.
    if let config = environment["XDG_CONFIG_HOME"], config.hasPrefix("/") {
      folder = config
    } else if let home = environment["HOME"], home.hasPrefix("/") {
      folder = home + "/.config"
    } else {
      return nil
    }
    let path = folder + "/bcs/policy.yaml"
    return SystemCalls.mayExist(path) ? path : nil
  }

  /// Reads a policy file.
  ///
  /// - Parameters:
  ///   - path: a regular file of at most `bytesMax` bytes, owned by root or this process's user
  ///     and writable by nobody else.
  ///   - users: number of a user name; by default this host's user database.
  /// - Returns: the policy of the file.
  /// - Throws: `PolicyFileError` with the first thing that is wrong.
  public static func load(
    _ path: String, users: @escaping (String) -> UInt32? = PolicyFile.uid
  ) throws(PolicyFileError) -> Policy {
    let bytes = try read(path)
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw PolicyFileError(file: path, .notUTF8)
    }
    return try parse(text, file: path, users: users)
  }

  /// Reads a policy from text.
  ///
  /// - Parameters:
  ///   - text: YAML.
  ///   - file: what errors call the text.
  ///   - users: number of a user name; by default this host's user database.
  /// - Returns: the policy of the text.
  /// - Throws: `PolicyFileError` with the first thing that is wrong.
  public static func parse(
    _ text: String, file: String, users: @escaping (String) -> UInt32? = PolicyFile.uid
  ) throws(PolicyFileError) -> Policy {
    guard text.utf8.count <= bytesMax else { throw PolicyFileError(file: file, .tooLarge) }
    let root = try YAMLValue.root(of: text, file: file)
    return try PolicyReader(users: users).policy(root)
  }

  /// The number of a user this host knows by name; nil when it does not.
  public static func uid(of name: String) -> UInt32? {
    SystemCalls.uid(of: name)
  }

  private static func read(_ path: String) throws(PolicyFileError) -> [UInt8] {
    let descriptor = SystemCalls.open(path)
    guard descriptor >= 0 else {
      throw PolicyFileError(file: path, .unreadable(code: -descriptor))
    }
    defer { SystemCalls.close(descriptor) }
    // The open file is judged, not the path, which could be another file a moment later.
    guard let facts = SystemCalls.facts(of: descriptor), facts.isRegular else {
      throw PolicyFileError(file: path, .notAFile)
    }
    guard facts.mode & 0o022 == 0 else {
      throw PolicyFileError(file: path, .writableByOthers(mode: facts.mode))
    }
    guard facts.owner == 0 || facts.owner == SystemCalls.userID else {
      throw PolicyFileError(file: path, .foreignOwner(uid: facts.owner))
    }
    guard let bytes = SystemCalls.read(descriptor, limit: bytesMax + 1) else {
      throw PolicyFileError(file: path, .unreadable(code: SystemCalls.lastError))
    }
    guard bytes.count <= bytesMax else { throw PolicyFileError(file: path, .tooLarge) }
    return bytes
  }
}
