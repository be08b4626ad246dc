import Glibc
import Synchronization

/// Why a run is no proof.
struct Fault: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}

/// Threads of pthreads, which ThreadSanitizer knows.
final class Threads: @unchecked Sendable {
  // @unchecked Sendable: the list belongs to the thread that starts and waits.
  private var all: [pthread_t] = []
  private let faults = Mutex<[String]>([])

  private final class Work {
    let body: () -> Void
    init(_ body: @escaping () -> Void) { self.body = body }
  }

  func start(_ body: @escaping @Sendable () throws -> Void) {
    let work = Work {
      do { try body() } catch { self.faults.withLock { $0.append("\(error)") } }
    }
    var thread = pthread_t()
    let context = unsafe Unmanaged.passRetained(work).toOpaque()
    let made = unsafe pthread_create(
      &thread, nil,
      { raw in
        guard let raw = unsafe raw else { return nil }
        unsafe Unmanaged<Work>.fromOpaque(raw).takeRetainedValue().body()
        return nil
      }, context)
    if made == 0 { all.append(thread) }
  }

  func wait() throws {
    for thread in all { pthread_join(thread, nil) }
    all = []
    if let first = faults.withLock({ $0.first }) { throw Fault(first) }
  }
}
