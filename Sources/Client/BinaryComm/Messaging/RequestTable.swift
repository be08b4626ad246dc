import BasicContainers
import BusWire

/// A request that waits for its response.
package struct PendingRequest: BitwiseCopyable {
  /// 0, which is the id of no request: this place is free.
  package fileprivate(set) var correlationId: UInt32 = 0
  // Small: each is read and written again for every reply, and fits into one line of the cache.
  private var peerIndex: Int32?
  private var recipientIndex: Int32?
  /// Monotonic; `UInt64.max` = never.
  package let deadlineNs: UInt64
  /// The request's number in the lane it went into, nil while it waits here.
  package var number: UInt64?
  package let lane: Lane
  /// The requester wants it stopped.
  package var isCancelled = false

  /// A request to a peer, nil while none is chosen, that was addressed by a name; over at a time,
  /// nil: never.
  package init(to peer: Int?, named recipient: Int?, _ lane: Lane, deadlineNs: UInt64?) {
    peerIndex = peer.map(Int32.init)
    recipientIndex = recipient.map(Int32.init)
    self.lane = lane
    self.deadlineNs = deadlineNs ?? .max
  }

  fileprivate static var free: Self { Self(to: nil, named: nil, .normal, deadlineNs: nil) }

  /// The peer's index, nil while none is chosen.
  package var peer: Int? {
    get { peerIndex.map(Int.init) }
    set { peerIndex = newValue.map(Int32.init) }
  }
  /// Index of the name it was for.
  package var recipient: Int? { recipientIndex.map(Int.init) }

  /// It lies in, or waits for, a lane.
  package func isIn(_ key: LaneKey) -> Bool { peer == key.peer && lane == key.lane }
}

/// The requests in flight, found by their correlation id without a search, and when they end.
///
/// An id's place is its low bits; an id whose place is taken is skipped, so an old request keeps
/// its id for as long as it waits, however often the counter wraps.
package struct RequestTable: ~Copyable {
  private var places: UniqueArray<PendingRequest>
  private let mask: UInt32
  private var last: UInt32
  package private(set) var count = 0
  /// When a request may be over; nil: none has a deadline.
  package private(set) var nextExpiryNs: UInt64?

  /// A table for at least so many requests, and at least 64; its first id follows `lastId`.
  package init(room: Int, lastId: UInt32) {
    let capacity = 1 << (Int.bitWidth - max(63, room - 1).leadingZeroBitCount)
    places = UniqueArray(repeating: .free, count: capacity)
    mask = UInt32(capacity - 1)
    last = lastId
  }

  /// How many requests it has places for, a power of two.
  package var capacity: Int { Int(mask) + 1 }

  /// Takes a free id for a request; nil when all places are taken.
  package mutating func add(_ request: PendingRequest) -> UInt32? {
    guard count < capacity else { return nil }
    while true {
      last &+= 1
      if last == 0 { continue }
      let at = Int(last & mask)
      guard places[at].correlationId == 0 else { continue }
      places[at] = request
      places[at].correlationId = last
      count += 1
      if request.deadlineNs < nextExpiryNs ?? .max { nextExpiryNs = request.deadlineNs }
      return last
    }
  }

  /// Takes an id that no request will have; nil when all places are taken.
  package mutating func passId() -> UInt32? {
    guard let id = add(.free) else { return nil }
    remove(id)
    return id
  }

  /// The request of an id, nil when none waits under it.
  @inline(__always)
  package func find(_ id: UInt32) -> PendingRequest? {
    guard id != 0 else { return nil }
    let found = places[Int(id & mask)]
    return found.correlationId == id ? found : nil
  }

  /// Whether a message that waited is still to be sent.
  package func wants(_ header: OutboundHeader) -> Bool {
    header.type != .request || find(header.correlationId) != nil
  }

  /// A request goes to a peer; its number in the log, nil while it waits for room there.
  @inline(__always)
  package mutating func sent(_ id: UInt32, to peer: Int, _ number: UInt64?) {
    let at = Int(id & mask)
    guard places[at].correlationId == id else { return }
    places[at].peer = peer
    places[at].number = number
  }

  /// Notes how far a request is that waits.
  @inline(__always)
  package mutating func update(_ request: PendingRequest) {
    places[Int(request.correlationId & mask)] = request
  }

  /// Forgets a request that waits.
  @inline(__always)
  package mutating func remove(_ id: UInt32) {
    places[Int(id & mask)] = .free
    count -= 1
  }

  /// Every request that waits and for which `test` holds.
  package func all(where test: (PendingRequest) -> Bool) -> [PendingRequest] {
    guard count > 0 else { return [] }
    var found: [PendingRequest] = []
    for at in 0..<capacity {
      let request = places[at]
      if request.correlationId != 0, test(request) { found.append(request) }
    }
    return found
  }

  /// The requests whose time is over, which wait on until they are removed.
  ///
  /// Requests that end one by one are looked for at most once a millisecond: the table is large.
  package mutating func expired(_ nowNs: UInt64) -> [PendingRequest] {
    guard let next = nextExpiryNs, nowNs >= next else { return [] }
    var over: [PendingRequest] = []
    var later = UInt64.max
    for request in all(where: { _ in true }) {
      if request.deadlineNs <= nowNs {
        over.append(request)
      } else {
        later = min(later, request.deadlineNs)
      }
    }
    nextExpiryNs = later == .max ? nil : max(later, nowNs &+ 1_000_000)
    return over
  }
}
