import BusMemory
import BusWire
import Synchronization

/// A request on its way: what came back, and a thread that may wait for it.
final class PendingReply: Sendable {
  enum Outcome: Sendable {
    case frame(RouterFrame, Descriptor?)
    case rows([[String: String]])
    /// The connection went before an answer came: ask again on the next one.
    case lost
  }

  private struct State: Sendable {
    var outcome: Outcome?
    var rows: [[String: String]] = []
  }
  private let state = Mutex(State())
  private let done = Signal()
  /// Runs on the service thread when the answer arrives, before any later frame is looked at.
  private let then: @Sendable (Outcome) -> Void

  init(onReply: @escaping @Sendable (RouterFrame) -> Void) {
    then = { outcome in
      if case .frame(let frame, _) = outcome { onReply(frame) }
    }
  }

  /// A reply that nobody waits for: `then` gets every outcome.
  init(then: @escaping @Sendable (Outcome) -> Void) { self.then = then }

  func add(row: [String: String]) { state.withLock { $0.rows.append(row) } }

  func finishRows() { finish(.rows(state.withLock { $0.rows })) }

  func finish(_ outcome: Outcome) {
    then(outcome)
    state.withLock { if $0.outcome == nil { $0.outcome = outcome } }
    done.raise()
  }

  /// The outcome, nil when the deadline (monotonic ns) passed before it.
  func wait(deadlineNs: UInt64) -> Outcome? {
    guard done.wait(deadlineNs: deadlineNs) else { return nil }
    return state.withLock { $0.outcome }
  }
}
