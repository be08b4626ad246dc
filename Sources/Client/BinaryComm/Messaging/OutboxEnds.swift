import BusLog
import BusMemory
import BusWire

// What is over: peers that have ended, and the messenger itself.

/// Requests in a log to a peer that it does not read any more.
struct OrphanedRequests: Sendable {
  /// The lane that the log was for.
  let lane: LaneKey
  let ids: [UInt32]
  /// The streams of the peer in which their answers may still come.
  let answers: Set<AttachmentID>
  /// When the peer has had time to answer what it read, if it is still there.
  let endNs: UInt64
  /// How much there was in these streams then; nil: that time has not come.
  var counts: [AttachmentID: UInt64]?

  /// How long a peer that is still there has.
  static var patienceNs: UInt64 { 1_000_000_000 }
}

extension Outbox {
  /// Whether something is still to be read of peers that answer no more.
  var awaitsLastWords: Bool { !leaving.isEmpty || !orphans.isEmpty }

  /// A peer has ended: nothing is sent to it any more, and what it has said is read to its end.
  mutating func leave(_ peer: Incarnation) {
    guard let line = lines.index(of: peer.value) else { return }
    names.strike(line)
    leaving.insert(peer)
  }

  /// A peer reads a log to it no more, and may be there all the same: it may have closed its inbox
  /// to open another one, or had no room for the log.
  ///
  /// Who answers a name the router says, so what is sent next goes into a new log, and so does what
  /// has not been written yet. What was written is lost unless it was read before: `answers` are
  /// the streams that it may have been answered in.
  mutating func left(
    _ channel: InboxChannel, _ number: UInt64, _ answers: Set<AttachmentID>
  ) {
    guard !isClosed, let line = lines.index(of: channel.owner.value),
      let peer = unsafe lines.at(line)
    else { return }
    let out = unsafe peer.pointee.lane(channel.lane)
    // Whoever has come back to the log meanwhile reads on.
    guard unsafe out.pointee.number == number, let stream = unsafe out.pointee.stream,
      stream.gate.attachments.isEmpty
    else { return }
    let key = LaneKey(peer: line, lane: channel.lane)
    dirty.removeAll { $0 == key }
    unsafe out.pointee.close()
    let isUrgent = channel.lane == .urgent
    // Those of a log before this one have their own time.
    let known = Set(orphans.filter { $0.lane == key }.flatMap(\.ids))
    let written = pending.all { request in
      request.line == line && request.isUrgent == isUrgent && request.number != nil
        && !known.contains(request.correlationId)
    }
    if !written.isEmpty {
      let endNs = now().monotonicNs &+ OrphanedRequests.patienceNs
      orphans.append(
        OrphanedRequests(
          lane: key, ids: written.map(\.correlationId), answers: answers, endNs: endNs))
    }
    if unsafe !out.pointee.waiting.isEmpty, !waitingLanes.contains(key) { waitingLanes.append(key) }
  }

  /// The peers that are gone and of whose messages nothing is left to be read, and the requests
  /// that nobody reads any more.
  mutating func closeDrained(_ inbox: borrowing Reader) {
    for at in orphans.indices.reversed() where !mayBeAnswered(at, inbox) {
      end(orphans.remove(at: at))
    }
    for incarnation in leaving where !core.inbox.reads(from: incarnation) {
      leaving.remove(incarnation)
      if let line = lines.index(of: incarnation.value) { close(line, whyUnanswered(by: line)) }
    }
  }

  /// Whether an answer to requests in a lost log may still be read.
  private mutating func mayBeAnswered(_ at: Int, _ inbox: borrowing Reader) -> Bool {
    guard core.inbox.reads(anyOf: orphans[at].answers) else { return false }
    guard now().monotonicNs >= orphans[at].endNs else { return true }
    // What lay in the streams by then is read, however long that takes here.
    let counts = orphans[at].counts ?? inbox.published(in: orphans[at].answers)
    orphans[at].counts = counts
    return !inbox.hasTaken(counts)
  }

  private mutating func end(_ orphan: OrphanedRequests) {
    let line = orphan.lane.peer
    let why = whyUnanswered(by: line)
    for id in orphan.ids {
      if let request = pending.find(id), request.line == line { end(request, why) }
    }
  }

  /// Forgets requests that were answered after all, or that have run out of time.
  mutating func forgetAnswered() {
    orphans = orphans.filter { orphan in orphan.ids.contains { pending.find($0) != nil } }
  }

  private func whyUnanswered(by line: Int) -> BusError {
    let name = lineName(line) ?? "the agent"
    let why = "\(name) ended, closed its inbox, or ran out of descriptors before it answered"
    return unreadable[name] ?? .peerDied(why)
  }

  /// Notes whose answers cannot be read for want of something in this process: that is why nothing
  /// comes from them, whatever else becomes of them.
  mutating func noteUnreadable(_ problems: ArraySlice<StreamProblem>) {
    for problem in problems where problem.error.code == .resourceExhausted {
      if unreadable.count >= Self.unreadableMax {
        let known = Set(lines.indices.compactMap { lineName($0) })
        unreadable = unreadable.filter { known.contains($0.key) }
        guard unreadable.count < Self.unreadableMax else { return }
      }
      unreadable[problem.publisher] = problem.error
    }
  }

  private static var unreadableMax: Int { 1024 }

  /// Forgets peers that only wrote to this agent and whose logs are read to their end.
  mutating func forgetStrangers() {
    let named = names.allPeers
    for at in lines.indices where !named.contains(at) {
      guard let peer = unsafe lines.at(at) else { continue }
      let isQuiet = (0..<Lane.allCases.count).allSatisfy { lane in
        guard case .none = unsafe peer.pointee.lanes[lane].phase else { return false }
        return unsafe peer.pointee.lanes[lane].waiting.isEmpty
      }
      let incarnation = unsafe Incarnation(peer.pointee.incarnation)
      if isQuiet, unsafe peer.pointee.inFlight == 0, !core.inbox.reads(from: incarnation) {
        close(at, .peerDied("the agent has ended"))
      }
    }
  }

  /// Ends the log of a lane whose reader this process had no room to let in.
  ///
  /// The router lets a reader that was there before the first message have all of a log that has
  /// ended: so what lies in this one still arrives. What has no room there waits for a log that can
  /// be read, or fails with the reason, and so do its requests at once: who answers them may have
  /// forgotten by then whom it read.
  mutating func closeUnmet(
    _ line: Int, _ lane: Lane, _ stream: PublisherShared, _ why: BusError
  ) {
    guard !isClosed, let peer = unsafe lines.at(line) else { return }
    let key = LaneKey(peer: line, lane: lane)
    let out = unsafe peer.pointee.lane(lane)
    // The lane may have been closed and opened anew meanwhile.
    guard unsafe out.pointee.stream === stream else { return }
    // No larger log is waited for: its reader would have to be let in, too.
    if unsafe out.pointee.pen != nil { _ = sendWaiting(key, now()) }
    show(key)
    dirty.removeAll { $0 == key }
    waitingLanes.removeAll { $0 == key }
    unsafe out.pointee.close()
    let isUrgent = lane == .urgent
    for request in pending.all(where: { $0.line == line && $0.isUrgent == isUrgent }) {
      end(request, why)
    }
    notOpened(line, lane, why)
    if unsafe !out.pointee.waiting.isEmpty { waitingLanes.append(key) }
  }

  /// Ends the logs to all peers; what still waits for one is dropped with a reason.
  mutating func closeLanes() {
    isClosed = true
    for at in lines.indices {
      guard let peer = unsafe lines.at(at) else { continue }
      for lane in Lane.allCases {
        let out = unsafe peer.pointee.lane(lane)
        unsafe out.pointee.close()
        for message in unsafe out.pointee.waiting.drainAll() {
          drop(message.letter, to: unsafe peer.pointee.name, Self.closedError)
        }
      }
    }
    for at in names.indices {
      for message in names.drainWaiting(at) {
        drop(message.letter, to: names.text(at), Self.closedError)
      }
    }
    dirty = []
    waitingLanes = []
  }

  static var closedError: BusError { .closed("this messenger was closed") }
}
