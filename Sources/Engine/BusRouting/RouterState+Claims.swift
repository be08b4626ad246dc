import BusPorts
import BusWire

// Readings of a former router: what their readers claim, and what their publishers say of it.

/// A subscription whose reading of a stream is over: it does not begin anew by itself.
struct EndedReading: Hashable {
  let reading: Reading
  let stream: StreamID
}

extension RestoreAttachmentFrame {
  /// The reading that it claims, or ends.
  func endedReading(of reader: Incarnation) -> EndedReading {
    EndedReading(
      reading: Reading(reader: reader, subscription: subscription), stream: stream)
  }
}

extension RouterState {
  /// Compares what returning readers claim with what publishers handed in; the publisher's word
  /// holds.
  mutating func settleClaims() -> Set<EndedReading> {
    var claimants: [AttachmentID: Int] = [:]
    for agent in agents.values {
      for id in agent.claims.keys { claimants[id, default: 0] += 1 }
    }
    var ended: Set<EndedReading> = []
    for (reader, claim) in drainClaims(&ended) {
      guard let stream = streams[claim.stream], stream.channel.text == claim.channel,
        stream.publisher == claim.publisherIncarnation
      else {
        endLost(claim, of: reader)
        continue
      }
      let isSole = claimants[claim.attachment] == 1
      guard let attachment = attachment(from: claim, of: reader, in: stream, isSole: isSole) else {
        if isSole { ended.insert(claim.endedReading(of: reader)) }
        continue
      }
      insert(attachment)
    }
    return ended
  }

  /// All claims, those first that a publisher confirms: a number is theirs.
  private mutating func drainClaims(
    _ ended: inout Set<EndedReading>
  ) -> [(Incarnation, RestoreAttachmentFrame)] {
    var confirmed: [(Incarnation, RestoreAttachmentFrame)] = []
    var others: [(Incarnation, RestoreAttachmentFrame)] = []
    for reader in agents.keys.sorted() {
      guard let agent = agents[reader] else { continue }
      ended.formUnion(agent.endedReadings)
      for id in agent.claims.keys.sorted() {
        guard let claim = agent.claims[id] else { continue }
        if isConfirmed(claim, of: reader) {
          confirmed.append((reader, claim))
        } else {
          others.append((reader, claim))
        }
      }
      agents[reader]?.claims = [:]
      agents[reader]?.claimedReadings = []
      agents[reader]?.endedReadings = []
    }
    return confirmed + others
  }

  /// A reader claims that no more; returns the reading it was.
  @discardableResult
  mutating func dropClaim(_ id: AttachmentID, of reader: Incarnation) -> EndedReading? {
    guard let claim = agents[reader]?.claims.removeValue(forKey: id) else { return nil }
    return agents[reader]?.claimedReadings.remove(claim.endedReading(of: reader))
  }

  /// Whether the publisher has handed this reader in.
  private func isConfirmed(_ claim: RestoreAttachmentFrame, of reader: Incarnation) -> Bool {
    let word = handedInReaders[claim.publisherIncarnation]?[claim.attachment]
    return word?.stream == claim.stream && word?.reader == reader
  }

  /// The reading that a claim stands for; nil after its reader was told why there is none.
  private mutating func attachment(
    from claim: RestoreAttachmentFrame, of reader: Incarnation, in stream: BusStream, isSole: Bool
  ) -> Attachment? {
    let word = handedInReaders[stream.publisher]?[claim.attachment]
    let isOfStream = word?.stream == stream.id
    let isConfirmed = isConfirmed(claim, of: reader)
    let isExpected = isOfStream && word?.isExpected == true && isSole
    // Who reads an ended stream to its end holds nobody back.
    guard isConfirmed || (claim.joined ? stream.end != nil : isSole) else {
      let reason =
        claim.joined
        ? "The publisher no longer knew of this reader."
        : "Several agents claimed this reading after the router's restart."
      tell(reader, .evicted(EvictedFrame(attachment: claim.attachment, reason: reason)))
      return nil
    }
    guard attachments[claim.attachment] == nil else {
      let reason = "Another agent reads under this number."
      tell(reader, .evicted(EvictedFrame(attachment: claim.attachment, reason: reason)))
      return nil
    }
    if !isConfirmed, let reason = agents[reader].flatMap({ objection(toReading: stream, by: $0) }) {
      tell(reader, .evicted(EvictedFrame(attachment: claim.attachment, reason: reason)))
      return nil
    }
    // Who was promised the start and never let in has it, where nobody holds it back for that: of a
    // lossless reader only the publisher can say that it still does, unless it has ended.
    let mode = agents[reader]?.subscriptions[claim.subscription]?.mode
    let isPromised = claim.fromStart && !claim.joined && (mode != .lossless || stream.end != nil)
    var attachment = Attachment(
      id: claim.attachment, reader: reader, subscription: claim.subscription, stream: stream.id,
      publisher: stream.publisher, publisherUser: stream.publisherUser,
      fromStart: isExpected || isPromised, expected: isExpected)
    attachment.slot = claim.slot
    attachment.phase = claim.joined ? .resumed : .attached
    return attachment
  }

  /// The publisher did not come back; its readers have what there is.
  private mutating func endLost(_ claim: RestoreAttachmentFrame, of reader: Incarnation) {
    if claim.joined {
      let frame = StreamEndedFrame(stream: claim.stream, finalPosition: .max, reason: .died)
      tell(reader, .streamEnded(frame))
    } else {
      let reason = "The publisher ended before it answered."
      tell(reader, .evicted(EvictedFrame(attachment: claim.attachment, reason: reason)))
    }
  }

  /// Says that a stream which was handed in has ended since, after it was announced: a reader that
  /// heard of the end first would take the announce for a new reading.
  mutating func tellEnd(to id: AttachmentID) {
    guard let attachment = attachments[id], let end = streams[attachment.stream]?.end else {
      return
    }
    if case .attached = attachment.phase { joinEnded(attachment.id) }
    let frame = StreamEndedFrame(
      stream: attachment.stream, finalPosition: end.finalPosition, reason: end.reason)
    tell(attachment.reader, .streamEnded(frame))
  }

  /// Tells publishers which of their readers did not come back; those who were promised the start
  /// of a stream are held back for when it is settled.
  mutating func letUnclaimedGo() {
    for publisher in handedInReaders.keys.sorted() {
      let readers = handedInReaders[publisher] ?? [:]
      var gone: Set<Incarnation> = []
      var unmet: [StreamID: [AttachmentID]] = [:]
      for id in readers.keys.sorted() {
        guard let word = readers[id] else { continue }
        // Whose the number was nobody knows: that somebody claims it does not say that it was his.
        if word.isExpected { unmet[word.stream, default: []] += [] }
        guard !isServed(id, word, by: publisher) else { continue }
        if word.isExpected {
          unmet[word.stream, default: []].append(id)
        } else if agents[word.reader] == nil {
          gone.insert(word.reader)
        } else {
          tell(publisher, .leave(LeaveFrame(attachment: id)))
        }
      }
      for stream in unmet.keys.sorted() {
        if streams[stream]?.publisher == publisher {
          unmetReaders[stream] = unmet[stream]
        } else {
          for id in unmet[stream] ?? [] { tell(publisher, .leave(LeaveFrame(attachment: id))) }
        }
      }
      for reader in gone.sorted() {
        tell(publisher, .agentGone(AgentGoneFrame(incarnation: reader)))
      }
    }
  }

  private func isServed(
    _ id: AttachmentID, _ word: RestoredReader, by publisher: Incarnation
  ) -> Bool {
    guard let attachment = attachments[id] else { return false }
    return attachment.stream == word.stream && attachment.publisher == publisher
      && (word.isExpected || attachment.reader == word.reader)
  }

  /// Lossless subscribers that never heard of a stream read it from its start, where its publisher
  /// still waits for those that the former router had promised.
  mutating func meetExpected(_ id: StreamID, of publisher: Incarnation) {
    guard let stream = streams[id], stream.end == nil,
      stream.logs.first?.shape.generation == 0
    else { return }
    let present = stream.readings
    var made: [AttachmentID] = []
    for (reader, number, mode) in readers(of: stream.channel)
    where mode == .lossless && made.count < limits.expectedMax {
      let reading = Reading(reader: reader, subscription: number)
      guard !present.contains(reading),
        !endedHere.contains(EndedReading(reading: reading, stream: id)),
        let one = makeAttachment(reader, number, id, fromStart: true, expected: true)
      else { continue }
      made.append(one)
      announce(one, .news)
    }
    guard !made.isEmpty, let last = stream.logs.last else { return }
    let frame = LogAddedFrame(
      stream: id, generation: last.shape.generation, expected: made,
      proof: stream.proof)
    tell(publisher, .logAdded(frame))
  }
}
