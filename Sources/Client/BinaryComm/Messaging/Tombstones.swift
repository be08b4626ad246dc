/// A cancel of a request that has not come: its id, and where in the normal lane it will lie.
package struct Tombstone: Hashable, Sendable {
  package let correlationId: UInt32
  package let number: UInt64

  package init(correlationId: UInt32, number: UInt64) {
    self.correlationId = correlationId
    self.number = number
  }
}

/// The cancels of one peer whose requests may be still to come, the newest of them.
///
/// Numbers begin anew with each log, and a cancel may come before anything of the log that it is
/// about: so of those whose place was passed some are kept as well. Each is added and found in one
/// step, whatever the peer has cancelled before.
package struct Tombstones: Sendable {
  private var stones = SparseQueue<Tombstone>()
  /// No request beyond it was cancelled.
  private var highest: UInt64 = 0

  package init() {}

  /// True when nothing is awaited.
  package var isEmpty: Bool { stones.isEmpty }

  /// A peer has no more requests in flight than it has credit, so neither has it tombstones.
  package static let most = 4096

  /// How many are kept whose place was passed: more than a requester has in flight by default.
  package static let passedMost = 256

  /// Keeps a cancel; of too many the oldest is forgotten.
  ///
  /// `seen`: of the peer's log that was heard last, all requests before this number have come.
  package mutating func add(_ stone: Tombstone, seen: UInt64) {
    guard !stones.contains(stone) else { return }
    if stones.count >= Self.most { _ = stones.popFirst() }
    stones.append(stone)
    highest = max(highest, stone.number)
    while stones.count > Self.passedMost, let oldest = stones.first, oldest.number < seen {
      _ = stones.popFirst()
    }
  }

  /// Whether the request that has come was cancelled.
  package mutating func take(_ stone: Tombstone) -> Bool {
    guard stone.number <= highest, stones.remove(stone) else { return false }
    if stones.isEmpty { highest = 0 }
    return true
  }
}
