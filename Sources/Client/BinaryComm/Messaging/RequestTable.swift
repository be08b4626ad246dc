import BusWire

/// A request that waits for its response.
struct PendingRequest: BitwiseCopyable {
  /// 0: this place is free.
  var correlationId: UInt32 = 0
  // Small: each is read and written again for every reply, and fits into one line of the cache.
  private var lineIndex: Int32?
  private var recipientIndex: Int32?
  /// Monotonic; `UInt64.max` = never.
  var deadlineNs = UInt64.max
  /// The request's number in the lane it went into, nil while it waits here.
  var number: UInt64?
  /// It lies in the urgent lane.
  var isUrgent = false
  /// The requester wants it stopped.
  var isCancelled = false

  /// The peer's index, nil while none is chosen.
  var line: Int? {
    get { lineIndex.map(Int.init) }
    set { lineIndex = newValue.map(Int32.init) }
  }
  /// Index of the name it was for.
  var recipient: Int? {
    get { recipientIndex.map(Int.init) }
    set { recipientIndex = newValue.map(Int32.init) }
  }
}

/// The requests in flight, found by their correlation id without a search.
///
/// An id's place is its low bits; an id whose place is taken is skipped, so an old request keeps
/// its id for as long as it waits, however often the counter wraps.
@safe
struct RequestTable: ~Copyable, @unchecked Sendable {
  // @unchecked Sendable: owned by one messenger.
  private let places: UnsafeMutablePointer<PendingRequest>
  private let mask: UInt32
  private var last: UInt32
  private(set) var count = 0

  /// A table for up to `capacity` requests, a power of two.
  init(capacity: Int, firstId: UInt32) {
    unsafe places = UnsafeMutablePointer<PendingRequest>.allocate(capacity: capacity)
    unsafe places.initialize(repeating: PendingRequest(), count: capacity)
    mask = UInt32(capacity - 1)
    last = firstId
  }

  deinit { unsafe places.deallocate() }

  var capacity: Int { Int(mask) + 1 }

  /// Takes a free id for a request; nil when all places are taken.
  mutating func add(_ request: PendingRequest) -> UInt32? {
    guard count < capacity else { return nil }
    while true {
      last &+= 1
      if last == 0 { continue }
      let at = Int(last & mask)
      guard unsafe places[at].correlationId == 0 else { continue }
      unsafe places[at] = request
      unsafe places[at].correlationId = last
      count += 1
      return last
    }
  }

  /// The request of an id, nil when none waits under it.
  func find(_ id: UInt32) -> PendingRequest? {
    guard id != 0 else { return nil }
    let found = unsafe places[Int(id & mask)]
    return found.correlationId == id ? found : nil
  }

  mutating func update(_ request: PendingRequest) {
    unsafe places[Int(request.correlationId & mask)] = request
  }

  mutating func remove(_ id: UInt32) {
    unsafe places[Int(id & mask)] = PendingRequest()
    count -= 1
  }

  /// Every request that waits and for which `test` holds.
  func all(where test: (PendingRequest) -> Bool) -> [PendingRequest] {
    guard count > 0 else { return [] }
    return (0..<capacity).compactMap { at in
      let found = unsafe places[at]
      return found.correlationId != 0 && test(found) ? found : nil
    }
  }
}
