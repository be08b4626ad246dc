import BusCounters
public import BusWire

// Messages that nobody gets: counted for the program, and in the agent's counters.

extension MessengerContext {
  mutating func count(_ reason: DropReason) { statistics.drops[reason, default: 0] += 1 }

  /// Counts a message to an agent or a name that never came to lie in a log.
  ///
  /// It has no row of its own, so it is in the past of what this agent sent there.
  mutating func countUnsent(_ reason: DropReason, to name: String, _ lane: Lane) {
    count(reason)
    core.agent.counters.noteDrop(
      .sent(InboxChannel.shownName(of: name), kind: .pair, lane: lane.counted), reason)
  }

  /// Lets a message of a conversation pass, or counts it and throws why not.
  mutating func pass(
    _ context: MessageContext, to recipient: Recipient, _ lane: Lane, nowNs: UInt64
  ) throws(BusError) {
    do throws(BusError) {
      try guards.pass(context, nowNs: nowNs)
    } catch {
      let reason: DropReason = error.code == .rateLimited ? .rateLimited : .tooManyHops
      countUnsent(reason, to: names.text(recipient.index), lane)
      throw error
    }
  }

  /// The conversations that were stopped because they sent too much.
  public var trippedConversations: [TrippedConversation] { guards.tripped }

  /// Lets a stopped conversation go on; false when it was not stopped.
  public mutating func reset(_ conversation: BusUUID) -> Bool { guards.reset(conversation) }

  /// What is shown as the name of an agent that has ended and been forgotten.
  static var forgottenName: String { "(ended)" }
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
