import BusSystem
import Glibc
import Synchronization

/// A value that is made when it is first asked for, while whoever asks suspends.
///
/// A thread of its own makes it, so that no task blocks the thread that it runs on, and one that is
/// cancelled waits no longer. What could not be made is tried again by whoever asks next.
package final class MadeOnce<Value: Sendable>: Sendable {
  private enum Phase: Sendable {
    case none
    case making
    case made(Value)
    case closed(BusError)
  }

  private struct State: Sendable {
    var phase = Phase.none
    /// Who waits while it is being made.
    var waiters: [Promise<Value>] = []

    mutating func drainWaiters() -> [Promise<Value>] {
      defer { waiters = [] }
      return waiters
    }
  }
  private let state = Mutex(State())

  package init() {}

  /// The value, made by `make` unless it is there or somebody makes it already.
  package func value(
    _ make: @escaping @Sendable () throws(BusError) -> Value
  ) async throws(BusError) -> Value {
    if let known { return known }
    let mine = Promise<Value>()
    let isMaker = state.withLock { state in
      switch state.phase {
      case .made(let value): mine.finish(.success(value))
      case .closed(let why): mine.finish(.failure(why))
      case .making: state.waiters.append(mine)
      case .none:
        state.phase = .making
        state.waiters.append(mine)
        return true
      }
      return false
    }
    if isMaker { start(make) }
    return try await mine.wait()
  }

  /// Nothing is made from here on, and who waits is told why.
  ///
  /// Returns what was made. What is being made now is nobody's when it is there.
  package func close(_ why: BusError) -> Value? {
    let (value, waiting) = state.withLock { state -> (Value?, [Promise<Value>]) in
      if case .made(let value) = state.phase { return (value, []) }
      state.phase = .closed(why)
      return (nil, state.drainWaiters())
    }
    for waiter in waiting { waiter.finish(.failure(why)) }
    return value
  }

  private var known: Value? {
    state.withLock { state in
      if case .made(let value) = state.phase { value } else { nil }
    }
  }

  private func start(_ make: @escaping @Sendable () throws(BusError) -> Value) {
    let isStarted = SystemThread.start("bcs-call") { [self] in
      do throws(BusError) {
        finish(.success(try make()))
      } catch {
        finish(.failure(error))
      }
    }
    if !isStarted { finish(.failure(.system("no thread: \(Errno.text(EAGAIN))"))) }
  }

  private func finish(_ outcome: Result<Value, BusError>) {
    let waiting = state.withLock { state -> [Promise<Value>] in
      guard case .making = state.phase else { return [] }
      switch outcome {
      case .success(let value): state.phase = .made(value)
      case .failure: state.phase = .none
      }
      return state.drainWaiters()
    }
    for waiter in waiting { waiter.finish(outcome) }
  }
}
