import BusCounters
import BusWire

// Messages that nobody gets: counted for the program, and in the agent's counters.

extension Outbox {
  mutating func count(_ reason: InboxDrop) { statistics.drops[reason, default: 0] += 1 }

  /// Counts a message to an agent or a name that never came to lie in a log.
  ///
  /// It has no row of its own, so it is in the past of what this agent sent there.
  mutating func countUnsent(
    _ reason: InboxDrop, _ why: DropReason? = nil, to name: String, _ lane: Lane
  ) {
    count(reason)
    core.agent.counters.noteDrop(
      .sent(InboxChannel.shownName(of: name), kind: .pair, lane: lane.counted),
      why ?? reason.counted)
  }

  /// Lets a message of a conversation pass, or counts it and throws why not.
  mutating func pass(
    _ context: MessageContext, to recipient: Recipient, _ lane: Lane, nowNs: UInt64
  ) throws(BusError) {
    do throws(BusError) {
      try guards.pass(context, nowNs: nowNs)
    } catch {
      let reason: InboxDrop = error.code == .rateLimited ? .rateLimited : .tooManyHops
      countUnsent(reason, to: names[recipient.index].name.text, lane)
      throw error
    }
  }

  /// What is shown as the name of an agent that has ended and been forgotten.
  static var forgottenName: String { "(ended)" }
}

extension InboxDrop {
  /// The reason as counters name it.
  var counted: DropReason {
    switch self {
    case .unknownCorrelation: .unknownCorrelation
    case .noRight: .denied
    case .unknownName: .unknownName
    case .expired: .expired
    case .malformed, .unexpected: .malformed
    case .tooManyHops: .tooManyHops
    case .cancelled: .cancelled
    case .rateLimited: .rateLimited
    case .queueFull: .queueFull
    case .peerGone, .unreachable: .peerGone
    }
  }
}

extension DropReason {
  /// Why a message could not be sent.
  init(_ why: BusError) {
    switch why.code {
    case .denied: self = .denied
    case .resourceExhausted: self = .queueFull
    default: self = .peerGone
    }
  }
}
