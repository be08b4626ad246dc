import CBusPlatform
import Glibc

/// Calls of the event loop that are its own: it waits in a `Dispatcher`.
enum Kernel {
  /// A descriptor that is held only to be given up when there are no others; -1: none.
  static func openSpare() -> Int32 { unsafe open("/dev/null", O_RDONLY | O_CLOEXEC) }

  /// An empty memory file, or -errno.
  static func memoryFile() -> Int32 { unsafe plat_memfd("bcs-kind") }

  /// Bounds what may lie in a socket and not be read, in bytes as the kernel counts them.
  static func bound(_ socket: Int32, bytes: Int32) {
    var room = bytes
    _ = unsafe setsockopt(
      socket, SOL_SOCKET, SO_SNDBUF, &room, socklen_t(MemoryLayout<Int32>.size))
  }

  /// Whether all that was sent over a socket has been read, or can be read by nobody any more.
  static func isRead(_ socket: Int32) -> Bool { plat_unread_bytes(socket) <= 0 }
}
