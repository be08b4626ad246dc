import BusMemory
import BusWire
import Synchronization

/// A bounded buffer between the desk's thread and one task that takes from it in order.
final class Mailbox<Element: Sendable>: Sendable {
  private typealias Waiting = [CheckedContinuation<Void, Never>]

  private struct State: Sendable {
    var elements: [Element] = []
    var head = 0
    var bytes = 0
    var ended = false
    var failure: BusError?
    /// More than one when several tasks take from it: each element goes to one of them.
    var waiters: [CheckedContinuation<Void, Never>] = []

    mutating func takeWaiters() -> Waiting {
      defer { waiters = [] }
      return waiters
    }

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
  private let size: @Sendable (Element) -> Int

  /// A buffer for so many elements, and ``bytesMost`` of what `size` says of them.
  init(room: Int, size: @escaping @Sendable (Element) -> Int) {
    self.room = room
    self.size = size
  }

  /// How many bytes may wait, the last element not counted.
  static var bytesMost: Int { 256 << 20 }

  var isEnded: Bool { state.withLock { $0.ended } }

  /// What became of an element.
  enum Outcome: Sendable {
    case taken
    case full
    case ended
  }

  func put(_ element: Element, isLast: Bool = false) -> Outcome {
    let bytes = size(element)
    let (waiting, outcome) = state.withLock { state -> (Waiting, Outcome) in
      guard !state.ended else { return ([], .ended) }
      guard state.elements.count - state.head < room, state.bytes < Self.bytesMost else {
        return ([], .full)
      }
      state.elements.append(element)
      state.bytes += bytes
      state.ended = isLast
      return (state.takeWaiters(), .taken)
    }
    for waiter in waiting { waiter.resume() }
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
      return state.takeWaiters()
    }
    for waiter in waiting { waiter.resume() }
  }

  /// The next element, nil after the last; suspends until there is one.
  ///
  /// Nil, too, when the task is cancelled.
  func next() async throws(BusError) -> Element? {
    while true {
      let (element, ended, failure) = state.withLock { state in
        let element = state.pop()
        if let element { state.bytes -= size(element) }
        return (element, state.ended, state.failure)
      }
      if let element { return element }
      if let failure { throw failure }
      if ended || Task.isCancelled { return nil }
      await withTaskCancellationHandler {
        await withCheckedContinuation { continuation in
          let isNow = state.withLock { state in
            if state.head < state.elements.count || state.ended || Task.isCancelled { return true }
            state.waiters.append(continuation)
            return false
          }
          if isNow { continuation.resume() }
        }
      } onCancel: {
        // Whoever was not cancelled looks again and waits on.
        for waiter in state.withLock({ $0.takeWaiters() }) { waiter.resume() }
      }
    }
  }
}
