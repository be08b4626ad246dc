import BusCounters
import BusLog
import BusMemory
import BusSystem
import BusWire
import Synchronization

extension MessengerShared {
  /// Ring bytes of the first log of each lane: small, as there is one for every pair of agents.
  static var firstLaneBytes: UInt64 { LogShape.capacityMin }

  /// Makes a log to a peer and offers it to the router; the outcome comes as an event.
  ///
  /// False when no router is there to ask.
  func makeLane(_ channel: InboxChannel, to peer: String) throws(BusError) -> Bool {
    guard let shape = LogShape(capacity: Self.firstLaneBytes),
      let identity = agent.logIdentity(channel.name, generation: 0, shape: shape)
    else { throw .closed("the agent was closed") }
    var log: NewLog
    do throws(MemoryError) {
      log = try NewLog(identity)
    } catch {
      throw .noMemory("no memory for a log", error)
    }
    let file = FileDescriptor(log.releaseDescriptor())
    let owner = channel.owner
    let number = nextLane()
    // One peer that stands still holds up nobody but whoever writes to it: no eviction.
    let core = PublisherShared(
      agent: agent, channel: channel.name, stall: StallPolicy(stallNs: 0),
      countedAs: .sent(
        InboxChannel.shownName(of: peer), kind: .pair, lane: channel.lane.counted, to: peer,
        peerIncarnation: owner.value),
      onUnmet: { [weak self] in self?.post(.unmet(channel, $0, $1)) },
      onLeave: { [weak self] in self?.lose(channel, number) })
    // Before it is registered: the reader's join may arrive before this thread looks again.
    let growth = LogGrowth(allowed: agent.state.withLock { $0.limits.logBytesMax })
    let made = Handover(Publisher(core, log, clock: agent.clock.clock(), growth))
    return core.register(shape, file) { [weak self] failure in
      guard let self else { return }
      if let failure {
        post(.lane(channel, number, .failure(failure)))
      } else {
        post(.lane(channel, number, .success(made)))
      }
    }
  }
}

extension MessengerShared {
  /// A peer reads a log to it no more.
  private func lose(_ channel: InboxChannel, _ number: UInt64) {
    // Now: what the peer opens when it is back brings no answer to what it did not read.
    let answers = inbox.readings(from: channel.owner, on: channel.lane)
    post(.left(channel, number, answers))
  }
}

extension Lane {
  /// The lane as counters name it.
  var counted: CounterLane { self == .urgent ? .urgent : .normal }
}

extension InboxChannel {
  /// What an inbox is called where people read it.
  static func shownName(of owner: String) -> String { "inbox.\(owner)" }
}
