import BusSystem
import CBusPlatform
import Glibc

/// Which file lies at a path, so that it is known again.
struct PathMark: Equatable {
  private let device: dev_t
  private let inode: ino_t

  /// What lies there now; nil: nothing.
  init?(_ path: String) {
    var status = stat()
    guard unsafe lstat(path, &status) == 0 else { return nil }
    (device, inode) = (status.st_dev, status.st_ino)
  }

  /// The file behind a descriptor.
  init?(of descriptor: Int32) {
    var status = stat()
    guard unsafe fstat(descriptor, &status) == 0 else { return nil }
    (device, inode) = (status.st_dev, status.st_ino)
  }

  /// Removes the file if it still lies there.
  func remove(_ path: String) {
    if PathMark(path) == self { unsafe unlink(path) }
  }
}

/// Who answers at a socket.
enum SocketLife: Equatable {
  /// Nobody: no file, or one that its process has left behind.
  case none
  /// This process listens there.
  case process(Int32)

  /// Connects, as an agent would, and hangs up again.
  static func look(_ path: String) -> SocketLife {
    let socket = RecordSocket.make(nonblocking: true)
    guard socket >= 0 else { return .none }
    defer { close(socket) }
    let result = RecordSocket.connect(socket, to: path)
    // Its queue is full: somebody listens, whoever it is.
    if result == -EAGAIN { return .process(0) }
    guard result == 0 else { return .none }
    var (pid, uid, gid): (pid_t, uid_t, gid_t) = (0, 0, 0)
    guard unsafe plat_peer_credentials(socket, &pid, &uid, &gid) == 0 else { return .process(0) }
    return .process(pid)
  }
}
