import BusWire

/// A stream that a subscription should read and was not given, because there was no place for it.
struct MissedStream: Hashable, Comparable {
  let subscription: UInt32
  let stream: StreamID

  static func < (left: MissedStream, right: MissedStream) -> Bool {
    (left.stream, left.subscription) < (right.stream, right.subscription)
  }
}

/// What an agent has no place for: offered again, one after another.
///
/// Streams of one other user are three quarters of it at most, so that nobody's are forgotten for
/// those of somebody who opens many.
struct MissedStreams {
  private var owners: [MissedStream: UInt32?] = [:]
  private var ofUser: [UInt32: Int] = [:]
  private var offered = Rounds<MissedStream>()
  /// Why, as it was told last.
  var reason = ""
  /// Subscriptions that miss streams which are not kept in mind, and why, until none is missed.
  private(set) var overflowing: [UInt32: String] = [:]

  var count: Int { owners.count }
  var isEmpty: Bool { owners.isEmpty }
  /// In the order of streams.
  var sorted: [MissedStream] { owners.keys.sorted() }

  func contains(_ missed: MissedStream) -> Bool { owners[missed] != nil }

  /// Keeps one more in mind, of `most`, which a stream of this user is; false: not this one.
  mutating func insert(_ missed: MissedStream, of user: UInt32?, isOwn: Bool, most: Int) -> Bool {
    guard owners.count < most else { return false }
    if let user, !isOwn, ofUser[user] ?? 0 >= most - most / 4 { return false }
    owners[missed] = .some(user)
    if let user { ofUser[user, default: 0] += 1 }
    offered.insert(missed)
    return true
  }

  /// A subscription misses more than is kept in mind; true when that is new.
  mutating func overflow(_ subscription: UInt32, _ reason: String) -> Bool {
    guard overflowing[subscription] == nil else { return false }
    overflowing[subscription] = reason
    return true
  }

  /// A subscription is over.
  mutating func forget(_ subscription: UInt32) { overflowing[subscription] = nil }

  mutating func remove(_ missed: MissedStream) {
    guard let user = owners.removeValue(forKey: missed) else { return }
    if let user { ofUser.takeOne(user) }
    offered.remove(missed)
    if owners.isEmpty { overflowing = [:] }
  }

  /// The next one to offer; the others come before it comes again.
  mutating func next() -> MissedStream? { offered.next() }
}
