import BusAccess
import BusPorts
import BusWire

/// Whose streams take the places of one reader.
struct ReadingShares {
  private(set) var byPublisher: [Incarnation: Int] = [:]
  private(set) var byUser: [UInt32: Int] = [:]

  mutating func add(_ attachment: Attachment) {
    byPublisher[attachment.publisher, default: 0] += 1
    if let user = attachment.publisherUser { byUser[user, default: 0] += 1 }
  }

  mutating func remove(_ attachment: Attachment) {
    byPublisher.takeOne(attachment.publisher)
    if let user = attachment.publisherUser { byUser.takeOne(user) }
  }
}

extension Dictionary where Value == Int {
  /// One less; none is not kept.
  mutating func takeOne(_ key: Key) { self[key] = self[key].flatMap { $0 > 1 ? $0 - 1 : nil } }
}

/// A stream that a subscription should read and was not given, because there was no place for it.
struct MissedStream: Hashable {
  let subscription: UInt32
  let stream: StreamID
}

// Everybody has a share: what keeps one publisher from taking all of a reader's places, and what
// becomes of a stream for which there is none.

extension RouterState {
  /// Why a reader is not given one more stream of this publisher; nil: it is.
  ///
  /// A publisher may hold as many places of a reader as are still free, so never more than half of
  /// them, and a few in any case while there is one. All publishers of one user together may hold
  /// four times as many as are free, so never more than four fifths: whoever comes from elsewhere
  /// finds a place. The reader's own user is not held to that, it could end the reader as well.
  func objection(toReading stream: BusStream, by reader: Agent) -> String? {
    let most = limits.attachmentsPerAgent
    let free = most - reader.places
    guard free > 0 else {
      return "The agent reads \(reader.places) streams, as many as it may: subscribe to "
        + "less, or read in several agents."
    }
    let use = budget.use(by: reader.incarnation)
    let own = use.bytes - use.heldBytes
    guard reader.drainingBytes == 0 || own + reader.drainingBytes <= reader.quota else {
      return "The agent holds \(reader.drainingBytes) bytes of logs that have ended, more than its "
        + "quota of \(reader.quota) leaves: read them to their end, or end the agent."
    }
    if let text = objection(toReaderOf: stream, reader) { return text }
    let kept = limits.attachmentsKeptPerPublisher
    let ofPublisher = reader.shares.byPublisher[stream.publisher] ?? 0
    guard ofPublisher < max(kept, free) else {
      return
        "The agent reads \(ofPublisher) streams of this publisher; its other \(free) places of "
        + "\(most) are kept for other publishers: publish on fewer channels."
    }
    guard let user = stream.publisherUser, user != reader.caller.uid else { return nil }
    let others = reader.shares.byUser[user] ?? 0
    guard others < max(kept, 4 * free) else {
      return "The agent reads \(others) streams of user \(user); its other \(free) places of "
        + "\(most) are kept for other users."
    }
    return nil
  }

  /// Why a stream is not given one more reader; nil: it is.
  ///
  /// Each of them costs its publisher something and the router a frame for each of its logs. What
  /// one user may take leaves as much to others; the router's own user is not held to that.
  private func objection(toReaderOf stream: BusStream, _ reader: Agent) -> String? {
    guard stream.readings.count < limits.readersPerStream else {
      return "The stream has \(limits.readersPerStream) readers, as many as it may have."
    }
    guard attachments.count < limits.attachments else { return tooManyReadings }
    return objection(toReadingOf: stream.id, by: reader)
  }

  var tooManyReadings: String {
    "All agents together read \(limits.attachments) streams, as many as they may."
  }

  /// Why an agent may not read a stream once more, as far as that is its own and its user's affair,
  /// whoever else reads it; nil: it may.
  func objection(toReadingOf id: StreamID, by reader: Agent) -> String? {
    guard readings(of: id, by: reader.incarnation) < limits.readingsPerStreamAndAgent else {
      return "The agent reads this stream \(limits.readingsPerStreamAndAgent) times already: "
        + "its other subscriptions miss it. Subscribe with wider patterns, or less often."
    }
    let user = reader.caller.uid
    guard user != identity.uid else { return nil }
    let most = limits.share(of: limits.readersPerStream)
    let ofUser = streams[id]?.readersOfUser[user] ?? 0
    guard ofUser + (returning[id]?.claimsOfUser[user] ?? 0) < most else {
      return "The stream has \(most) readers of user \(user), those of one user may not be more."
    }
    return objection(
      toOneMore: \.attachments, "readings of streams", of: user, all: limits.attachments)
  }

  /// How often an agent reads a stream, or claims to have read it.
  private func readings(of id: StreamID, by reader: Incarnation) -> Int {
    (streams[id]?.readers[reader] ?? 0) + (returning[id]?.claims[reader]?.count ?? 0)
  }

  /// Tells a reader of a stream that it is not given, and remembers it for when there is a place.
  mutating func miss(
    _ id: StreamID, _ subscription: UInt32, of reader: Incarnation, because reason: String
  ) {
    guard let agent = agents[reader] else { return }
    let missed = MissedStream(subscription: subscription, stream: id)
    guard !agent.missed.contains(missed) else { return }
    remember(missed, of: reader)
    agents[reader]?.missedReason = reason
    if let frame = frame(of: missed, reason) {
      tell(reader, .missed(frame))
      say(
        .warning, "agent \(agent.name): \(frame.text)",
        kind: "agent \(agent.name) has no place for a stream")
    }
  }

  /// Keeps in mind what a reader has no place for.
  mutating func remember(_ missed: MissedStream, of reader: Incarnation) {
    guard let agent = agents[reader] else { return }
    missing.insert(reader)
    guard agent.missed.count < limits.missedKeptPerAgent, !agent.missed.contains(missed) else {
      return
    }
    agents[reader]?.missed.append(missed)
  }

  func frame(of missed: MissedStream, _ reason: String) -> MissedFrame? {
    guard let stream = streams[missed.stream] else { return nil }
    return MissedFrame(
      subscription: missed.subscription, publisherName: stream.publisherName,
      channel: stream.channel.text, code: BusErrorCode.resourceExhausted.rawValue,
      text: "Messages of \(stream.publisherName) on \(stream.channel) are missed. \(reason)")
  }

  /// Gives readers what they missed, as far as there are places now; so many of them in a tick.
  mutating func offerMissed() {
    let waiting = missing.sorted()
    let first = waiting.firstIndex { $0 > lastOffered } ?? 0
    for reader in (waiting[first...] + waiting[..<first]).prefix(Self.offersPerTick) {
      lastOffered = reader
      guard let agent = agents[reader] else {
        missing.remove(reader)
        continue
      }
      // Others may miss it meanwhile, who come behind.
      let given = Set(agent.missed.filter { offer($0, to: reader) })
      agents[reader]?.missed.removeAll { given.contains($0) }
      if agents[reader]?.missed.isEmpty ?? true { missing.remove(reader) }
    }
  }

  /// Readers that are offered what they missed in one tick, each of what is kept for it.
  private static var offersPerTick: Int { 64 }

  /// Gives a reader a stream that it missed; false while there is no place for it.
  private mutating func offer(_ missed: MissedStream, to reader: Incarnation) -> Bool {
    guard isMissed(missed, by: reader) else {
      meetOthers(missed, of: reader)
      return true
    }
    guard
      let made = makeAttachment(
        reader, missed.subscription, missed.stream, on: .fromHere)
    else { return false }
    announce(made, .news)
    meetOthers(missed, of: reader)
    return true
  }

  private func isMissed(_ missed: MissedStream, by reader: Incarnation) -> Bool {
    let reading = Reading(reader: reader, subscription: missed.subscription)
    guard let agent = agents[reader], let stream = streams[missed.stream] else { return false }
    // The end of a grace may have given it already.
    return stream.end == nil && agent.subscriptions[missed.subscription] != nil
      && !stream.readings.contains(reading)
  }

  /// Why an agent may not open one more stream on a channel; nil: it may.
  func objection(toStreamOn channel: Topic, by owner: Agent) -> String? {
    guard owner.streams.count < limits.streamsPerAgent else {
      return "An agent may publish \(limits.streamsPerAgent) streams: close some."
    }
    let here = owner.streamsOn[channel] ?? ChannelStreams()
    if InboxChannel(channel.text) != nil {
      guard here.living < 1, here.ending < 1 || here.living == 0 else {
        return "One log stream is enough for a lane of an inbox: write to the one that is open."
      }
      guard here.living + here.ending < limits.streamsPerLane else {
        return "\(here.ending) streams to this inbox have ended and are still being read: wait "
          + "until its owner has read them."
      }
      return nil
    }
    guard here.living < limits.streamsPerChannel else {
      return "An agent may have \(limits.streamsPerChannel) publishers on one channel: publish "
        + "through one of them."
    }
    return nil
  }
}

/// How many streams of one publisher there are on one channel.
struct ChannelStreams {
  var living = 0
  /// Ended, and still read by somebody.
  var ending = 0
}
