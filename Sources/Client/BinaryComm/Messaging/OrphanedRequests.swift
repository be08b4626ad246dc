import BusLog
import BusWire

/// Requests in a log to a peer that it does not read any more.
package struct OrphanedRequests: Sendable {
  /// The lane that the log was for.
  package let lane: LaneKey
  package let ids: [UInt32]
  /// The streams of the peer in which their answers may still come.
  package let answers: Set<AttachmentID>
  /// When the peer has had time to answer what it read, if it is still there.
  package let endNs: UInt64
  /// How much there was in these streams then; nil: that time has not come.
  fileprivate var counts: [AttachmentID: UInt64]?

  package init(lane: LaneKey, ids: [UInt32], answers: Set<AttachmentID>, leftNs: UInt64) {
    self.lane = lane
    self.ids = ids
    self.answers = answers
    endNs = leftNs &+ Self.patienceNs
  }

  /// How long a peer that is still there has.
  package static var patienceNs: UInt64 { 1_000_000_000 }
}

/// The streams of an inbox, as far as they were read.
package protocol AnswerStreams: ~Copyable {
  /// Whether one of them is still read.
  func reads(anyOf streams: Set<AttachmentID>) -> Bool
  /// How many messages lie in each.
  func published(in streams: Set<AttachmentID>) -> [AttachmentID: UInt64]
  /// Whether all of so many messages were taken.
  func hasTaken(_ counts: [AttachmentID: UInt64]) -> Bool
}

/// Requests whose logs their peers read no longer, and that may have been answered before.
///
/// Each ends when nothing that could hold its answer is left to be read: at once where the peer's
/// own streams have ended, else when what lay in them at the end of its patience was read, however
/// long that takes.
package struct OrphanTable: Sendable {
  private var orphans: [OrphanedRequests] = []

  /// Knows of none.
  package init() {}

  package var isEmpty: Bool { orphans.isEmpty }

  package mutating func add(_ orphan: OrphanedRequests) { orphans.append(orphan) }

  /// The requests of a lane that are known, of all its lost logs: each has its own time.
  package func ids(of lane: LaneKey) -> Set<UInt32> {
    Set(orphans.filter { $0.lane == lane }.flatMap(\.ids))
  }

  /// A peer was forgotten, and its requests ended.
  package mutating func remove(peer: Int) { orphans.removeAll { $0.lane.peer == peer } }

  /// Forgets what has ended: answered after all, or out of time.
  ///
  /// `isOpen`: whether a request waits.
  package mutating func forgetEnded(isOpen: (UInt32) -> Bool) {
    orphans.removeAll { !$0.ids.contains(where: isOpen) }
  }

  /// Takes out the requests to which no answer can come any more.
  package mutating func drainUnanswered(
    _ streams: borrowing some AnswerStreams & ~Copyable, _ nowNs: UInt64
  ) -> [OrphanedRequests] {
    var lost: [OrphanedRequests] = []
    for at in orphans.indices.reversed() where !mayBeAnswered(at, streams, nowNs) {
      lost.append(orphans.remove(at: at))
    }
    return lost
  }

  private mutating func mayBeAnswered(
    _ at: Int, _ streams: borrowing some AnswerStreams & ~Copyable, _ nowNs: UInt64
  ) -> Bool {
    guard streams.reads(anyOf: orphans[at].answers) else { return false }
    guard nowNs >= orphans[at].endNs else { return true }
    let counts = orphans[at].counts ?? streams.published(in: orphans[at].answers)
    orphans[at].counts = counts
    return !streams.hasTaken(counts)
  }
}
