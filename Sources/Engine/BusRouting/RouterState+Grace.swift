import BusPorts
import BusWire

extension RouterState {
  /// Ends the time in which agents of a former router come back: who is not here is gone.
  mutating func endGrace() {
    inGrace = false
    fenceStragglers()
    for id in streams.keys.sorted() where streams[id]?.logs.isEmpty == true {
      endLost(id)
    }
    reconcileWindows()
    handedInReaders = [:]
    for id in attachments.keys.sorted() where id < AttachmentID(incarnation.value) {
      if case .attached = attachments[id]?.phase { askPublisher(id, .news) }
      announce(id, .news)
    }
    matchEverything()
    for connection in snapshotsOwed.sorted(by: { $0.value < $1.value }) {
      sendSnapshot(to: connection)
    }
    snapshotsOwed = []
    for name in interested.keys.sorted() { tellResponders(of: name) }
    act(.log(.notice, "grace is over: \(agents.count) agents, \(streams.count) streams"))
  }

  /// Agents that began to hand in and did not end may not go on with half of what they had.
  private mutating func fenceStragglers() {
    for incarnation in agents.keys.sorted() {
      guard let agent = agents[incarnation], agent.handsIn else { continue }
      agents[incarnation]?.handsIn = false
      let text = "The agent did not finish handing in within the grace: register again."
      refuse(Asker(connection: agent.connection, request: 0), .fenced, text)
      act(.drop(agent.connection, reason: text))
    }
  }

  /// Ends a stream whose publisher did not come back; its readers have what there is.
  private mutating func endLost(_ id: StreamID) {
    guard let stream = streams[id], stream.end == nil else { return }
    for reading in stream.attachments.sorted() {
      guard let attachment = attachments[reading] else { continue }
      if case .attached = attachment.phase {
        let reason = "The publisher ended before it answered."
        attachments[reading]?.phase = .evicted(reason)
        tell(attachment.reader, .evicted(EvictedFrame(attachment: reading, reason: reason)))
      }
    }
    finish(id, BusStream.End(finalPosition: .max, sequence: 0, reason: .died))
  }

  /// Makes what publishers and readers say of each other agree; where they do not, the reading
  /// ends.
  private mutating func reconcileWindows() {
    var confirmed: Set<AttachmentID> = []
    for publisher in handedInReaders.keys.sorted() {
      var gone: Set<Incarnation> = []
      let readers = (handedInReaders[publisher] ?? []).sorted { $0.attachment < $1.attachment }
      for reader in readers {
        let attachment = attachments[reader.attachment]
        if attachment?.reader == reader.reader, attachment?.stream == reader.stream,
          streams[reader.stream]?.publisher == publisher
        {
          confirmed.insert(reader.attachment)
        } else if agents[reader.reader] == nil {
          gone.insert(reader.reader)
        } else {
          tell(publisher, .leave(LeaveFrame(attachment: reader.attachment)))
        }
      }
      for reader in gone.sorted() {
        tell(publisher, .agentGone(AgentGoneFrame(incarnation: reader)))
      }
    }
    for id in attachments.keys.sorted() where !confirmed.contains(id) {
      guard let attachment = attachments[id], case .resumed = attachment.phase,
        let stream = streams[attachment.stream], stream.end == nil
      else { continue }
      let reason = "The publisher no longer knew of this reader."
      attachments[id]?.phase = .evicted(reason)
      tell(attachment.reader, .evicted(EvictedFrame(attachment: id, reason: reason)))
    }
  }

  /// Subscriptions and streams that did not know of each other while agents came back.
  private mutating func matchEverything() {
    for id in streams.keys.sorted() {
      guard let stream = streams[id], stream.end == nil, !stream.logs.isEmpty else { continue }
      let present = Set(
        stream.attachments.compactMap { reading in
          attachments[reading].map { Reading(reader: $0.reader, subscription: $0.subscription) }
        })
      for (reader, number, _) in readers(of: stream.channel)
      where !present.contains(Reading(reader: reader, subscription: number)) {
        guard
          let made = makeAttachment(reader, number, id, fromStart: false, expected: false)
        else { continue }
        announce(made, .news)
      }
    }
  }
}
