import BusAccess
import BusPorts
import BusWire

// What becomes of a stream for which a reader has no place.

extension RouterState {
  /// Tells a reader of a stream that it is not given, and remembers it for when there is a place.
  ///
  /// Of those that are not remembered it is told once: there may be thousands.
  mutating func miss(
    _ id: StreamID, _ subscription: UInt32, of reader: Incarnation, because reason: String
  ) {
    let missed = MissedStream(subscription: subscription, stream: id)
    guard agents[reader]?.missed.contains(missed) == false,
      let name = agents[reader]?.name, let frame = remember(missed, of: reader, reason)
    else { return }
    tell(reader, .missed(frame))
    say(
      .warning, "agent \(name): \(frame.text)", kind: "agent \(name) has no place for a stream")
  }

  /// Returns what its reader is to be told; nil: it was.
  private mutating func remember(
    _ missed: MissedStream, of reader: Incarnation, _ reason: String
  ) -> MissedFrame? {
    guard let stream = streams[missed.stream], let user = agents[reader]?.caller.uid else {
      return nil
    }
    guard stream.end == nil else { return frame(of: missed, reason) }
    let (owner, most) = (stream.publisherUser, limits.missedKeptPerAgent)
    agents[reader]?.missed.reason = reason
    let isKept = agents[reader]?.missed.insert(missed, of: owner, isOwn: owner == user, most: most)
    guard isKept == true else {
      return overflow(missed.subscription, of: reader, reason)
    }
    let reading = Reading(reader: reader, subscription: missed.subscription)
    streams[missed.stream]?.missedBy.insert(reading)
    missing[user, default: Rounds()].insert(reader)
    return frame(of: missed, reason)
  }

  /// What a subscription is told that misses more than is kept in mind; nil: it was.
  private mutating func overflow(
    _ subscription: UInt32, of reader: Incarnation, _ reason: String
  ) -> MissedFrame? {
    let isNew = agents[reader]?.missed.overflow(subscription, reason) == true
    return isNew ? frame(ofMoreThan: subscription, reason) : nil
  }

  /// Other subscriptions of an agent miss a stream as well as the one that was looked at: their
  /// agent tells them, but of a stream that was named to none.
  mutating func missAlso(
    _ id: StreamID, _ others: [UInt32], like first: UInt32, of reader: Incarnation
  ) {
    let missed = MissedStream(subscription: first, stream: id)
    guard let agent = agents[reader], !agent.missed.contains(missed),
      let reason = agent.missed.overflowing[first]
    else { return }
    for number in others {
      if let frame = overflow(number, of: reader, reason) { tell(reader, .missed(frame)) }
    }
  }

  /// A reader does not wait for a stream any more: it reads it, or one of them is gone.
  mutating func forget(_ missed: MissedStream, of reader: Incarnation) {
    let reading = Reading(reader: reader, subscription: missed.subscription)
    streams[missed.stream]?.missedBy.remove(reading)
    guard let user = agents[reader]?.caller.uid else { return }
    agents[reader]?.missed.remove(missed)
    guard agents[reader]?.missed.isEmpty == true else { return }
    missing[user]?.remove(reader)
    if missing[user]?.isEmpty == true { missing[user] = nil }
  }

  /// The same for whatever a reader waits for.
  mutating func forgetMissed(of reader: Incarnation) {
    let missed = agents[reader]?.missed.sorted ?? []
    walk(missed.count * Self.entriesOfMissed)
    for one in missed { forget(one, of: reader) }
  }

  /// The same for a stream that has ended, and whoever waits for it.
  mutating func forgetMissing(_ id: StreamID) {
    guard let readings = streams[id]?.missedBy, !readings.isEmpty else { return }
    walk(readings.count * Self.entriesOfMissed)
    for reading in readings {
      forget(MissedStream(subscription: reading.subscription, stream: id), of: reading.reader)
    }
  }

  private func frame(of missed: MissedStream, _ reason: String) -> MissedFrame? {
    guard let stream = streams[missed.stream] else { return nil }
    return MissedFrame(
      subscription: missed.subscription, stream: stream.id, publisherName: stream.publisherName,
      channel: stream.channel.text, code: BusErrorCode.resourceExhausted.rawValue,
      text: "Messages of \(stream.publisherName) on \(stream.channel) are missed. \(reason)")
  }

  /// Stands for all streams that a subscription misses and that are not named.
  private func frame(ofMoreThan subscription: UInt32, _ reason: String) -> MissedFrame {
    MissedFrame(
      subscription: subscription, stream: StreamID(0), publisherName: "", channel: "",
      code: BusErrorCode.resourceExhausted.rawValue,
      text: "Further streams are missed, and not given later: subscribe to less. \(reason)")
  }

  /// What a snapshot says of all that an agent misses.
  func missedFrames(of agent: Agent) -> [MissedFrame] {
    agent.missed.sorted.compactMap { frame(of: $0, agent.missed.reason) }
      + agent.missed.overflowing.sorted { $0.key < $1.key }.map { frame(ofMoreThan: $0, $1) }
  }

  /// Gives readers what they missed, as far as there are places now: so much in a tick for the
  /// agents of each user, which have their turns one after another.
  mutating func offerMissed() {
    for user in missing.keys.sorted() {
      let most = effort + Self.offeredPerTick
      for _ in 0..<(missing[user]?.count ?? 0) where effort < most {
        guard let reader = missing[user]?.next() else { break }
        offerMissed(to: reader, until: most)
      }
    }
  }

  private mutating func offerMissed(to reader: Incarnation, until most: Int) {
    walk(Self.entriesOfMissed)
    for _ in 0..<(agents[reader]?.missed.count ?? 0) where effort < most {
      walk(Self.entriesOfMissed)
      // Looked at apart from what follows: a copy that is held makes its tables be copied.
      guard agents[reader].map({ objection(toOneMoreReadingBy: $0) == nil }) == true,
        let missed = agents[reader]?.missed.next()
      else { return }
      offer(missed, to: reader)
    }
  }

  /// Gives a reader a stream that it missed, if there is a place for it.
  private mutating func offer(_ missed: MissedStream, to reader: Incarnation) {
    if isMissed(missed, by: reader) {
      guard let made = makeAttachment(reader, missed.subscription, missed.stream, on: .fromHere)
      else { return }
      announce(made, .news)
    }
    forget(missed, of: reader)
    meetOthers(missed, of: reader)
  }

  private func isMissed(_ missed: MissedStream, by reader: Incarnation) -> Bool {
    let reading = Reading(reader: reader, subscription: missed.subscription)
    guard let stream = streams[missed.stream] else { return false }
    // The end of a grace may have given it already.
    return stream.end == nil && agents[reader]?.subscriptions[missed.subscription] != nil
      && !stream.readings.contains(reading)
  }

  /// What readers of one user are given in a tick of what they missed, in actions.
  private static var offeredPerTick: Int { 256 }
  /// What it takes to offer a stream, or to forget that one is missed, in entries of tables.
  private static var entriesOfMissed: Int { 16 }
}
