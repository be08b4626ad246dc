import BusMemory
import CBusPlatform

/// A flag that is raised once, and that threads of this process may sleep on.
@safe
final class Signal: Sendable {
  private let word: OwnedWord32
  nonisolated(unsafe) private let storage: UnsafeMutableRawPointer

  init() {
    unsafe storage = UnsafeMutableRawPointer.allocate(byteCount: 4, alignment: 4)
    unsafe storage.initializeMemory(as: UInt32.self, to: 0)
    word = unsafe OwnedWord32(at: storage)
  }

  deinit { unsafe storage.deallocate() }

  func raise() {
    word.set(1)
    _ = unsafe plat_futex_wake(word.address, .max)
  }

  /// True when it was raised before the deadline (monotonic ns).
  func wait(deadlineNs: UInt64) -> Bool {
    while word.loadAcquire() == 0 {
      let now = HostClock.monotonicNs()
      guard now < deadlineNs else { return false }
      _ = unsafe plat_futex_wait(word.address, 0, deadlineNs - now)
    }
    return true
  }
}

/// Sleeps until the word, of this process, has another value than the one seen.
func sleep(on word: HeapWord, seen: UInt64) {
  let low = UInt32(truncatingIfNeeded: seen)
  _ = unsafe plat_futex_wait(word.word.address, low, 60_000_000_000)
}

/// Wakes the threads of this process that sleep on the word.
func wake(_ word: HeapWord) { _ = unsafe plat_futex_wake(word.word.address, .max) }
