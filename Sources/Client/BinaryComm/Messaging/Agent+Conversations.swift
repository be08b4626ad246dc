import BusLog
import BusWire
import Synchronization

extension Agent {
  /// This agent's side of its conversations, for the thread that calls this; there is one.
  ///
  /// Throws `closed` when the agent was closed, `invalid` when it has a messenger already.
  public func messenger(
    _ options: MessengerOptions = MessengerOptions()
  ) throws(BusError) -> Messenger {
    guard options.inFlight > 0, options.requestsMax > 0, options.requestsMax <= 1 << 20 else {
      throw .invalid("a messenger has credit for one request at least, and for a million at most")
    }
    guard core.state.withLock({ $0.messenger == nil }) else {
      throw .invalid("this agent has a messenger already; use that one")
    }
    let inbox = try openInbox(options.wait)
    let shared = MessengerShared(agent: core, inbox: inbox.core)
    let isFirst = core.state.withLock { state in
      guard state.messenger == nil else { return false }
      state.messenger = shared
      return true
    }
    guard isFirst else { throw .invalid("this agent has a messenger already; use that one") }
    return Messenger(inbox, shared, options)
  }
}
