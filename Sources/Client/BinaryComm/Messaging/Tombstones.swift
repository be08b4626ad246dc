/// A cancel of a request that has not come: its id, and where in the normal lane it will lie.
package struct Tombstone: Hashable, Sendable {
  package let correlationId: UInt32
  package let number: UInt64

  package init(correlationId: UInt32, number: UInt64) {
    self.correlationId = correlationId
    self.number = number
  }
}

/// The cancels of one peer whose requests have not come, the newest of them.
///
/// Each is added and found in one step, whatever the peer has cancelled before.
package struct Tombstones: Sendable {
  private var stones = SparseQueue<Tombstone>()
  /// No request beyond it was cancelled.
  private var highest: UInt64 = 0

  package init() {}

  /// True when nothing is awaited.
  package var isEmpty: Bool { stones.isEmpty }

  /// A peer has no more requests in flight than it has credit, so neither has it tombstones.
  package static let most = 4096

  /// Keeps a cancel; of too many the oldest is forgotten.
  package mutating func add(_ stone: Tombstone) {
    guard !stones.contains(stone) else { return }
    if stones.count >= Self.most { _ = stones.popFirst() }
    stones.append(stone)
    highest = max(highest, stone.number)
  }

  /// Whether the request that has come was cancelled; what lies before it will not come any more.
  package mutating func take(_ stone: Tombstone) -> Bool {
    let isCancelled = stones.remove(stone)
    if stone.number >= highest { self = Tombstones() }
    return isCancelled
  }
}
