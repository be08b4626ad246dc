import Foundation
import Glibc
import Synchronization

/// A worker's line to the program that started it.
///
/// Orders come as single bytes on standard input, read by a thread of their own: when the other
/// side ends, whatever the worker does just then, the worker ends too.
final class WorkerLink: Sendable {
  private let stage = Atomic<Int>(WorkerStage.begun.rawValue)
  private let isDone = Atomic<Bool>(false)

  /// Starts to listen.
  func listen() {
    Thread.detachNewThread { [self] in
      var byte: UInt8 = 0
      while true {
        let count = unsafe read(0, &byte, 1)
        if count < 0 && errno == EINTR { continue }
        if count <= 0 { break }
        stage.wrappingAdd(1, ordering: .sequentiallyConsistent)
      }
      if !isDone.load(ordering: .sequentiallyConsistent) { _exit(130) }
      stage.store(WorkerStage.end.rawValue, ordering: .sequentiallyConsistent)
    }
  }

  /// Waits for an order.
  func wait(for wanted: WorkerStage) {
    while stage.load(ordering: .acquiring) < wanted.rawValue { usleep(200) }
  }

  /// Whether an order has come.
  func hasReached(_ wanted: WorkerStage) -> Bool {
    stage.load(ordering: .acquiring) >= wanted.rawValue
  }

  /// Tells the result, and goes on.
  func announce(_ result: WorkerResult) {
    isDone.store(true, ordering: .sequentiallyConsistent)
    tell(WorkerLine(event: .finished, result: result))
  }

  /// Tells that a step is done.
  func tell(_ event: WorkerLine.Event) { tell(WorkerLine(event: event)) }

  /// Tells the result and waits until the worker may end.
  func finish(_ result: WorkerResult) {
    isDone.store(true, ordering: .sequentiallyConsistent)
    tell(WorkerLine(event: .finished, result: result))
    wait(for: .end)
  }

  /// Tells why the worker cannot go on.
  func fail(_ failure: WorkerFailure) {
    tell(WorkerLine(event: .failed, failure: failure))
  }

  private func tell(_ line: WorkerLine) {
    guard let bytes = try? JSONEncoder().encode(line) else { return }
    writeAll(String(decoding: bytes, as: UTF8.self) + "\n", to: 1)
  }
}
