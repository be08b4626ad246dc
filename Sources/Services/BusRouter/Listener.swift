import BusSystem
import Glibc

/// The control socket that agents connect to.
struct Listener: ~Copyable {
  let descriptor: Int32
  private let path: String
  private let mark: PathMark?

  /// Binds the socket with its final mode from the first moment on; replaces a left-over one, but
  /// none at which somebody answers: a lock file can be removed, a living router cannot.
  init(_ path: String, openToOtherUsers: Bool) throws(RouterFailure) {
    if case .process(let pid) = SocketLife.look(path) {
      throw RouterFailure(
        "\(pid > 0 ? "Process \(pid)" : "Another process") answers at \(path), as the router of "
          + "this directory: use it, end it, or start this one with another --dir.")
    }
    let socket = RecordSocket.make(nonblocking: true)
    guard socket >= 0 else { throw .system("socket", -socket) }
    unsafe unlink(path)
    // No other thread of this process creates files under this mask.
    let former = umask(openToOtherUsers ? 0o111 : 0o177)
    let reason = -RecordSocket.bind(socket, to: path)
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
    mark = PathMark(path)
    descriptor = socket
  }

  deinit { close(descriptor) }

  /// Whether agents that look at the path find this socket.
  var isInPlace: Bool { mark != nil && PathMark(path) == mark }

  /// Removes the socket's name, unless another one lies there by now.
  borrowing func remove() { mark?.remove(path) }
}
