import BusPorts
import BusWire

extension RouterState {
  /// Ends the time in which agents of a former router come back: who is not here is gone.
  mutating func endGrace() {
    inGrace = false
    fenceStragglers()
    let settled = settleClaims()
    letUnclaimedGo(but: settled)
    handedInReaders = [:]
    for id in attachments.keys.sorted() where id < AttachmentID(incarnation.value) {
      if case .attached = attachments[id]?.phase { askPublisher(id, .news) }
      announce(id, .news)
      tellEnd(to: id)
    }
    matchEverything(but: settled)
    for id in streams.keys.sorted() { freeLogs(of: id) }
    for connection in snapshotsOwed.sorted(by: { $0.value < $1.value }) {
      sendSnapshot(to: connection)
    }
    snapshotsOwed = []
    beginHeldStreams()
    allRespondersChanged()
    act(.log(.notice, "grace is over: \(agents.count) agents, \(streams.count) streams"))
  }

  /// Agents that began to hand in and did not end may not go on with half of what they had.
  private mutating func fenceStragglers() {
    for incarnation in agents.keys.sorted() {
      guard let agent = agents[incarnation], agent.handsIn else { continue }
      agents[incarnation]?.handsIn = false
      let text = "The agent did not finish handing in within the grace: register again."
      refuse(Requester(connection: agent.connection, request: 0), .fenced, text)
      act(.drop(agent.connection, reason: text))
    }
  }

  /// Subscriptions and streams that did not know of each other while agents came back.
  ///
  /// A subscription whose reading of a stream was ended is not given it anew.
  private mutating func matchEverything(but settled: Set<EndedReading>) {
    for id in streams.keys.sorted() {
      guard let stream = streams[id], stream.end == nil, !stream.logs.isEmpty,
        heldStreams[id] == nil
      else { continue }
      let present = stream.readings
      for (reader, number, _) in readers(of: stream.channel) {
        let reading = Reading(reader: reader, subscription: number)
        guard !present.contains(reading),
          !settled.contains(EndedReading(reading: reading, stream: id))
        else { continue }
        guard
          let made = makeAttachment(reader, number, id, fromStart: false, expected: false)
        else { continue }
        announce(made, .news)
      }
    }
  }
}
