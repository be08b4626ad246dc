import DequeModule

/// What waits for its turn, in a queue for each user: next comes the first of the user for whom
/// least has been done.
///
///     while let item = queue.popNext() { … ; queue.spend(work) }
///
/// What is nobody's has a queue of its own.
struct FairQueue<Item: Hashable> {
  private var queues: [Owner: Deque<Item>] = [:]
  private var waiting: Set<Item> = []
  /// The work that was done for those who have waited since the queue was empty.
  private var spent: [Owner: Int] = [:]
  private var last: Owner?

  private struct Owner: Hashable, Comparable {
    let user: UInt32?

    static func < (left: Owner, right: Owner) -> Bool {
      guard let user = right.user else { return false }
      return left.user.map { $0 < user } ?? true
    }
  }

  var isEmpty: Bool { waiting.isEmpty }

  func contains(_ item: Item) -> Bool { waiting.contains(item) }

  /// Puts something into a user's queue, which may be in those of others, too.
  mutating func add(_ item: Item, of user: UInt32?) {
    waiting.insert(item)
    queues[Owner(user: user), default: []].append(item)
  }

  /// Those of them alone.
  mutating func keep(where isWanted: (Item) -> Bool) {
    waiting = waiting.filter(isWanted)
    clearIfEmpty()
  }

  /// Takes one out; false when it does not wait, or does no more.
  @discardableResult
  mutating func remove(_ item: Item) -> Bool {
    guard waiting.remove(item) != nil else { return false }
    clearIfEmpty()
    return true
  }

  /// The first one of the user whose turn it is.
  mutating func popNext() -> Item? {
    while !waiting.isEmpty {
      let next = queues.keys.min { left, right in
        (spent[left] ?? 0, left) < (spent[right] ?? 0, right)
      }
      guard let owner = next else { return nil }
      last = owner
      let item = queues[owner]?.popFirst()
      if queues[owner]?.isEmpty ?? true { queues[owner] = nil }
      if let item, waiting.remove(item) != nil { return item }
    }
    return nil
  }

  /// Notes the work that the one which came last has made.
  mutating func spend(_ work: Int) {
    if let last { spent[last, default: 0] += work }
    clearIfEmpty()
  }

  private mutating func clearIfEmpty() {
    guard waiting.isEmpty else { return }
    (queues, spent, last) = ([:], [:], nil)
  }
}
