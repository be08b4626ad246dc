import Glibc

/// The control socket that agents connect to.
struct Listener: ~Copyable {
  let descriptor: Int32
  private let path: String

  /// Binds the socket with its final mode from the first moment on; replaces a left-over one,
  /// which the holder of the directory's lock may do.
  init(_ path: String, openToOtherUsers: Bool) throws(RouterFailure) {
    let kind = Int32(SOCK_SEQPACKET.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
    let socket = Glibc.socket(AF_UNIX, kind | Int32(SOCK_NONBLOCK.rawValue), 0)
    guard socket >= 0 else { throw .system("socket", errno) }
    unsafe unlink(path)
    // Nothing else runs in this process yet that could create a file under this mask.
    let former = umask(openToOtherUsers ? 0o111 : 0o177)
    let reason = Self.bind(socket, path)
    umask(former)
    guard reason == 0 else {
      close(socket)
      throw .system(
        "Binding \(path)", reason, hint: "Remove what lies there, or name another --dir.")
    }
    guard listen(socket, 512) == 0 else {
      let reason = errno
      close(socket)
      throw .system("listen on \(path)", reason)
    }
    self.path = path
    descriptor = socket
  }

  deinit { close(descriptor) }

  /// Removes the socket's name.
  borrowing func remove() { unsafe unlink(path) }

  /// Returns 0 or the error number.
  private static func bind(_ socket: Int32, _ path: String) -> Int32 {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    unsafe withUnsafeMutableBytes(of: &address.sun_path) { room in
      // The length was checked with the directory; the rest stays zero.
      for (place, byte) in path.utf8.enumerated() where place < room.count - 1 {
        unsafe room[place] = byte
      }
    }
    let size = socklen_t(MemoryLayout<sockaddr_un>.size)
    let result = unsafe withUnsafePointer(to: &address) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
        unsafe Glibc.bind(socket, generic, size)
      }
    }
    return result == 0 ? 0 : errno
  }
}
