import BusWire

/// Streams of which readers are still to be told after agents have come back, in turns of the users
/// who publish them; those of publishers that did not come back have turns of their own.
struct UnsettledStreams {
  private var queues: [Turn: ArraySlice<StreamID>] = [:]
  private var waiting: Set<StreamID> = []
  private var last: Turn?

  /// Whose turn it is, in their order.
  private struct Turn: Hashable, Comparable {
    let user: UInt32?

    static func < (left: Turn, right: Turn) -> Bool {
      guard let user = right.user else { return false }
      return left.user.map { $0 < user } ?? true
    }
  }

  var isEmpty: Bool { waiting.isEmpty }

  func contains(_ id: StreamID) -> Bool { waiting.contains(id) }

  /// Puts a stream into the turns of a user, which it may be in of others, too.
  mutating func add(_ id: StreamID, of user: UInt32?) {
    waiting.insert(id)
    queues[Turn(user: user), default: []].append(id)
  }

  /// Those of them alone.
  mutating func keep(where isWanted: (StreamID) -> Bool) {
    waiting = waiting.filter(isWanted)
    if waiting.isEmpty { queues = [:] }
  }

  /// Takes one out; false when it does not wait, or does no more.
  mutating func remove(_ id: StreamID) -> Bool {
    guard waiting.remove(id) != nil else { return false }
    if waiting.isEmpty { queues = [:] }
    return true
  }

  /// The first stream of the user whose turn it is.
  mutating func popNext() -> StreamID? {
    while !waiting.isEmpty {
      let later = queues.keys.filter { turn in last.map { turn > $0 } ?? true }
      guard let turn = later.min() ?? queues.keys.min() else { return nil }
      last = turn
      let id = queues[turn]?.popFirst()
      if queues[turn]?.isEmpty ?? true { queues[turn] = nil }
      if let id, remove(id) { return id }
    }
    return nil
  }
}
