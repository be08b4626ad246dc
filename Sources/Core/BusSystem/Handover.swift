import Synchronization

/// Carries one value that cannot be copied into a closure, which may run on another thread.
package final class Handover<Value: ~Copyable>: Sendable {
  private let value: Mutex<Value?>

  /// Holds the value until it is taken.
  package init(_ value: consuming sending Value) { self.value = Mutex(consume value) }

  /// The value, the first time; nil from then on.
  package func take() -> sending Value? { value.withLock { $0.take() } }
}
