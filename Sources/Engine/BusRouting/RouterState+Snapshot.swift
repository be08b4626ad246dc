import BusPorts
import BusWire

extension RouterState {
  /// During the grace a snapshot would miss what is not handed in yet, and until all streams are
  /// settled it would be told twice, so it waits.
  mutating func drained(_ id: ConnectionID) {
    guard let connection = connections[id], connection.agent != nil else { return }
    guard inGrace || isUnsettled else { return sendSnapshot(to: id) }
    if !snapshotsOwed.contains(id) { snapshotsOwed.add(id, of: connection.peer.uid) }
  }

  /// Tells an agent everything it should know, after news for it were dropped.
  ///
  /// Applying it twice changes nothing; what it does not name has ended.
  mutating func sendSnapshot(to id: ConnectionID) {
    guard let connection = connections[id], let incarnation = connection.agent,
      let agent = agents[incarnation]
    else { return }
    let generation = connection.snapshots + 1
    connections[id]?.snapshots = generation
    let bracket = SnapshotFrame(generation: generation)
    act(.send(id, .snapshot, .snapshotBegin(bracket), nil))
    for attachment in agent.attachments.sorted() { snapshotReading(attachment, to: id) }
    for stream in agent.streams.sorted() { snapshotPublishing(stream, to: id) }
    for name in agent.interests.sorted() {
      for frame in responders(of: name) { act(.send(id, .snapshot, .responders(frame), nil)) }
    }
    for frame in missedFrames(of: agent) { act(.send(id, .snapshot, .missed(frame), nil)) }
    if watchers.contains(incarnation) { showAllCounters(to: incarnation) }
    act(.send(id, .snapshot, .snapshotEnd(bracket), nil))
  }

  private mutating func snapshotReading(_ id: AttachmentID, to connection: ConnectionID) {
    guard let attachment = attachments[id], let stream = streams[attachment.stream] else { return }
    let isKnown = announce(id, .snapshot) || attachment.slot != nil
    switch attachment.phase {
    case .joined(let frame): act(.send(connection, .snapshot, .joined(frame), nil))
    case .evicted(let reason):
      // It may never have heard of a stream whose logs were taken from it.
      if !isKnown {
        let frame = MissedFrame(
          subscription: attachment.subscription, stream: stream.id,
          publisherName: stream.publisherName, channel: stream.channel.text,
          code: BusErrorCode.evicted.rawValue, text: reason)
        act(.send(connection, .snapshot, .missed(frame), nil))
      }
      let frame = EvictedFrame(attachment: attachment.number, reason: reason)
      act(.send(connection, .snapshot, .evicted(frame), nil))
    case .announced, .attached, .resumed: break
    }
    if let end = stream.end {
      let frame = StreamEndedFrame(
        stream: stream.id, finalPosition: end.finalPosition, reason: end.reason)
      act(.send(connection, .snapshot, .streamEnded(frame), nil))
    }
  }

  private mutating func snapshotPublishing(_ id: StreamID, to connection: ConnectionID) {
    guard let stream = streams[id], let last = stream.logs.last, heldStreams[id] == nil else {
      return
    }
    walk(stream.attachments.count * Self.entriesOfReader)
    var expected: [AttachmentID] = []
    for reading in stream.attachments.sorted() {
      guard let attachment = attachments[reading] else { continue }
      if attachment.phase.isWithPublisher {
        askPublisher(reading, .snapshot)
      } else if attachment.expected, case .announced = attachment.phase {
        expected.append(attachment.number)
      }
    }
    // Readers whose slot is not known yet: the publisher must go on keeping position 0 for them.
    let frame = LogAddedFrame(
      stream: id, generation: last.shape.generation, expected: expected, proof: stream.proof)
    act(.send(connection, .snapshot, .logAdded(frame), nil))
  }
}
