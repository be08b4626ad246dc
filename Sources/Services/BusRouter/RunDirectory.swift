import BusSystem
import BusWire
import Glibc

/// The directory where agents find the router: `router.sock` and `router.lock`, nothing else; the
/// latter stays when the router ends.
///
/// It belongs to one user and nobody else may write or list it. While a policy gives names to
/// other users they may pass through (0711) to a socket anybody may connect to (0666): whom they
/// are the kernel tells, and what they may the policy. They can neither list the directory, nor
/// replace the socket, nor read the lock file (0600) with the ticket key.
struct RunDirectory {
  let path: String

  var socketPath: String { "\(path)/router.sock" }
  var lockPath: String { "\(path)/router.lock" }

  /// Makes the directory, or checks that it is ours alone.
  init(_ path: String, openToOtherUsers: Bool) throws(RouterFailure) {
    self.path = path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
    guard socketPath.utf8.count < 108 else {
      throw RouterFailure(
        "The path \(socketPath) is longer than a Unix socket's name may be (107 bytes): "
          + "choose a shorter --dir.", exitCode: 64)
    }
    if unsafe mkdir(self.path, 0o700) != 0, errno != EEXIST {
      throw RouterFailure(
        "Cannot make the run directory \(self.path): \(Errno.text(errno)). "
          + "Make its parent, or name another with --dir or BCS_DIR.")
    }
    let directory = unsafe open(self.path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
    guard directory >= 0 else { throw Self.notADirectory(self.path, errno) }
    defer { close(directory) }
    try Self.check(directory, self.path)
    let mode: mode_t = openToOtherUsers ? 0o711 : 0o700
    guard fchmod(directory, mode) == 0 else { throw .system("fchmod of \(self.path)", errno) }
  }

  private static func notADirectory(_ path: String, _ reason: Int32) -> RouterFailure {
    // O_NOFOLLOW with O_DIRECTORY says ENOTDIR for a symlink, too.
    guard reason == ENOTDIR || reason == ELOOP else {
      return .system("Opening the run directory \(path)", reason)
    }
    return RouterFailure(
      "The run directory \(path) is a symbolic link or no directory: "
        + "remove it, or name the real directory with --dir.")
  }

  private static func check(_ directory: Int32, _ path: String) throws(RouterFailure) {
    var status = stat()
    guard unsafe fstat(directory, &status) == 0 else { throw .system("fstat of \(path)", errno) }
    guard status.st_uid == geteuid() else {
      throw RouterFailure(
        "The run directory \(path) belongs to user \(status.st_uid), not to \(geteuid()): "
          + "name a directory of your own with --dir or BCS_DIR.")
    }
    guard RunDirectoryRule.isClosed(mode: status.st_mode) else {
      let mode = String(status.st_mode & 0o777, radix: 8)
      throw RouterFailure(
        "The run directory \(path) is open to other users (mode \(mode)): "
          + "run `chmod 700 \(path)`, or name another directory with --dir.")
    }
  }
}
