import Synchronization

/// A bounded buffer between a thread that fills it and tasks that take from it in order.
///
/// What is there when it ends is still handed out, then the error that ended it, if one did.
package final class BoundedBuffer<Element: Sendable>: Sendable {
  private typealias Waiting = [CheckedContinuation<Void, Never>]

  private struct State: Sendable {
    var queue: BoundedQueue<Element>
    var isEnded = false
    var failure: BusError?
    /// More than one when several tasks take from it: each element goes to one of them.
    var waiters: Waiting = []

    mutating func drainWaiters() -> Waiting {
      defer { waiters = [] }
      return waiters
    }
  }
  private let state: Mutex<State>
  private let size: @Sendable (Element) -> Int
  private let onRoom: (@Sendable () -> Void)?

  /// A buffer for so many elements, and so many bytes of what `size` says of them, the last not
  /// counted.
  ///
  /// `onRoom` is called when an element was taken from a full buffer.
  package init(
    room: Int, bytesMax: Int, onRoom: (@Sendable () -> Void)? = nil,
    size: @escaping @Sendable (Element) -> Int
  ) {
    state = Mutex(State(queue: BoundedQueue(room: room, bytesMax: bytesMax)))
    self.onRoom = onRoom
    self.size = size
  }

  /// What became of an element.
  package enum Outcome: Sendable {
    case taken
    case full
    case ended
  }

  /// Nothing more is taken in.
  package var isEnded: Bool { state.withLock { $0.isEnded } }
  /// How many more elements may come now; none while it is full of bytes, or ended.
  package var free: Int { state.withLock { $0.isEnded ? 0 : $0.queue.free } }

  /// Takes an element in, if there is room; `isLast` ends the buffer behind it.
  package func put(_ element: Element, isLast: Bool = false) -> Outcome {
    let bytes = size(element)
    let (waiting, outcome) = state.withLock { state -> (Waiting, Outcome) in
      guard !state.isEnded else { return ([], .ended) }
      guard state.queue.append(element, bytes: bytes) else { return ([], .full) }
      state.isEnded = isLast
      return (state.drainWaiters(), .taken)
    }
    for waiter in waiting { waiter.resume() }
    return outcome
  }

  /// Takes in elements that were asked for while there was room for their number: all of them,
  /// even where their bytes go beyond the bound.
  package func put(all elements: [Element]) {
    let sizes = elements.map(size)
    let waiting = state.withLock { state -> Waiting in
      guard !state.isEnded, !elements.isEmpty else { return [] }
      for (element, bytes) in zip(elements, sizes) {
        state.queue.appendAnyway(element, bytes: bytes)
      }
      return state.drainWaiters()
    }
    for waiter in waiting { waiter.resume() }
  }

  /// Nothing more comes; the first end counts.
  package func end(_ failure: BusError? = nil) {
    let waiting = state.withLock { state in
      if !state.isEnded {
        state.isEnded = true
        state.failure = failure
      }
      return state.drainWaiters()
    }
    for waiter in waiting { waiter.resume() }
  }

  /// The next element, nil after the last; suspends until there is one.
  ///
  /// Nil, too, when nothing is there and the task is cancelled.
  package func next() async throws(BusError) -> Element? {
    while true {
      let (element, wasFull, isEnded, failure) = state.withLock { state in
        let wasFull = state.queue.free == 0
        return (state.queue.popFirst(), wasFull, state.isEnded, state.failure)
      }
      if wasFull, element != nil { onRoom?() }
      if let element { return element }
      if let failure { throw failure }
      if isEnded || Task.isCancelled { return nil }
      await more()
    }
  }

  /// Suspends until something may have come.
  private func more() async {
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let isNow = state.withLock { state in
          if !state.queue.isEmpty || state.isEnded || Task.isCancelled { return true }
          state.waiters.append(continuation)
          return false
        }
        if isNow { continuation.resume() }
      }
    } onCancel: {
      // Whoever was not cancelled looks again and waits on.
      for waiter in state.withLock({ $0.drainWaiters() }) { waiter.resume() }
    }
  }
}
