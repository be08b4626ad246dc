import CBusPlatform
import Glibc
import Synchronization

/// A gate that opens once, and that threads of this process may wait at.
@safe
package final class Latch: Sendable {
  nonisolated(unsafe) private let word: UnsafeMutablePointer<Atomic<UInt32>>

  /// A closed latch.
  package init() {
    unsafe word = .allocate(capacity: 1)
    unsafe word.initialize(to: Atomic(0))
  }

  deinit {
    unsafe word.deinitialize(count: 1)
    unsafe word.deallocate()
  }

  /// Whether it is open.
  package var isOpen: Bool { unsafe word.pointee.load(ordering: .acquiring) != 0 }

  /// Lets everybody through from now on.
  package func open() {
    unsafe word.pointee.store(1, ordering: .releasing)
    _ = unsafe plat_futex_wake(word, .max)
  }

  /// Waits until it is open; false when the time on `CLOCK_MONOTONIC` came first.
  package func wait(deadlineNs: UInt64) -> Bool {
    while !isOpen {
      var time = timespec()
      unsafe clock_gettime(CLOCK_MONOTONIC, &time)
      let now = UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
      guard now < deadlineNs else { return false }
      _ = unsafe plat_futex_wait(word, 0, deadlineNs - now)
    }
    return true
  }
}
