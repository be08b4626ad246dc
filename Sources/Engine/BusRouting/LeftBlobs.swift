import BusWire

/// The blobs whose makers have ended, in the order in which they make room for others.
struct LeftBlobs {
  /// When a blob goes, and which one goes first of those that go at the same time.
  struct Turn: Comparable {
    let endNs: UInt64
    let key: BlobKey

    init(_ key: BlobKey, _ blob: Blob) {
      (self.key, endNs) = (key, blob.endNs)
    }

    static func < (left: Turn, right: Turn) -> Bool {
      let (one, other) = (left.key, right.key)
      return (left.endNs, one.token.word0, one.token.word1, one.maker)
        < (right.endNs, other.token.word0, other.token.word1, other.maker)
    }
  }

  private struct OfUser {
    /// The first to go is the last of them.
    var turns: [Turn] = []
    var bytes: UInt64 = 0
  }

  private var users: [UInt32: OfUser] = [:]
  private(set) var count = 0

  /// What there may be too much of.
  enum Measure {
    case number
    case bytes
  }

  /// What goes first of the user who has most.
  func next(by measure: Measure) -> BlobKey? {
    func amount(_ user: OfUser) -> UInt64 {
      switch measure {
      case .number: UInt64(user.turns.count)
      case .bytes: user.bytes
      }
    }
    let most = users.max { (amount($0.value), $0.key) < (amount($1.value), $1.key) }
    return most?.value.turns.last?.key
  }

  mutating func insert(_ key: BlobKey, _ blob: Blob) {
    let turn = Turn(key, blob)
    let place = place(of: turn, of: blob.uid)
    users[blob.uid, default: OfUser()].turns.insert(turn, at: place)
    users[blob.uid]?.bytes += blob.segmentBytes
    count += 1
  }

  mutating func remove(_ key: BlobKey, _ blob: Blob) {
    let turn = Turn(key, blob)
    let place = place(of: turn, of: blob.uid)
    guard holds(turn, at: place, of: blob.uid) else { return }
    users[blob.uid]?.turns.remove(at: place)
    users[blob.uid]?.bytes -= blob.segmentBytes
    if users[blob.uid]?.turns.isEmpty == true { users[blob.uid] = nil }
    count -= 1
  }

  private func holds(_ turn: Turn, at place: Int, of user: UInt32) -> Bool {
    guard let turns = users[user]?.turns, place < turns.count else { return false }
    return turns[place] == turn
  }

  /// How many of a user's go later.
  private func place(of turn: Turn, of user: UInt32) -> Int {
    guard let turns = users[user]?.turns else { return 0 }
    var (low, high) = (0, turns.count)
    while low < high {
      let middle = (low + high) / 2
      if turns[middle] > turn { low = middle + 1 } else { high = middle }
    }
    return low
  }
}
