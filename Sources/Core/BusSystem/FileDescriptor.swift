import Glibc

/// A file descriptor that closes itself when nobody holds it any more.
package final class FileDescriptor: Sendable {
  /// The number; owned by this object.
  package let number: Int32

  /// Takes over an open descriptor.
  package init(_ number: Int32) { self.number = number }

  deinit { close(number) }

  /// A second descriptor of the same file, which the caller owns; -1 when there is no room for one.
  package func duplicate() -> Int32 { fcntl(number, F_DUPFD_CLOEXEC, 0) }
}
