import BusLog
import BusMemory
import BusWire

// What is over: peers that have ended, and the messenger itself.

extension Outbox {
  /// The peers that are gone and of whose messages nothing is left to be read.
  mutating func closeDrained() {
    leaving = leaving.filter { incarnation in
      guard !core.inbox.reads(from: incarnation) else { return true }
      if let line = lines.index(of: incarnation.value) {
        let name = lineName(line) ?? "the agent"
        let why = "\(name) ended, closed its inbox, or ran out of descriptors before it answered"
        close(line, .peerDied(why))
      }
      return false
    }
  }

  /// Forgets peers that only wrote to this agent and whose logs are read to their end.
  mutating func forgetStrangers() {
    let named = Set(names.flatMap(\.peers))
    for at in lines.indices where !named.contains(at) {
      guard let peer = unsafe lines.at(at) else { continue }
      let isQuiet = (0..<Lane.allCases.count).allSatisfy { lane in
        if case .none = unsafe peer.pointee.lanes[lane].phase { return true }
        return false
      }
      let incarnation = unsafe Incarnation(peer.pointee.incarnation)
      if isQuiet, unsafe peer.pointee.inFlight == 0, !core.inbox.reads(from: incarnation) {
        close(at, .peerDied("the agent has ended"))
      }
    }
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
    dirty = []
    waitingLanes = []
  }

  static var closedError: BusError { .closed("this messenger was closed") }
}
