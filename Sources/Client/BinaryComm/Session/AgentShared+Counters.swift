import BusCounters
import BusMemory
import BusSystem
import BusWire
import Synchronization

// Counters on the control socket: ours to the router, everybody's from it (service thread).

extension AgentShared {
  /// Hands in segments of counters that the router of this connection has not been offered, and
  /// asks it for everybody's when somebody here watches.
  ///
  /// False when some could not be offered for want of a descriptor: they are to be soon.
  func tendCounters() -> Bool {
    let parts = counters.parts
    var isAllOffered = true
    if connection.isUp {
      isAllOffered = state.withLock { state in
        state.offeredCounters.go(through: parts.map(\.number)) { number in
          parts.first { $0.number == number }.map(offer) ?? false
        }
      }
    }
    watchAgain()
    return isAllOffered
  }

  /// False when there is no descriptor left, or no router: the next turn tries again.
  private func offer(_ part: CounterTable.Part) -> Bool {
    let number = counters.duplicateDescriptor(of: part.number)
    guard number >= 0 else { return false }
    let frame = AddCountersFrame(part: UInt16(part.number), segmentBytes: UInt64(part.bytes))
    // A router that refuses it (quota) is not asked again: counting goes on, nobody sees it.
    return call(.addCounters(frame), descriptor: FileDescriptor(number)) { _ in }
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
    _ = call(.watch) { [self] outcome in
      guard case .frame(let frame, _) = outcome else { return }
      if case .done = frame { return watch.endListing(graceNs: Self.listingGraceNs) }
      // The policy is another one now: who wants to watch anew is told so.
      state.withLock { $0.isWatching = false }
    }
  }

  /// Who a router that is new has not named may still be on its way back to it.
  private static var listingGraceNs: UInt64 { 3_000_000_000 }

  /// The watch of this agent, which `make` makes where there is none.
  func watch(_ make: () -> CounterWatch) throws(BusError) -> CounterWatch {
    let (watch, isGranted) = state.withLock { state -> (CounterWatch, Bool) in
      let known = state.watch
      // The next router is asked for it anyway, if there is none now.
      if let known, state.isWatching { return (known, true) }
      if state.isWatching {
        // Its last holder is just letting go of it, and who watches is shown nobody anew.
        state.isWatching = false
        state.isWatchAsked = true
        tell(.unwatch)
      }
      let watch = known ?? make()
      state.watch = watch
      // Of several who ask at once a router names everybody for the first alone.
      if state.watchAsks == 0 { watch.beginListing() }
      state.watchAsks += 1
      return (watch, false)
    }
    if !isGranted { try begin(watch) }
    return watch
  }

  private func begin(_ watch: CounterWatch) throws(BusError) {
    do throws(BusError) {
      _ = try request(.watch, deadline: Deadline(after: .seconds(5))) { [self] reply in
        guard case .done = reply else { return }
        state.withLock { $0.isWatching = true }
        watch.endListing(graceNs: Self.listingGraceNs)
      }
    } catch {
      state.withLock { state in
        state.watchAsks -= 1
        // A router that is only slow takes it all the same, and would go on telling of counters.
        if !state.isWatching, state.watchAsks == 0 { tell(.unwatch) }
      }
      throw error
    }
    state.withLock { $0.watchAsks -= 1 }
  }

  /// Tells the router that nobody here watches, unless a watch has begun meanwhile.
  func endWatch() {
    let other = state.withLock { state -> CounterWatch? in
      let other = state.watch
      guard other == nil, state.isWatching else { return other }
      state.isWatching = false
      state.isWatchAsked = true
      // Under the lock, so that a watch that begins now asks after this frame.
      tell(.unwatch)
      return nil
    }
    // Its holder may let go of it meanwhile, and its end takes the lock.
    withExtendedLifetime(other) {}
  }

  /// The router of the counters is gone: what the next one does not name has ended.
  func loseCounters() {
    let watch = state.withLock { state in
      forgetCounters(&state)
      return state.watch
    }
    watch?.beginListing()
  }

  /// The next router knows nothing of what this one was told.
  private func forgetCounters(_ state: inout State) {
    state.offeredCounters = OfferedCounters()
    state.isWatchAsked = !state.isWatching
    if state.downSinceNs == nil { state.downSinceNs = HostClock.monotonicNs() }
  }
}
