/// When a publisher tries again to wake a reader that says it sleeps and was not found asleep.
///
/// Such a reader is between its last look and its sleep, which takes no time; or it was stopped
/// there; or its word says what is not true. So the next commit tries again, and from then on each
/// vain try waits for twice as many bytes as the one before: a publisher pays for a word that never
/// changes with the logarithm of what it publishes, and a reader that was stopped is late by at
/// most as long as it stood.
package struct WakeBackoff {
  private var at: UInt64 = 0
  private var bytes: UInt64 = 0

  package init() {}

  /// Begins anew, at a first try that found nobody.
  package mutating func begin(committed: UInt64) { (at, bytes) = (committed, 0) }

  /// Whether the next try is due.
  package func isDue(committed: UInt64) -> Bool { committed &- at >= bytes }

  /// A try found nobody, either.
  package mutating func missed(committed: UInt64) {
    at = committed
    bytes = max(64, bytes < .max / 2 ? bytes * 2 : bytes)
  }
}
