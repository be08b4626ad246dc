import Glibc
import Testing

/// A pipe with a name that holds a page and that nobody reads until it is asked to.
package final class StoppedPipe {
  package let path: String
  private let descriptor: Int32

  package init(_ path: String) throws {
    self.path = path
    try #require(unsafe mkfifo(path, 0o600) == 0)
    descriptor = unsafe open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC)
    let setSize: Int32 = 1031
    try #require(descriptor >= 0 && fcntl(descriptor, setSize, 4096) >= 4096)
  }

  deinit { close(descriptor) }

  /// What lies in the pipe.
  package func read() -> String {
    var room = [UInt8](repeating: 0, count: 65536)
    let count = unsafe Glibc.read(descriptor, &room, room.count)
    return String(decoding: room.prefix(max(0, count)), as: UTF8.self)
  }

  /// How many bytes lie in it.
  package var bytes: Int {
    var count: Int32 = 0
    return unsafe ioctl(descriptor, UInt(FIONREAD), &count) == 0 ? Int(count) : 0
  }
}
