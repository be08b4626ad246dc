public import BusPorts
import CEpoll
import Glibc

/// Readiness as Linux tells it by epoll, level-triggered.
///
/// Safe: of the kernel's events, which could hold pointers, only keys and bits are used.
@safe
public final class EpollDispatcher: Dispatcher {
  private let epoll: Int32
  /// Where the kernel writes: as many as the longest list so far.
  private var events: [epoll_event] = unsafe []

  /// A dispatcher that watches nothing yet.
  public init() throws(DispatcherError) {
    let made = epoll_create1(Int32(EPOLL_CLOEXEC))
    guard made >= 0 else { throw DispatcherError("epoll_create1", errno) }
    epoll = made
  }

  deinit { close(epoll) }

  /// Watches an open descriptor from now on.
  public func watch(
    _ descriptor: Int32, as key: WatchKey, for interest: Interest
  ) throws(DispatcherError) {
    try control(EPOLL_CTL_ADD, descriptor, key, interest)
  }

  /// Changes what a watched descriptor is watched for, and what it is called.
  public func change(
    _ descriptor: Int32, as key: WatchKey, to interest: Interest
  ) throws(DispatcherError) {
    try control(EPOLL_CTL_MOD, descriptor, key, interest)
  }

  /// Ends the watch of a descriptor: no later wait tells of it.
  public func stop(_ descriptor: Int32) throws(DispatcherError) {
    try control(EPOLL_CTL_DEL, descriptor, WatchKey(0), [])
  }

  private func control(
    _ operation: Int32, _ descriptor: Int32, _ key: WatchKey, _ interest: Interest
  ) throws(DispatcherError) {
    var event = unsafe epoll_event()
    unsafe event.data.u64 = key.value
    if interest.contains(.reading) { unsafe event.events |= EPOLLIN.rawValue }
    if interest.contains(.writing) { unsafe event.events |= EPOLLOUT.rawValue }
    guard unsafe epoll_ctl(epoll, operation, descriptor, &event) == 0 else {
      throw DispatcherError("epoll_ctl", errno)
    }
  }

  /// Waits until a watched descriptor is ready, and writes those that are into the list.
  public func wait(
    into ready: inout [ReadyDescriptor], timeoutMs: Int32
  ) throws(DispatcherError) -> Int {
    precondition(!ready.isEmpty, "A wait needs room for one descriptor at least.")
    if unsafe events.count < ready.count {
      unsafe events = [epoll_event](repeating: epoll_event(), count: ready.count)
    }
    var count: Int32
    repeat {
      count = unsafe epoll_wait(epoll, &events, Int32(ready.count), timeoutMs)
    } while count < 0 && errno == EINTR
    guard count >= 0 else { throw DispatcherError("epoll_wait", errno) }
    for place in 0..<Int(count) { ready[place] = unsafe ReadyDescriptor(events[place]) }
    return Int(count)
  }
}

extension ReadyDescriptor {
  fileprivate init(_ event: epoll_event) {
    let bits = unsafe event.events
    self.init(
      unsafe WatchKey(event.data.u64), canRead: bits & EPOLLIN.rawValue != 0,
      canWrite: bits & EPOLLOUT.rawValue != 0,
      hasHungUp: bits & (EPOLLHUP.rawValue | EPOLLERR.rawValue) != 0)
  }
}

extension DispatcherError {
  /// A call that failed with a number of `errno`.
  fileprivate init(_ call: String, _ number: Int32) {
    let reason: Reason =
      switch number {
      case EBADF: .notOpen
      case EEXIST: .alreadyWatched
      case ENOENT: .notWatched
      case EPERM: .alwaysReady
      case ENOSPC, ENOMEM, EMFILE, ENFILE: .outOfRoom
      default: .other
      }
    self.init(reason, call: call, number: number)
  }
}
