import BusAccess
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

/// What becomes of a reading that its reader claims and no publisher confirms.
private enum Verdict {
  case isGiven(isExpected: Bool)
  /// It ends here, and the subscription does not read the stream anew by itself.
  case isOver(String)
  /// It ends under this number, which says nothing of whether the stream may be read.
  case isAnew(String)
}

extension RouterState {
  /// Compares what returning readers claim of a stream with what its publisher handed in, whose
  /// word holds.
  ///
  /// A reading that its publisher confirms is never lost to others: they cannot have the number
  /// with that publisher, and with another it is another reading.
  mutating func settleClaims(_ returning: Returning, on id: StreamID) {
    let stream = streams[id].map { ClaimedStream($0, isOver: isOver($0)) }
    var others: [(reader: Incarnation, claim: RestoreAttachmentFrame)] = []
    var claimants: [AttachmentID: Int] = [:]
    var confirmed = 0
    for (reader, numbers) in returning.claims.sorted(by: { $0.key < $1.key }) {
      for number in numbers.sorted() {
        guard let claim = dropClaim(number, of: reader) else { continue }
        guard let stream, stream.channel == claim.channel,
          stream.publisher == claim.publisherIncarnation
        else {
          endLost(claim, of: reader)
          continue
        }
        claimants[number, default: 0] += 1
        if !isConfirmed(claim, of: reader) {
          others.append((reader, claim))
        } else if confirmed < limits.readersPerStream {
          confirmed += 1
          restore(claim, of: reader, in: stream, isExpected: false)
        } else {
          end(claim, of: reader, because: fullText, isOver: true)
        }
      }
    }
    guard let stream else { return }
    for (reader, claim) in others {
      let isSole = claimants[claim.attachment] == 1
      switch verdict(on: claim, in: stream, isSole: isSole) {
      case .isGiven(let isExpected):
        restore(claim, of: reader, in: stream, isExpected: isExpected)
      case .isOver(let reason): end(claim, of: reader, because: reason, isOver: true)
      case .isAnew(let reason):
        end(claim, of: reader, because: reason, isOver: false)
        beginAnew(claim, of: reader, in: stream)
      }
    }
  }

  /// Whether a stream has ended, or will, as its publisher did not finish handing in: it cannot
  /// have said of everybody who reads it.
  private func isOver(_ stream: BusStream) -> Bool {
    stream.end != nil || agents[stream.publisher]?.handingIn != .done
  }

  /// A reader claims that no more.
  @discardableResult
  mutating func dropClaim(
    _ id: AttachmentID, of reader: Incarnation
  ) -> RestoreAttachmentFrame? {
    guard let claim = agents[reader]?.claims.removeValue(forKey: id),
      let user = agents[reader]?.caller.uid
    else { return nil }
    agents[reader]?.claimedReadings.remove(claim.endedReading(of: reader))
    returning[claim.stream]?.remove(claim: id, by: reader, of: user)
    if returning[claim.stream]?.isEmpty == true { returning[claim.stream] = nil }
    // What it claims anew in the grace counts with these: nobody hands in without bound.
    agents[reader]?.endedClaims += 1
    count(\.attachments, -1, of: user)
    return claim
  }

  /// Whether the publisher has handed this reader in.
  private func isConfirmed(_ claim: RestoreAttachmentFrame, of reader: Incarnation) -> Bool {
    let word = handedInReaders[claim.publisherIncarnation]?[claim.attachment]
    return word?.stream == claim.stream && word?.reader == reader
  }

  private func verdict(
    on claim: RestoreAttachmentFrame, in stream: ClaimedStream, isSole: Bool
  ) -> Verdict {
    // Who reads an ended stream to its end holds nobody back.
    guard stream.isOver || !claim.joined else {
      return .isOver("The publisher no longer knew of this reader.")
    }
    guard stream.isOver || isSole else {
      return .isAnew("Several agents claimed this reading after the router's restart.")
    }
    let word = handedInReaders[stream.publisher]?[claim.attachment]
    let isExpected = word.map { $0.stream == stream.id && $0.isExpected } ?? false
    let isTaken =
      !stream.isOver && attachment(claim.attachment, publishedBy: stream.publisher) != nil
    guard word == nil || isExpected, !isTaken else {
      return .isAnew("Another agent reads under this number.")
    }
    guard streams[stream.id]?.readings.count ?? 0 < limits.readersPerStream else {
      return .isOver(fullText)
    }
    // A reading that its publisher confirms has its place; of the others nobody knows whether they
    // were, and whoever makes them up would take the places of all.
    guard attachments.count < limits.attachments else { return .isOver(tooManyReadings) }
    return .isGiven(isExpected: isExpected && isSole)
  }

  /// Gives a reader back what it read.
  private mutating func restore(
    _ claim: RestoreAttachmentFrame, of reader: Incarnation, in stream: ClaimedStream,
    isExpected: Bool
  ) {
    var attachment = Attachment(
      id: ownNumber(for: claim.attachment), number: claim.attachment, reader: reader,
      subscription: claim.subscription, stream: stream.id, publisher: stream.publisher,
      publisherUser: stream.publisherUser,
      fromStart: isExpected || isPromised(claim, of: reader, in: stream), expected: isExpected)
    attachment.slot = claim.slot
    attachment.phase = claim.joined ? .resumed : .attached
    insert(attachment)
  }

  /// Whether a reader that was promised the start and never let in has it: where nobody holds it
  /// back for that.
  ///
  /// Of a lossless reader only the publisher can say that it still does, unless it has ended.
  private func isPromised(
    _ claim: RestoreAttachmentFrame, of reader: Incarnation, in stream: ClaimedStream
  ) -> Bool {
    let mode = agents[reader]?.subscriptions[claim.subscription]?.mode
    return claim.fromStart && !claim.joined && (mode != .lossless || stream.isOver)
  }

  private mutating func end(
    _ claim: RestoreAttachmentFrame, of reader: Incarnation, because reason: String, isOver: Bool
  ) {
    if isOver { endedHere.insert(claim.endedReading(of: reader)) }
    tell(reader, .evicted(EvictedFrame(attachment: claim.attachment, reason: reason)))
  }

  /// A reader that has lost its number to nobody in particular keeps the start it was promised.
  private mutating func beginAnew(
    _ claim: RestoreAttachmentFrame, of reader: Incarnation, in stream: ClaimedStream
  ) {
    guard isPromised(claim, of: reader, in: stream), !stream.isOver,
      let made = makeAttachment(
        reader, claim.subscription, stream.id,
        on: ReadingTerms(fromStart: true, isExpected: false))
    else { return }
    announce(made, .news)
  }

  private var fullText: String {
    "The stream has \(limits.readersPerStream) readers, as many as it may have."
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

  /// Tells a publisher which readers of its stream did not come back.
  ///
  /// Those who were promised its start are held back for until the stream is settled: they are
  /// returned, nil where nobody was.
  mutating func letUnclaimedGo(
    _ returning: Returning, of id: StreamID, by publisher: Incarnation
  ) -> [AttachmentID]? {
    var unmet: [AttachmentID]?
    for number in returning.words.sorted() {
      guard let word = handedInReaders[publisher]?[number], word.stream == id else { continue }
      // Whose the number was nobody knows: that somebody claims it does not say that it was his.
      if word.isExpected { unmet = unmet ?? [] }
      guard !isServed(number, word, by: publisher) else { continue }
      if word.isExpected {
        unmet?.append(number)
      } else if agents[word.reader] != nil {
        tell(publisher, .leave(LeaveFrame(attachment: number)))
      } else if toldGone[publisher, default: []].insert(word.reader).inserted {
        // It is gone from all streams of this publisher.
        tell(publisher, .agentGone(AgentGoneFrame(incarnation: word.reader)))
      }
    }
    return unmet
  }

  private func isServed(
    _ number: AttachmentID, _ word: RestoredReader, by publisher: Incarnation
  ) -> Bool {
    guard let attachment = attachment(number, publishedBy: publisher) else { return false }
    return attachment.stream == word.stream
      && (word.isExpected || attachment.reader == word.reader)
  }

  /// Lossless subscribers that never heard of a stream read it from its start, where its publisher
  /// still waits for those that the former router had promised.
  mutating func meetExpected(_ id: StreamID, of publisher: Incarnation) {
    guard let stream = streams[id], stream.end == nil, let last = stream.logs.last,
      stream.logs.first?.shape.generation == 0
    else { return }
    let most = limits.expectedMax
    let made = meetNewcomers(of: id) { mode, expected in
      guard mode == .lossless, expected < most else { return nil }
      return ReadingTerms(fromStart: true, isExpected: true)
    }
    guard !made.expected.isEmpty else { return }
    let frame = LogAddedFrame(
      stream: id, generation: last.shape.generation, expected: made.expected,
      proof: stream.proof)
    tell(publisher, .logAdded(frame))
  }
}
