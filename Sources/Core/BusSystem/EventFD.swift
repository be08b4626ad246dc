import CBusPlatform
import Glibc

/// An event counter of the kernel (eventfd) by which one thread ends another one's poll.
package final class EventFD: Sendable {
  /// The descriptor, readable from a signal until it is cleared.
  package let descriptor: FileDescriptor

  /// A counter that nobody has signalled.
  package init() throws(SystemError) {
    let number = plat_event()
    guard number >= 0 else { throw SystemError("eventfd", -number) }
    descriptor = FileDescriptor(number)
  }

  /// Makes the descriptor readable.
  package func signal() { plat_event_raise(descriptor.number) }

  /// Takes back every signal so far.
  package func clear() { plat_event_clear(descriptor.number) }

  /// Waits for a signal, which is cleared, or for the socket; true when the socket has something,
  /// has room (`writable`), or has ended.
  ///
  /// `milliseconds`: -1 waits for ever.
  package func wait(
    orSocket socket: FileDescriptor?, writable: Bool, milliseconds: Int32
  ) -> Bool {
    let wanted = Int16(POLLIN) | (writable ? Int16(POLLOUT) : 0)
    var watched = [
      pollfd(fd: descriptor.number, events: Int16(POLLIN), revents: 0),
      pollfd(fd: socket?.number ?? -1, events: wanted, revents: 0),
    ]
    _ = unsafe poll(&watched, nfds_t(watched.count), milliseconds)
    if watched[0].revents != 0 { clear() }
    return watched[1].revents != 0
  }
}
