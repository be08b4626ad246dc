import BusAccess
import BusPorts
import BusWire

// An agent's inbox: logs that others write for this one incarnation, each for it alone.

extension RouterState {
  /// Judges the wish of an agent to read an inbox: its own, once, without loss.
  mutating func checkInbox(
    _ frame: SubscribeFrame, _ pattern: TopicPattern, _ owner: Incarnation, of reader: Agent,
    _ asker: Requester
  ) -> Subscription? {
    guard owner == reader.incarnation else {
      deny(asker, because: "\(reader.caller) asks for the inbox of another incarnation.")
      return nil
    }
    guard frame.mode == .lossless, !reader.hasInbox else {
      refuse(asker, .invalid, "An agent reads its inbox with one subscription, a lossless one.")
      return nil
    }
    return Subscription(
      number: frame.subscription, pattern: pattern, mode: .lossless, sleeps: frame.sleeps,
      epoch: frame.epoch, isInbox: true)
  }

  /// Takes the subscription to an agent's own inbox: nobody can have written to it before.
  mutating func openInbox(_ inbox: Subscription, of agent: Incarnation, _ asker: Requester) {
    add(inbox, of: agent)
    answer(
      asker, .subscribed(SubscribedFrame(subscription: inbox.number, streams: 0)))
    respondersChanged(ofNamesOf: agent)
  }

  /// Why an agent may not have a log on a channel; nil: it may.
  func objection(toLogOn channel: Topic, by writer: Agent) -> Refusal? {
    guard let inbox = InboxChannel(channel.text) else {
      let decision = policy.mayWrite(writer.caller, channel: channel)
      return decision.allowed ? nil : Refusal(deniedBecause: decision.reason)
    }
    guard mayReach(inbox.owner, from: writer) else {
      return Refusal(
        deniedBecause: "\(writer.caller) may not call anything that the inbox's owner answers.")
    }
    // While agents come back, the inbox of one that is still to come is none that has ended.
    guard agents[inbox.owner]?.hasInbox == true || awaitsAgents else {
      return Refusal(.peerDied, "The agent of this inbox has ended, or takes no messages.")
    }
    return nil
  }

  /// Whether an agent may write to another's inbox: it may call its name or something it answers,
  /// or it is to answer what the other one sends.
  private func mayReach(_ owner: Incarnation, from writer: Agent) -> Bool {
    guard let peer = agents[owner] else {
      return awaitsAgents || !policy.callPatterns(of: writer.caller).isEmpty
    }
    if policy.mayCall(writer.caller, service: peer.caller.name).allowed { return true }
    if peer.answers.contains(where: { policy.mayCall(writer.caller, service: $0.topic).allowed }) {
      return true
    }
    return Self.lanes(of: writer.incarnation).contains { lane in
      peer.streamsOn[lane]?.living ?? 0 > 0
    }
  }

  /// The channels of an agent's inbox.
  private static func lanes(of owner: Incarnation) -> [Topic] {
    Lane.allCases.compactMap { try? Topic(InboxChannel(owner: owner, lane: $0).name) }
  }

  /// What the publisher of a log in an inbox may ask for; nothing for other logs.
  ///
  /// The reader compares each request with it: the log itself only says that it may write at all.
  func callRights(of stream: BusStream) -> [String] {
    guard InboxChannel(stream.channel.text) != nil, let writer = agents[stream.publisher] else {
      return []
    }
    // What does not fit into the frame is not given: a policy with so many names uses a pattern.
    return policy.callPatterns(of: writer.caller).prefix(Self.callRightsMax).map(\.text)
  }

  /// Closes the router's descriptor of an inbox log that its one reader has mapped: with a hundred
  /// agents there are ten thousand of them.
  mutating func letGo(_ generation: UInt32, of id: StreamID) {
    guard let stream = streams[id], InboxChannel(stream.channel.text) != nil,
      let place = stream.logs.firstIndex(where: { $0.shape.generation == generation }),
      let token = stream.logs[place].token
    else { return }
    streams[id]?.logs[place].token = nil
    budget.closeDescriptor(of: stream.logs[place].payer)
    act(.close(token))
  }

  /// As many patterns of 127 bytes as fit into an announce frame.
  private static var callRightsMax: Int { 100 }
}
