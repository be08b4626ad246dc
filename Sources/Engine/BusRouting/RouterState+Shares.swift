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
    Self.takeOne(from: &byPublisher, attachment.publisher)
    if let user = attachment.publisherUser { Self.takeOne(from: &byUser, user) }
  }

  private static func takeOne<Key>(from counts: inout [Key: Int], _ key: Key) {
    let left = (counts[key] ?? 1) - 1
    counts[key] = left == 0 ? nil : left
  }
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
    let free = most - reader.attachments.count
    guard free > 0 else {
      return "The agent reads \(reader.attachments.count) streams, as many as it may: subscribe to "
        + "less, or read in several agents."
    }
    let held = budget.use(by: reader.incarnation)
    guard held.heldBytes == 0 || held.bytes <= reader.quota else {
      return "The agent holds \(held.heldBytes) bytes of logs that have ended, more than its quota "
        + "of \(reader.quota) leaves: read them to their end, or end the agent."
    }
    let kept = limits.attachmentsKeptPerPublisher
    let own = reader.shares.byPublisher[stream.publisher] ?? 0
    guard own < max(kept, free) else {
      return "The agent reads \(own) streams of this publisher; its other \(free) places of "
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

  /// Tells a reader of a stream that it is not given, and remembers it for when there is a place.
  mutating func miss(
    _ id: StreamID, _ subscription: UInt32, of reader: Incarnation, because reason: String
  ) {
    guard let agent = agents[reader] else { return }
    let missed = MissedStream(subscription: subscription, stream: id)
    guard !agent.missed.contains(missed) else { return }
    if agent.missed.count < limits.missedKeptPerAgent { agents[reader]?.missed.append(missed) }
    agents[reader]?.missedReason = reason
    missing.insert(reader)
    if let frame = frame(of: missed, reason) {
      tell(reader, .missed(frame))
      say(
        .warning, "agent \(agent.name): \(frame.text)",
        kind: "agent \(agent.name) has no place for a stream")
    }
  }

  func frame(of missed: MissedStream, _ reason: String) -> MissedFrame? {
    guard let stream = streams[missed.stream] else { return nil }
    return MissedFrame(
      subscription: missed.subscription, publisherName: stream.publisherName,
      channel: stream.channel.text, code: BusErrorCode.resourceExhausted.rawValue,
      text: "Messages of \(stream.publisherName) on \(stream.channel) are missed. \(reason)")
  }

  /// Gives readers what they missed, as far as there are places now.
  mutating func offerMissed() {
    for reader in missing.sorted() {
      guard let agent = agents[reader] else { continue }
      var left: [MissedStream] = []
      for missed in agent.missed {
        let reading = Reading(reader: reader, subscription: missed.subscription)
        guard let stream = streams[missed.stream], stream.end == nil,
          agent.subscriptions[missed.subscription] != nil,
          // The end of a grace may have given it already.
          !readings(of: stream).contains(reading)
        else { continue }
        if agents[reader].map({ objection(toReading: stream, by: $0) }) == .some(nil),
          let made = makeAttachment(
            reader, missed.subscription, stream.id, fromStart: false, expected: false)
        {
          announce(made, .news)
        } else {
          left.append(missed)
        }
      }
      agents[reader]?.missed = left
      if left.isEmpty { missing.remove(reader) }
    }
    missing = missing.filter { agents[$0] != nil }
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
