import Foundation
import Glibc
import Synchronization

/// A thread of a test, whose outcome is waited for.
final class Worker: Sendable {
  private let outcome = Mutex<Result<Int, any Error>?>(nil)

  init(_ body: @escaping @Sendable () throws -> Int) {
    Thread.detachNewThread { [self] in
      let result = Result { try body() }
      outcome.withLock { $0 = result }
    }
  }

  /// What the thread returned or threw.
  func join() throws -> Int {
    while true {
      if let result = outcome.withLock({ $0 }) { return try result.get() }
      usleep(1000)
    }
  }
}
