import BinaryComm
import BusSystem
import BusWire
import Glibc

/// What lies where a router is met.
struct RunDirectoryState {
  enum Finding: Equatable {
    /// There is nothing there yet; a router makes it.
    case absent
    /// It is ours, and others are kept out.
    case ours
    /// What is wrong, and what to do.
    case wrong(String, remedy: String)
  }

  let path: String
  let directory: Finding
  let hasSocket: Bool

  /// Looks at a run directory; one of the trusted user is as good as one of our own.
  init(_ path: String, trusting user: UInt32?) {
    self.path = path
    directory = Self.judge(path, trusting: user)
    hasSocket = unsafe access(RunDirectory.socketPath(in: path), F_OK) == 0
  }

  /// Why no router can be met at a path, whoever starts one; nil: one can, or can be started there.
  static func obstacle(_ path: String) -> String? {
    var facts = stat()
    guard unsafe stat(path, &facts) == 0 else {
      return errno == ENOENT ? nil : Errno.text(errno)
    }
    return facts.st_mode & S_IFMT == S_IFDIR ? nil : "it is no directory"
  }

  private static func judge(_ path: String, trusting user: UInt32?) -> Finding {
    var facts = stat()
    guard unsafe lstat(path, &facts) == 0 else {
      if errno == ENOENT { return .absent }
      return .wrong(
        "it cannot be looked at (\(Errno.text(errno)))",
        remedy: "Check the permissions of its parents, or name another with --dir.")
    }
    guard facts.st_mode & S_IFMT == S_IFDIR else {
      return .wrong("it is no directory", remedy: "Remove it, or name another with --dir.")
    }
    guard facts.st_uid == geteuid() || facts.st_uid == 0 || facts.st_uid == user else {
      return .wrong(
        "it belongs to user \(facts.st_uid)",
        remedy: "Give --router-user \(facts.st_uid) if you trust that user, or name another with "
          + "--dir.")
    }
    guard facts.st_uid == geteuid() || facts.st_mode & 0o011 != 0 || geteuid() == 0 else {
      return .wrong(
        "it belongs to user \(facts.st_uid), who keeps you out",
        remedy: "Have the router's policy name you, or name another with --dir.")
    }
    guard RunDirectoryRule.isClosed(mode: facts.st_mode) else {
      return .wrong(
        "it is open to other users (mode \(String(facts.st_mode & 0o777, radix: 8)))",
        remedy: "Run `chmod 700 \(path)`.")
    }
    return .ours
  }
}
