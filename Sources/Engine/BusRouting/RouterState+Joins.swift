import BusAccess
import BusPorts
import BusWire

extension RouterState {
  mutating func attach(_ frame: AttachFrame, of agent: Incarnation, _ asker: Requester) {
    guard let attachment = attachment(frame.attachment, readBy: agent) else {
      return  // It ended while the frame was on its way.
    }
    guard attachment.slot == nil else { return }
    guard Int(frame.slot) < limits.attachmentsPerAgent else {
      refuse(asker, .invalid, "There are \(limits.attachmentsPerAgent) cursor slots.")
      return
    }
    attachments[attachment.id]?.slot = frame.slot
    // Not one whose stream has ended meanwhile: it was let in without that.
    attachments[attachment.id]?.standstill = nil
    guard case .announced = attachment.phase else { return }
    attachments[attachment.id]?.phase = .attached
    askPublisher(attachment.id, .news)
  }

  /// Tells the publisher of a reader that waits to be joined, or is joined.
  mutating func askPublisher(_ id: AttachmentID, _ delivery: Delivery) {
    guard let attachment = attachments[id], let stream = streams[attachment.stream],
      let reader = agents[attachment.reader], let publisher = agents[stream.publisher],
      let subscription = reader.subscriptions[attachment.subscription]
    else { return }
    let frame = JoinFrame(
      attachment: attachment.number, stream: stream.id, readerIncarnation: attachment.reader,
      flags: subscription.joinFlags, slot: attachment.slot ?? 0, epoch: subscription.epoch)
    act(.send(publisher.connection, delivery, .join(frame), reader.reader))
  }

  /// Answers a join in the place of a publisher that will not.
  ///
  /// Who was there before the first record reads from there; who came later was promised nothing
  /// before its join, so it starts, and ends, at the end.
  mutating func joinEnded(_ id: AttachmentID) {
    guard let attachment = attachments[id], let stream = streams[attachment.stream],
      let end = stream.end
    else { return }
    let generation = stream.logs.last?.shape.generation ?? 0
    let frame =
      attachment.fromStart
      ? JoinedFrame(
        attachment: attachment.number, generation: 0, startPosition: 0, startSequence: 0,
        departed: 0)
      : JoinedFrame(
        attachment: attachment.number, generation: generation, startPosition: end.finalPosition,
        startSequence: end.sequence, departed: 0)
    attachments[id]?.phase = .joined(frame)
    tell(attachment.reader, .joined(frame))
  }

  mutating func joined(_ frame: JoinedFrame, of agent: Incarnation, _ asker: Requester) {
    settleNow(handedIn: frame.attachment, by: agent)
    guard let attachment = attachment(frame.attachment, publishedBy: agent),
      let stream = streams[attachment.stream]
    else {
      guard attachments[frame.attachment] != nil else { return }
      refuse(asker, .invalid, "This attachment reads another agent's stream.")
      return
    }
    guard case .attached = attachment.phase else { return }
    guard mayStart(frame, in: stream) else {
      refuse(asker, .invalid, "The join starts where no message of its stream can.")
      return
    }
    // Who subscribed before the first record starts there, and what is overwritten by now is its
    // gap: the publisher answers a lossy reader with where it is when the join arrives.
    let isFirstThere = stream.logs.first?.shape.generation == 0
    let start =
      attachment.fromStart && isFirstThere
      ? JoinedFrame(
        attachment: frame.attachment, generation: 0, startPosition: 0, startSequence: 0,
        departed: frame.departed)
      : frame
    attachments[attachment.id]?.phase = .joined(start)
    tell(attachment.reader, .joined(start))
    letGo(start.generation, of: stream.id)
  }

  /// Whether a reader can begin where the publisher says.
  private func mayStart(_ frame: JoinedFrame, in stream: BusStream) -> Bool {
    // A record takes a line at least.
    guard frame.startPosition & 63 == 0, frame.startSequence <= frame.startPosition / 64 else {
      return false
    }
    if let log = stream.logs.first(where: { $0.shape.generation == frame.generation }) {
      let end = log.token.flatMap { probe.progress(of: $0, hotOffset: log.shape.hotOffset) }?.commit
      return frame.startPosition >= log.shape.basePosition
        && frame.startPosition <= end ?? frame.startPosition
    }
    // A reader of a former router has mapped what was not handed in to this one.
    guard let first = stream.logs.first?.shape.generation else { return false }
    return frame.attachment < AttachmentID(incarnation.value) && frame.generation < first
  }

  /// The publisher does not, or does no longer, wait for this reader.
  mutating func evict(_ number: AttachmentID, _ reason: String, of agent: Incarnation) {
    settleNow(handedIn: number, by: agent)
    // One that it handed in and does not serve any more.
    handedInReaders[agent]?[number] = nil
    guard let attachment = attachment(number, publishedBy: agent),
      let stream = streams[attachment.stream]
    else { return }
    // A publisher that has closed lets nobody in any more; its readers were given their start and
    // end when it closed.
    guard stream.end == nil else { return }
    if case .evicted = attachment.phase { return }
    let text = String(reason.prefix(200))
    attachments[attachment.id]?.phase = .evicted(text)
    tell(attachment.reader, .evicted(EvictedFrame(attachment: number, reason: text)))
    say(
      .notice,
      "\(stream.publisherName) no longer serves attachment \(number.value) on \(stream.channel): "
        + text, kind: "a publisher no longer serves a reader")
  }

  mutating func detach(_ number: AttachmentID, of agent: Incarnation) {
    if let claim = dropClaim(number, of: agent) {
      endedHere.insert(claim.endedReading(of: agent))
    }
    guard let attachment = attachment(number, readBy: agent) else { return }
    removeAttachment(attachment.id, tellPublisher: true)
  }

  mutating func released(_ frame: ReleasedFrame, of agent: Incarnation) {
    if let claimed = agents[agent]?.claims[frame.attachment] { settleNow(claimed.stream) }
    guard let attachment = attachment(frame.attachment, readBy: agent),
      let place = streams[attachment.stream]?.logs
        .firstIndex(where: { $0.shape.generation == frame.generation })
    else { return }
    let isLast = release(place, of: attachment.stream, attachment)
    // It has gone over to the next one, so that one is mapped.
    letGo(frame.generation &+ 1, of: attachment.stream)
    if isLast { freeLogs(of: attachment.stream) }
  }

  /// What it costs to end a reading of which nobody is told, in entries of tables.
  private static var entriesOfReading: Int { 256 }
  /// The same for each log of its stream.
  private static var entriesOfLog: Int { 16 }

  /// Ends one reading, whoever ends it; the publisher is not told where it learns of the whole
  /// agent's end.
  mutating func removeAttachment(_ id: AttachmentID, tellPublisher: Bool) {
    guard let attachment = attachments[id] else { return }
    let stream = attachment.stream
    let logs = streams[stream]?.logs.count ?? 0
    walk(Self.entriesOfReading + logs * Self.entriesOfLog)
    for place in 0..<logs { _ = release(place, of: stream, attachment) }
    attachments[id] = nil
    standing.remove(id)
    renumber(attachment, isThere: false)
    agents[attachment.reader]?.attachments.remove(id)
    agents[attachment.reader]?.shares.remove(attachment)
    agents[attachment.reader]?.subscriptions[attachment.subscription]?.attachments.remove(id)
    let user = agents[attachment.reader]?.caller.uid
    count(\.attachments, -1, of: user)
    streams[stream]?.remove(attachment, of: user)
    let publisherKnows = attachment.phase.isWithPublisher || attachment.expected
    if tellPublisher, publisherKnows, let publisher = livingPublisher(of: stream) {
      tell(publisher, .leave(LeaveFrame(attachment: attachment.number)))
    }
    freeLogs(of: stream)
  }

  /// Who publishes a stream; nil when it has ended.
  func livingPublisher(of stream: StreamID) -> Incarnation? {
    guard let stream = streams[stream], stream.end == nil else { return nil }
    return stream.publisher
  }
}
