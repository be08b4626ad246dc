import BusLog
import BusMemory
import BusWire

// What is over: peers that have ended, and the messenger itself.

extension Outbox {
  /// The peers that are gone and of whose messages nothing is left to be read.
  mutating func closeDrained() {
    for incarnation in leaving where !core.inbox.reads(from: incarnation) {
      leaving.remove(incarnation)
      if let line = lines.index(of: incarnation.value) {
        let name = lineName(line) ?? "the agent"
        let why = "\(name) ended, closed its inbox, or ran out of descriptors before it answered"
        close(line, unreadable[name] ?? .peerDied(why))
      }
    }
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
    let named = Set(names.flatMap(\.peers))
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
      for message in names[at].drainWaiting() {
        drop(message.letter, to: names[at].name.text, Self.closedError)
      }
    }
    dirty = []
    waitingLanes = []
  }

  static var closedError: BusError { .closed("this messenger was closed") }
}
