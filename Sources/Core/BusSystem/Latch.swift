import CBusPlatform
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

  /// Waits until it is open; false when the deadline came first.
  package func wait(_ deadline: Deadline) -> Bool {
    while !isOpen {
      let left = deadline.leftNs
      guard left > 0 else { return false }
      _ = unsafe plat_futex_wait(word, 0, left)
    }
    return true
  }
}
