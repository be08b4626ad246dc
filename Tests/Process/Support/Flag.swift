import BusTestSupport
import Glibc
import Synchronization

/// Says to a thread of a test that it may go on.
package final class Flag: Sendable {
  private let raised = Atomic(false)

  package init() {}

  package func raise() { raised.store(true, ordering: .releasing) }

  package func wait() {
    while !raised.load(ordering: .acquiring) { usleep(1000) }
  }

  /// The same for a task, which must not block the threads that all tasks share.
  package func isRaised() async {
    while !raised.load(ordering: .acquiring) { await rest(milliseconds: 1) }
  }
}
