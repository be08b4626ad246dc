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

// Everybody has a share: what keeps one publisher from taking all of a reader's places.

extension RouterState {
  /// Why a reader is not given one more stream of this publisher; nil: it is.
  ///
  /// A publisher may hold as many places of a reader as are still free, so never more than half of
  /// them, and a few in any case while there is one. All publishers of one user together may hold
  /// four times as many as are free, so never more than four fifths: whoever comes from elsewhere
  /// finds a place. The reader's own user is not held to that, it could end the reader as well.
  func objection(toReading stream: BusStream, by reader: Agent) -> String? {
    if let text = objection(toOneMoreReadingBy: reader) { return text }
    if let text = objection(toReaderOf: stream, reader) { return text }
    guard nowNs >= reader.owesUntilNs || hasRoom(forLogsOf: stream, reader) else {
      return "Logs that had ended were taken from the agent, and neither it nor its user has room "
        + "for those of this stream: wait a minute, or close streams of its user."
    }
    let most = limits.attachmentsPerAgent
    let free = most - reader.places
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

  /// Whether a reader of another user could be charged with the logs of a stream; who writes to an
  /// inbox does so at its own risk.
  private func hasRoom(forLogsOf stream: BusStream, _ reader: Agent) -> Bool {
    guard let user = stream.publisherUser, user != reader.caller.uid,
      InboxChannel(stream.channel.text) == nil
    else { return true }
    let bytes = stream.logs.reduce(0) { $0 + $1.shape.segmentBytes }
    return budget.mayTakeOver(bytes, of: user, by: reader.incarnation, quota: reader.quota)
  }

  /// Why a reader is given no more streams, whichever they are; nil: it is.
  func objection(toOneMoreReadingBy reader: Agent) -> String? {
    guard reader.places < limits.attachmentsPerAgent else {
      return "The agent reads \(reader.places) streams, as many as it may: subscribe to "
        + "less, or read in several agents."
    }
    let use = budget.use(by: reader.incarnation)
    let own = use.bytes - use.heldBytes
    guard reader.drainingBytes == 0 || own + reader.drainingBytes <= reader.quota else {
      return "The agent holds \(reader.drainingBytes) bytes of logs that have ended, more than its "
        + "quota of \(reader.quota) leaves: read them to their end, or end the agent."
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
