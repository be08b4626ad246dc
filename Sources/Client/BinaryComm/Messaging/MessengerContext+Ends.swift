import BasicContainers
import BusLog
import BusMemory
import BusWire

// What is over: peers that have ended, and the messenger itself.

extension Reader: AnswerStreams {
  package func reads(anyOf streams: Set<AttachmentID>) -> Bool { core.reads(anyOf: streams) }
}

extension MessengerContext {
  /// Whether something is still to be read of peers that answer no more.
  var awaitsLastMessages: Bool { !leaving.isEmpty || !orphans.isEmpty }

  /// A peer has ended: nothing is sent to it any more, and what it has said is read to its end.
  mutating func leave(_ incarnation: Incarnation) {
    guard let peer = peers.index(of: incarnation) else { return }
    names.strike(peer)
    leaving.insert(incarnation)
  }

  /// A peer reads a log to it no more, and may be there all the same: it may have closed its inbox
  /// to open another one, or had no room for the log.
  ///
  /// The router says who answers a name, so what is sent next goes into a new log, and so does what
  /// has not been written yet. What was written is lost unless it was read before: `answers` are
  /// the streams that it may have been answered in.
  mutating func left(_ channel: InboxChannel, _ number: UInt64, _ answers: Set<AttachmentID>) {
    guard !isClosed, let key = key(of: channel) else { return }
    // Whoever has come back to the log meanwhile reads on.
    guard peers[key].number == number,
      peers[key].stream?.gate.attachments.isEmpty == true
    else { return }
    dirty.removeAll { $0 == key }
    peers[key].close()
    // Those of a log before this one have their own time.
    let known = orphans.ids(of: key)
    let written = requests.all { request in
      request.isIn(key) && request.number != nil && !known.contains(request.correlationId)
    }
    if !written.isEmpty {
      orphans.add(
        OrphanedRequests(
          lane: key, ids: written.map(\.correlationId), answers: answers,
          leftNs: now().monotonicNs))
    }
    if !peers[key].state.waiting.isEmpty { markWaiting(key) }
  }

  /// The lane that an inbox channel of a known peer is.
  func key(of channel: InboxChannel) -> LaneKey? {
    peers.index(of: channel.owner).map { LaneKey(peer: $0, lane: channel.lane) }
  }

  /// The peers that are gone and of whose messages nothing is left to be read, and the requests
  /// that nobody reads any more.
  mutating func closeDrained(_ inbox: borrowing Reader) {
    if !orphans.isEmpty {
      for orphan in orphans.drainUnanswered(inbox, now().monotonicNs) { end(orphan) }
    }
    for incarnation in leaving where !core.inbox.reads(from: incarnation) {
      leaving.remove(incarnation)
      if let peer = peers.index(of: incarnation) { close(peer, whyUnanswered(by: peer)) }
    }
  }

  private mutating func end(_ orphan: OrphanedRequests) {
    let why = whyUnanswered(by: orphan.lane.peer)
    for id in orphan.ids {
      if let request = requests.find(id), request.peer == orphan.lane.peer { end(request, why) }
    }
  }

  /// Forgets requests that were answered after all, or that have run out of time.
  mutating func forgetAnswered() { orphans.forgetEnded { requests.find($0) != nil } }

  private func whyUnanswered(by peer: Int) -> BusError {
    let name = peers.name(peer) ?? "the agent"
    let why = "\(name) ended, closed its inbox, or ran out of descriptors before it answered"
    return unreadable.reason(name) ?? .peerDied(why)
  }

  /// Notes which peers cannot be read, and what this process lacks for it.
  mutating func noteUnreadable(_ problems: ArraySlice<StreamProblem>) {
    unreadable.note(problems) { Set(peers.indices.compactMap { peers.name($0) }) }
  }

  /// Forgets peers that only wrote to this agent and whose logs are read to their end.
  mutating func forgetStrangers() {
    let named = names.allPeers
    for peer in peers.indices where !named.contains(peer) && peers.places[peer].isQuiet {
      if !core.inbox.reads(from: peers.places[peer].incarnation) {
        close(peer, .peerDied("the agent has ended"))
      }
    }
  }

  /// Ends the log of a lane whose reader this process had no room to let in.
  ///
  /// The router lets a reader that was there before the first message have all of a log that has
  /// ended: so what lies in this one still arrives. What has no room there waits for a log that can
  /// be read, or fails with the reason, and so do its requests at once: whoever answers them may
  /// have forgotten by then whom it read.
  mutating func closeUnmet(_ channel: InboxChannel, _ stream: PublisherShared, _ why: BusError) {
    guard !isClosed, let key = key(of: channel) else { return }
    // The lane may have been closed and opened anew meanwhile.
    guard peers[key].stream === stream else { return }
    // No larger log is waited for: its reader would have to be let in, too.
    _ = sendWaiting(key, now())
    show(key)
    dirty.removeAll { $0 == key }
    waitingLanes.removeAll { $0 == key }
    peers[key].close()
    for request in requests.all(where: { $0.isIn(key) }) { end(request, why) }
    notOpened(key, why)
    if !peers[key].state.waiting.isEmpty { markWaiting(key) }
  }

  /// Ends the logs to all peers; what still waits for one is dropped with a reason.
  mutating func closeLanes() {
    isClosed = true
    for peer in peers.indices {
      for lane in Lane.allCases {
        peers[LaneKey(peer: peer, lane: lane)].close()
        for message in peers[LaneKey(peer: peer, lane: lane)].state.drainWaiting() {
          drop(message.header, to: peers.places[peer].name, Self.closedError)
        }
      }
    }
    for at in names.indices {
      for message in names.drainWaiting(at) {
        drop(message.header, to: names.text(at), Self.closedError)
      }
    }
    dirty = []
    waitingLanes = []
  }

  static var closedError: BusError { .closed("this messenger was closed") }
}
