import BusAccess
import BusPorts
import BusWire

extension RouterState {
  mutating func subscribe(_ frame: SubscribeFrame, of agent: Incarnation, _ asker: Requester) {
    guard let subscription = checkSubscription(frame, of: agent, asker) else { return }
    guard let reader = agents[agent] else { return }
    if subscription.isInbox { return openInbox(subscription, of: agent, asker) }
    let near = index.streams(for: subscription.pattern) ?? Set(streams.keys)
    walk(near.count * Self.entriesOfStream)
    let found = near.compactMap { streams[$0] }.filter { stream in
      stream.end == nil && !stream.logs.isEmpty && heldStreams[stream.id] == nil
        && mayAttach(reader, subscription, to: stream.channel)
    }
    add(subscription, of: agent)
    var given: UInt32 = 0
    for id in found.map(\.id).sorted() {
      guard
        let attachment = makeAttachment(
          agent, frame.subscription, id, on: .fromHere)
      else { continue }
      given += 1
      announce(attachment, .news)
    }
    answer(
      asker, .subscribed(SubscribedFrame(subscription: frame.subscription, streams: given)))
  }

  mutating func add(_ subscription: Subscription, of agent: Incarnation) {
    agents[agent]?.subscriptions[subscription.number] = subscription
    if subscription.isInbox { agents[agent]?.hasInbox = true }
    count(\.subscriptions, 1, of: agents[agent]?.caller.uid)
    index.insert(Reading(reader: agent, subscription: subscription.number), subscription)
  }

  /// Reads and judges a wish to subscribe; answers what is wrong and returns nil.
  mutating func checkSubscription(
    _ frame: SubscribeFrame, of agent: Incarnation, _ asker: Requester
  ) -> Subscription? {
    guard let reader = agents[agent] else { return nil }
    let pattern: TopicPattern
    do { pattern = try TopicPattern(frame.pattern) } catch {
      refuse(asker, .invalid, "\(error)")
      return nil
    }
    guard reader.subscriptions[frame.subscription] == nil, frame.epoch < Self.epochs else {
      refuse(asker, .invalid, "The subscription's number is taken, or it has no such epoch line.")
      return nil
    }
    guard reader.subscriptions.count < limits.subscriptionsPerAgent else {
      refuse(
        asker, because: .limit,
        "An agent may have \(limits.subscriptionsPerAgent) subscriptions: use wider patterns.")
      return nil
    }
    if let text = objection(
      toOneMore: \.subscriptions, "subscriptions", of: reader.caller.uid, all: limits.subscriptions)
    {
      refuse(asker, because: .limit, text)
      return nil
    }
    if let owner = InboxChannel.owner(ofPattern: frame.pattern) {
      return checkInbox(frame, pattern, owner, of: reader, asker)
    }
    let decision = policy.mayRead(reader.caller, pattern)
    guard decision.allowed else {
      deny(asker, because: decision.reason)
      return nil
    }
    if frame.mode == .lossless, let reason = holdBackObjection(reader.caller, pattern) {
      refuse(
        asker, .denied,
        "The agent may read \(pattern) but not hold its publishers back: subscribe lossy, or ask "
          + "for the hold_back right.")
      say(.notice, "denied: \(reason)")
      return nil
    }
    return Subscription(
      number: frame.subscription, pattern: pattern, mode: frame.mode, sleeps: frame.sleeps,
      epoch: frame.epoch)
  }

  /// Why the caller may not make the publishers of a pattern wait; nil: it may.
  private func holdBackObjection(_ caller: Principal, _ pattern: TopicPattern) -> String? {
    var channels = policy.channelMap.channels.filter {
      policy.mayRead(caller, pattern, channel: $0).allowed
    }
    if let prefix = pattern.literalPrefix {
      channels.append(policy.channelMap.channel(of: prefix))
    }
    for channel in channels {
      let decision = policy.mayHoldBack(caller, channel: channel)
      if !decision.allowed { return decision.reason }
    }
    return nil
  }

  func mayAttach(_ reader: Agent, _ subscription: Subscription, to channel: Topic) -> Bool {
    let caller = reader.caller
    if subscription.isInbox {
      return InboxChannel(channel.text)?.owner == reader.incarnation
    }
    guard policy.mayRead(caller, subscription.pattern, channel: channel).allowed else {
      return false
    }
    return subscription.mode != .lossless || policy.mayHoldBack(caller, channel: channel).allowed
  }

  /// Makes an attachment; nil when the reader has no place for it, which it is told.
  mutating func makeAttachment(
    _ reader: Incarnation, _ subscription: UInt32, _ stream: StreamID,
    on terms: ReadingTerms
  ) -> AttachmentID? {
    switch verdict(on: stream, subscription, of: reader) {
    case .nothing: return nil
    case .noPlace(let reason):
      miss(stream, subscription, of: reader, because: reason)
      return nil
    case .place(let publisher, let user):
      let id = AttachmentID(nextNumber())
      insert(
        Attachment(
          id: id, number: id, reader: reader, subscription: subscription, stream: stream,
          publisher: publisher, publisherUser: user, fromStart: terms.fromStart,
          expected: terms.isExpected))
      return id
    }
  }

  /// Whether a subscription is given a stream.
  private enum Verdict {
    /// One of them is gone.
    case nothing
    case noPlace(String)
    case place(Incarnation, user: UInt32?)
  }

  /// Judges apart from what follows: a copy of agent or stream that is still held when they change
  /// makes each of their sets be copied.
  private func verdict(
    on id: StreamID, _ subscription: UInt32, of reader: Incarnation
  ) -> Verdict {
    guard let agent = agents[reader], agent.subscriptions[subscription] != nil,
      let stream = streams[id]
    else { return .nothing }
    if let reason = objection(toReading: stream, by: agent) { return .noPlace(reason) }
    return .place(stream.publisher, user: stream.publisherUser)
  }

  mutating func insert(_ attachment: Attachment) {
    attachments[attachment.id] = attachment
    renumber(attachment, isThere: true)
    agents[attachment.reader]?.shares.add(attachment)
    agents[attachment.reader]?.attachments.insert(attachment.id)
    agents[attachment.reader]?.subscriptions[attachment.subscription]?.attachments
      .insert(attachment.id)
    let user = agents[attachment.reader]?.caller.uid
    count(\.attachments, 1, of: user)
    streams[attachment.stream]?.insert(attachment, of: user)
  }

  /// Tells the reader of the stream's logs, which makes it a holder of each.
  ///
  /// With `newest` that is the last log only, otherwise every log that is not retired or that the
  /// reader holds already.
  /// Returns whether there was something to tell.
  @discardableResult
  mutating func announce(
    _ id: AttachmentID, _ delivery: Delivery, newest: Bool = false
  ) -> Bool {
    guard let attachment = attachments[id],
      let connection = agents[attachment.reader]?.connection
    else { return false }
    if newest, case .evicted = attachment.phase { return false }
    let announces = announces(of: attachment, newest: newest)
    for (place, frame, token) in announces {
      hold(place, of: attachment.stream, attachment)
      act(.send(connection, delivery, .announce(frame), token))
    }
    return !announces.isEmpty
  }

  /// What a reader is told of the logs of its stream, each with the log's place among them.
  private func announces(
    of attachment: Attachment, newest: Bool
  ) -> [(place: Int, frame: AnnounceFrame, token: DescriptorToken?)] {
    guard let stream = streams[attachment.stream] else { return [] }
    var announces: [(place: Int, frame: AnnounceFrame, token: DescriptorToken?)] = []
    for place in stream.logs.indices {
      let log = stream.logs[place]
      let isLast = place == stream.logs.count - 1
      if newest, !isLast { continue }
      guard !log.retired || log.holders.contains(attachment.id) else { continue }
      var flags: AnnounceFlags = []
      if attachment.fromStart { flags.insert(.fromStart) }
      if isLast { flags.insert(.current) }
      if log.token == nil { flags.insert(.held) }
      let frame = AnnounceFrame(
        subscription: attachment.subscription, attachment: attachment.number, stream: stream.id,
        publisherIncarnation: stream.publisher, publisher: stream.publisherUUID,
        publisherName: stream.publisherName, channel: stream.channel.text,
        generation: log.shape.generation, capacity: log.shape.capacity,
        segmentBytes: log.shape.segmentBytes, flags: flags,
        mayCall: callRights(of: stream))
      announces.append((place, frame, log.token))
    }
    return announces
  }

  /// Hands over a stream again, of which something was lost; what it has the reader knows itself.
  mutating func reannounce(_ frame: ReannounceFrame, of agent: Incarnation, _ asker: Requester) {
    guard !inGrace else {
      refuse(asker, .noRouter, "The router has just started: agents still hand in what they read.")
      return
    }
    settleNow(frame.stream)
    guard let reader = agents[agent], let subscription = reader.subscriptions[frame.subscription],
      let stream = streams[frame.stream], !stream.logs.isEmpty, heldStreams[stream.id] == nil,
      mayAttach(reader, subscription, to: stream.channel)
    else {
      refuse(asker, .invalid, "There is no such stream for this subscription.")
      return
    }
    walk(min(stream.attachments.count, subscription.attachments.count) * 2)
    let known = stream.attachments.intersection(subscription.attachments).first
    if let known, case .evicted? = attachments[known]?.phase {
      refuse(asker, .invalid, "The publisher has gone on without this reader.")
    } else if let known {
      announce(known, .news)
      answer(asker, .done)
    } else if stream.end == nil {
      let made = makeAttachment(
        agent, frame.subscription, stream.id, on: .fromHere)
      if let made { announce(made, .news) }
      answer(asker, .done)
    } else {
      refuse(asker, .invalid, "The stream has ended.")
    }
  }

  mutating func unsubscribe(_ number: UInt32, of agent: Incarnation) {
    guard let subscription = agents[agent]?.subscriptions[number] else { return }
    for attachment in subscription.attachments.sorted() {
      removeAttachment(attachment, tellPublisher: true)
    }
    index.remove(Reading(reader: agent, subscription: number), subscription)
    agents[agent]?.subscriptions[number] = nil
    count(\.subscriptions, -1, of: agents[agent]?.caller.uid)
    for missed in agents[agent]?.missed.sorted ?? [] where missed.subscription == number {
      forget(missed, of: agent)
      meetOthers(missed, of: agent)
    }
    agents[agent]?.missed.forget(number)
    let claims = agents[agent]?.claims ?? [:]
    walk(claims.count)
    for (id, claim) in claims where claim.subscription == number { dropClaim(id, of: agent) }
    guard subscription.isInbox else { return }
    agents[agent]?.hasInbox = false
    respondersChanged(ofNamesOf: agent)
  }

  static var epochs: UInt16 { 60 }
  /// What it takes to judge whether a stream is read by a subscription, in entries of tables.
  private static var entriesOfStream: Int { 64 }
}
