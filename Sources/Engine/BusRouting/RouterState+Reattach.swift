import BusAccess
import BusPorts
import BusWire

/// What a returning publisher says of a reader in its window.
struct RestoredReader {
  let stream: StreamID
  /// Nobody (0): the publisher expects it at the start of the stream and does not know whose it is.
  let reader: Incarnation

  var isExpected: Bool { reader.value == 0 }

  /// Counts as one, and says nothing.
  static let ofNothing = RestoredReader(stream: StreamID(0), reader: Incarnation(0))
}

extension RouterState {
  mutating func reattach(_ frame: ReattachFrame, _ segment: Segment, _ asker: Requester) {
    guard let connection = connections[asker.connection], connection.incarnation != nil,
      connection.agent == nil
    else {
      turnDown(segment, asker, Refusal(.invalid, "Reattach once, after hello."))
      return
    }
    let claimed = ticketBytes(frame.name, frame.agent, frame.incarnation, connection.peer)
    // One that has come back already and ended again stays ended: its readers were told so.
    let hasEndedHere = agents[frame.incarnation] != nil || budget.isCharging(frame.incarnation)
    guard inGrace || mayBeginGrace, isFormer(frame.incarnation.value), !hasEndedHere,
      verifies(frame.ticket, for: claimed)
    else {
      act(.close(segment.token))
      refuse(
        asker, .fenced,
        "This incarnation has ended, or the ticket is not its own: register again.")
      say(
        .notice, "process \(connection.peer.pid) may not reattach",
        kind: "a process may not reattach")
      return
    }
    let claim = Claim(
      name: frame.name, category: frame.category, agent: frame.agent,
      incarnation: frame.incarnation)
    guard admit(claim, segment, connection.peer, asker) else { return }
    inGrace = true
    agents[frame.incarnation]?.handingIn = .underWay
    sendRegistered(frame.incarnation, connection.peer, asker)
  }

  /// Whether the first agent that comes back begins a grace for all of them.
  var mayBeginGrace: Bool {
    guard identity.former == .stopped else { return false }
    return returnEndNs.map { nowNs < $0 } ?? true
  }

  /// Whether a former router made this number.
  private func isFormer(_ number: UInt64) -> Bool { number != 0 && number < incarnation.value }

  mutating func restoreLog(
    _ frame: RestoreLogFrame, _ segment: Segment, of agent: Incarnation, _ asker: Requester
  ) {
    guard let owner = agents[agent] else { return act(.close(segment.token)) }
    if let refusal = objection(to: frame, by: owner) { return turnDown(segment, asker, refusal) }
    guard let (shape, channel) = check(LogOffer(frame), segment, of: agent, asker) else {
      act(.close(segment.token))
      return
    }
    guard mayRestore(shape, channel, of: agent, into: streams[frame.stream]) else {
      turnDown(segment, asker, Self.isOutOfOrder)
      return
    }
    if frame.retired {
      // Its readers have it; nobody will be told of it again.
      act(.close(segment.token))
    } else {
      budget.charge(shape.segmentBytes, to: agent)
      var stream =
        streams[frame.stream]
        ?? BusStream(
          id: frame.stream, publisher: agent, publisherName: owner.name,
          publisherUUID: owner.uuid, publisherUser: owner.caller.uid, channel: channel,
          proof: frame.proof)
      stream.logs.append(StreamLog(token: segment.token, shape: shape, payer: agent))
      add(stream)
    }
    answer(
      asker,
      .logAdded(
        LogAddedFrame(
          stream: frame.stream, generation: frame.generation, expected: [], proof: frame.proof)))
  }

  /// What stands against a log of a former router, by what its publisher says of it; nil: nothing.
  func objection(to frame: RestoreLogFrame, by owner: Agent) -> Refusal? {
    if let refusal = objection(to: LogOffer(frame), by: owner) { return refusal }
    let claimed = proofBytes(frame.stream, frame.channel, of: owner.incarnation)
    guard verifies(frame.proof, for: claimed) else {
      return Refusal(
        .fenced, "No router gave this stream to this incarnation: register again.")
    }
    guard isFormer(frame.stream.value),
      owner.streams.contains(frame.stream) || owner.streams.count < limits.streamsPerAgent
    else { return Self.isOutOfOrder }
    return nil
  }

  private static var isOutOfOrder: Refusal {
    Refusal(.invalid, "The log does not follow the logs of this stream handed in so far.")
  }

  private func mayRestore(
    _ shape: LogShape, _ channel: Topic, of agent: Incarnation, into stream: BusStream?
  ) -> Bool {
    guard let stream else { return true }
    guard stream.publisher == agent, stream.channel == channel, stream.end == nil,
      stream.logs.count < limits.logsPerStream
    else { return false }
    guard let last = stream.logs.last?.shape else { return true }
    return shape.generation > last.generation && shape.basePosition >= last.basePosition
  }

  mutating func restoreReader(
    _ frame: RestoreReaderFrame, of agent: Incarnation, _ asker: Requester
  ) {
    guard handedInReaders[agent]?.count ?? 0 < limits.handedInReadersPerAgent else {
      refuse(
        asker, because: .limit,
        "A publisher may restore \(limits.handedInReadersPerAgent) readers.")
      return
    }
    // A publisher hands in its logs first: of what it has not, nobody will read on.
    guard streams[frame.stream]?.publisher == agent else {
      handedInReaders[agent, default: [:]][frame.attachment] = .ofNothing
      tell(agent, .leave(LeaveFrame(attachment: frame.attachment)))
      return
    }
    handedInReaders[agent, default: [:]][frame.attachment] = RestoredReader(
      stream: frame.stream, reader: frame.readerIncarnation)
    returning[frame.stream, default: Returning()].words.insert(frame.attachment)
  }

  mutating func restoreSubscription(
    _ frame: SubscribeFrame, of agent: Incarnation, _ asker: Requester
  ) {
    guard let subscription = checkSubscription(frame, of: agent, asker) else { return }
    add(subscription, of: agent)
    answer(asker, .subscribed(SubscribedFrame(subscription: frame.subscription, streams: 0)))
  }

  /// Keeps what a returning reader says it read, until the grace is over.
  ///
  /// It changes nothing before: streams are what their publishers hand in, and neither the number
  /// of a stream nor that of an attachment is taken by who names it first. But it counts as a
  /// reading from here on: what one had it finds room for, and nobody hands in more than it may
  /// have.
  mutating func restoreAttachment(
    _ frame: RestoreAttachmentFrame, of agent: Incarnation, _ asker: Requester
  ) {
    switch judge(frame, of: agent) {
    case .isNone: refuse(asker, .invalid, "This is no attachment of a former router.")
    case .isOver(let reason):
      tell(agent, .evicted(EvictedFrame(attachment: frame.attachment, reason: reason)))
    case .isKept(let user): keep(frame, of: agent, user)
    }
  }

  /// What becomes of a claim when it is handed in.
  private enum Reception {
    case isNone
    case isOver(String)
    /// Of an agent of this user.
    case isKept(UInt32)
  }

  /// Apart from what follows, so that no copy of the agent is left when its claims are changed.
  private func judge(_ frame: RestoreAttachmentFrame, of agent: Incarnation) -> Reception {
    guard let reader = agents[agent], let channel = try? Topic(frame.channel),
      (try? Topic(frame.publisherName)) != nil, isFormer(frame.attachment.value),
      isFormer(frame.stream.value), isFormer(frame.publisherIncarnation.value),
      reader.claims[frame.attachment] == nil, Int(frame.slot) < limits.attachmentsPerAgent,
      reader.places + reader.endedClaims < limits.attachmentsPerAgent,
      let subscription = reader.subscriptions[frame.subscription],
      !reader.claimedReadings.contains(frame.endedReading(of: agent))
    else { return .isNone }
    guard mayAttach(reader, subscription, to: channel) else {
      return .isOver("The policy does not give the right to read this channel any more.")
    }
    if let text = objection(toReadingOf: frame.stream, by: reader) { return .isOver(text) }
    return .isKept(reader.caller.uid)
  }

  private mutating func keep(
    _ claim: RestoreAttachmentFrame, of agent: Incarnation, _ user: UInt32
  ) {
    agents[agent]?.claims[claim.attachment] = claim
    agents[agent]?.claimedReadings.insert(claim.endedReading(of: agent))
    returning[claim.stream, default: Returning()].add(
      claim: claim.attachment, by: agent, of: user)
    if returning[claim.stream]?.isFirst(of: user) == true { awaited.add(claim.stream, of: user) }
    count(\.attachments, 1, of: user)
  }
}
