import BusMemory
package import BusSystem
package import BusWire
import Synchronization

/// A request on its way: what came back, and a thread that may wait for it.
package final class PendingReply: Sendable {
  /// What came of a request.
  package enum Outcome: Sendable {
    case frame(RouterFrame, FileDescriptor?)
    case rows([[String: String]])
    /// The connection went before an answer came: ask again on the next one.
    case lost
  }

  private struct State: Sendable {
    var outcome: Outcome?
    var rows: [[String: String]] = []
    /// The answer has come and is being acted on: whoever waits has it, however late it is.
    var isApplying = false
    /// Whoever waited has gone: the answer is not to be acted on any more.
    var isAbandoned = false
  }
  private let state = Mutex(State())
  private let done = Latch()
  /// Runs on the service thread when the answer arrives, before any later frame is looked at.
  private let then: @Sendable (Outcome) -> Void

  package init(onReply: @escaping @Sendable (RouterFrame) -> Void) {
    then = { outcome in
      if case .frame(let frame, _) = outcome { onReply(frame) }
    }
  }

  /// A reply that nobody waits for: `then` gets every outcome.
  package init(then: @escaping @Sendable (Outcome) -> Void) { self.then = then }

  func add(row: [String: String]) { state.withLock { $0.rows.append(row) } }

  func finishRows() { finish(.rows(state.withLock { $0.rows })) }

  /// Acts on the outcome and hands it to whoever waits; false when nobody does any more, and
  /// nothing was done.
  @discardableResult
  package func finish(_ outcome: Outcome) -> Bool {
    let isWanted = state.withLock { state in
      guard !state.isAbandoned else { return false }
      state.isApplying = true
      return true
    }
    guard isWanted else { return false }
    then(outcome)
    state.withLock { if $0.outcome == nil { $0.outcome = outcome } }
    done.open()
    return true
  }

  /// The outcome, nil when the deadline (monotonic ns) passed before it.
  package func wait(deadline: Deadline) -> Outcome? {
    if !done.wait(deadline) {
      // Answer and deadline at once: one of them counts, for both sides.
      let isComing = state.withLock { state in
        if !state.isApplying { state.isAbandoned = true }
        return state.isApplying
      }
      guard isComing else { return nil }
      _ = done.wait(.never)
    }
    return state.withLock { $0.outcome }
  }
}
