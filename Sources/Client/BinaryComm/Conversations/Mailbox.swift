import BusMemory
import BusWire
import Synchronization

/// A bounded buffer between the desk's thread and one task that takes from it in order.
final class Mailbox<Element: Sendable>: Sendable {
  private struct State: Sendable {
    var elements: [Element] = []
    var head = 0
    var ended = false
    var failure: BusError?
    var waiter: CheckedContinuation<Void, Never>?

    mutating func pop() -> Element? {
      guard head < elements.count else { return nil }
      let first = elements[head]
      head += 1
      if head == elements.count || head > 256 {
        elements.removeFirst(head)
        head = 0
      }
      return first
    }
  }
  private let state = Mutex(State())
  private let room: Int

  init(room: Int) { self.room = room }

  var isEnded: Bool { state.withLock { $0.ended } }

  /// What became of an element.
  enum Outcome: Sendable {
    case taken
    case full
    case ended
  }

  func put(_ element: Element, isLast: Bool = false) -> Outcome {
    let (waiting, outcome): (CheckedContinuation<Void, Never>?, Outcome) = state.withLock { state in
      guard !state.ended else { return (nil, .ended) }
      guard state.elements.count - state.head < room else { return (nil, .full) }
      state.elements.append(element)
      state.ended = isLast
      return (state.waiter.take(), .taken)
    }
    waiting?.resume()
    return outcome
  }

  /// Nothing more comes; what is there is still handed out.
  ///
  /// The first end counts.
  func end(_ failure: BusError? = nil) {
    let waiting = state.withLock { state in
      if !state.ended {
        state.ended = true
        state.failure = failure
      }
      return state.waiter.take()
    }
    waiting?.resume()
  }

  /// The next element, nil after the last; suspends until there is one.
  ///
  /// Nil, too, when the task is cancelled.
  func next() async throws(BusError) -> Element? {
    while true {
      let (element, ended, failure) = state.withLock { ($0.pop(), $0.ended, $0.failure) }
      if let element { return element }
      if let failure { throw failure }
      if ended || Task.isCancelled { return nil }
      await withTaskCancellationHandler {
        await withCheckedContinuation { continuation in
          let isNow = state.withLock { state in
            if state.head < state.elements.count || state.ended || Task.isCancelled { return true }
            state.waiter = continuation
            return false
          }
          if isNow { continuation.resume() }
        }
      } onCancel: {
        state.withLock { $0.waiter.take() }?.resume()
      }
    }
  }
}
