import BusLog
import BusMemory
import BusSystem
import BusWire
import Synchronization

// Logs that this process had no room for when they were handed over: told, and asked for again.

extension AgentShared {
  /// A hand-over was lost; true when that is news.
  func lose(_ key: LostHandOvers.Key) -> Bool {
    state.withLock { $0.lost.lost(key, nowNs: HostClock.monotonicNs()) }
  }

  /// A hand-over has arrived, or will not come any more.
  func settle(_ key: LostHandOvers.Key) {
    state.withLock { state in
      if !state.lost.isEmpty { state.lost.settle(key) }
    }
  }

  /// When something is to be asked for next; monotonic ns.
  var lostDueNs: UInt64 { state.withLock { $0.lost.dueNs } ?? .max }

  /// Asks the router for what was lost, as far as it is time and a descriptor is free.
  func askForLost() {
    let now = HostClock.monotonicNs()
    guard let dueNs = state.withLock({ $0.lost.dueNs }), dueNs <= now else { return }
    guard hasFreeDescriptor else {
      state.withLock { $0.lost.postpone(nowNs: now) }
      return
    }
    let core = self
    for key in state.withLock({ $0.lost.drainDue(nowNs: now) }) {
      let frame = ReannounceFrame(subscription: key.subscription, stream: key.stream)
      _ = call(.reannounce(frame)) { outcome in
        // A router that has just started still learns of it; any other knows of none.
        if case .frame(.error(let error), _) = outcome,
          BusErrorCode(number: error.code) != .noRouter
        {
          core.settle(key)
        }
      }
    }
  }

  private var hasFreeDescriptor: Bool {
    let number = wakeup.descriptor.duplicate()
    guard number >= 0 else { return false }
    _ = FileDescriptor(number)
    return true
  }
}
