import BusCounters
import BusMemory
import BusSystem
import BusWire
import Synchronization

// Counters on the control socket: ours to the router, everybody's from it (service thread).

extension AgentShared {
  /// Hands in segments of counters that the router of this connection has not been offered, and
  /// asks it for everybody's when somebody here watches.
  func tendCounters() {
    for part in counters.parts { offer(part) }
    watchAgain()
  }

  private func offer(_ part: CounterTable.Part) {
    guard connection.isUp,
      state.withLock({ $0.offeredCounters.insert(part.number).inserted })
    else { return }
    let number = counters.duplicateDescriptor(of: part.number)
    guard number >= 0 else { return }
    let frame = AddCountersFrame(part: UInt16(part.number), segmentBytes: UInt64(part.bytes))
    // A router that refuses it (quota) is not asked again: counting goes on, nobody sees it.
    _ = call(.addCounters(frame), descriptor: FileDescriptor(number)) { _ in }
  }

  private func watchAgain() {
    guard connection.isUp else { return }
    let watch = state.withLock { state -> CounterWatch? in
      guard !state.isWatchAsked else { return nil }
      state.isWatchAsked = true
      return state.watch
    }
    guard let watch else { return }
    watch.beginListing()
    _ = call(.watch) { outcome in
      guard case .frame(.done, _) = outcome else { return }
      watch.endListing(graceNs: 3_000_000_000)
    }
  }

  /// Tells the router that nobody here watches, unless a watch has begun meanwhile.
  func endWatch() {
    state.withLock { state in
      guard state.watch == nil, state.isWatching else { return }
      state.isWatching = false
      state.isWatchAsked = true
      // Under the lock, so that a watch that begins now asks after this frame.
      if connection.isUp { tell(.unwatch) }
    }
  }

  /// The next router knows nothing of what this one was told.
  func forgetCounters(_ state: inout State) {
    state.offeredCounters = []
    state.isWatchAsked = !state.isWatching
    if state.downSinceNs == nil { state.downSinceNs = HostClock.monotonicNs() }
  }
}
