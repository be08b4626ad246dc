import BusMemory
import CBusPlatform

/// Sleeps until the word, of this process, has another value than the one seen.
func sleep(on word: LocalWord, seen: UInt64) {
  let low = UInt32(truncatingIfNeeded: seen)
  _ = unsafe plat_futex_wait(word.word.address, low, 60_000_000_000)
}

/// Wakes the threads of this process that sleep on the word.
func wake(_ word: LocalWord) { _ = unsafe plat_futex_wake(word.word.address, .max) }
