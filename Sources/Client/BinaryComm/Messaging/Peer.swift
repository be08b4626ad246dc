import BusLog
import BusMemory
import BusWire

/// A message that is to be sent, without its payload.
struct OutboundHeader: Sendable {
  var type: MessageType
  /// Index of the name it is addressed to; nil: to the peer itself.
  var recipient: Int?
  var flags: MessageFlags = []
  var correlationId: UInt32 = 0
  var priority: Priority?
  var context = MessageContext()
}

/// A message that waits: for a log to its peer, or for room in it.
struct PendingMessage: Sendable {
  let letter: OutboundHeader
  let payload: [UInt8]
  /// When it began to wait for its lane.
  var keptNs: UInt64 = 0
  /// When nobody wants it any more; nil: that is not known.
  var deadlineNs: UInt64?
}

/// What this agent writes to one lane of one peer's inbox.
@safe
struct OutboundLane: ~Copyable {
  enum Phase {
    /// Nothing was sent so far.
    case none
    /// The router was asked for the log.
    case making
    case ready
    case refused(BusError)
  }
  var phase = Phase.none
  var pen: UnsafeMutablePointer<Publisher>?
  /// Which of all logs to peers it is.
  private(set) var number: UInt64 = 0
  /// In the order in which they go out.
  var waiting = BoundedQueue<PendingMessage>(room: waitingMax, bytesMax: waitingBytesMax)
  /// Written to and not shown yet.
  var isDirty = false
  /// For want of what its log cannot be made, or be made larger; nil while nothing is missing.
  var shortage: LaneShortage?
  /// When its next log may be made.
  var nextLogNs: UInt64 = 0
  /// The ids of names in this log's table, by recipient; `UInt64.max`: not looked up.
  var topicIds: [UInt64] = []

  init() { unsafe pen = nil }

  /// The stream that is written now.
  var stream: PublisherShared? { unsafe pen?.pointee.core }

  deinit {
    if let pen = unsafe pen {
      unsafe pen.deinitialize(count: 1)
      unsafe pen.deallocate()
    }
  }

  /// Ends the log: whoever reads it is told when it has read all of it.
  mutating func close() {
    phase = .none
    guard let last = unsafe pen else { return }
    unsafe pen = nil
    unsafe last.pointee.close()
    unsafe last.deinitialize(count: 1)
    unsafe last.deallocate()
  }

  mutating func open(_ publisher: consuming Publisher, _ number: UInt64) {
    self.number = number
    let place = UnsafeMutablePointer<Publisher>.allocate(capacity: 1)
    unsafe place.initialize(to: publisher)
    unsafe pen = unsafe place
    // Those of a log before this one are not those of its table.
    topicIds = []
    isDirty = false
    phase = .ready
  }

  /// How many messages may wait for one lane.
  static var waitingMax: Int { 4096 }
  /// How many bytes of payload may wait for one lane, the last message not counted.
  static var waitingBytesMax: Int { 64 << 20 }
}

/// A lack of descriptors or memory that may pass.
struct LaneShortage: Sendable {
  var why: BusError
  /// Since when nothing was sent for it.
  let sinceNs: UInt64
  /// When the log is to be tried again.
  var retryNs: UInt64

  /// How long a message waits that has no deadline of its own.
  static var patienceNs: UInt64 { 5_000_000_000 }
  /// How long one try is from the next.
  static var pauseNs: UInt64 { 20_000_000 }

  /// Whether a message has waited for long enough.
  func isOver(_ message: PendingMessage, _ nowNs: UInt64) -> Bool {
    let endNs = message.deadlineNs ?? max(sinceNs, message.keptNs) &+ Self.patienceNs
    return nowNs >= endNs
  }
}

extension BusError {
  /// It may be there again in a moment, when others have given back what they hold.
  var mayPass: Bool { cause == .descriptors || cause == .memory }
}

/// Everything about one peer, and both lanes to it.
@safe
struct Peer: ~Copyable {
  let incarnation: UInt64
  let name: String
  let id: BusUUID
  /// The services to which the peer may send requests, once it has written to us.
  var mayCall: [TopicPattern] = []
  /// The normal lane, then the urgent one.
  let lanes: UnsafeMutablePointer<OutboundLane>
  /// Requests to it that wait for their response.
  var inFlight = 0
  /// Requests with a lower number were seen, if they are of the log of its normal lane that was
  /// heard last: numbers begin anew with each log.
  var seenNumber: UInt64 = 0
  /// Requests that were cancelled and may be still to come.
  var tombstones = Tombstones()
  var hasTombstones = false

  init(incarnation: UInt64, name: String, id: BusUUID) {
    self.incarnation = incarnation
    self.name = name
    self.id = id
    unsafe lanes = UnsafeMutablePointer<OutboundLane>.allocate(capacity: Lane.allCases.count)
    for at in 0..<Lane.allCases.count { unsafe (lanes + at).initialize(to: OutboundLane()) }
  }

  deinit {
    unsafe lanes.deinitialize(count: Lane.allCases.count)
    unsafe lanes.deallocate()
  }

  /// What is written to one of its lanes.
  func lane(_ lane: Lane) -> UnsafeMutablePointer<OutboundLane> {
    unsafe lanes + Int(lane.rawValue)
  }
}

/// One lane of one peer.
struct LaneKey: Hashable {
  /// The peer's index.
  let peer: Int
  let lane: Lane
}

/// The peers of one messenger, by an index that stays theirs as long as they live.
@safe
struct PeerTable: ~Copyable, @unchecked Sendable {
  // @unchecked Sendable: owned by one messenger.
  private var places: UnsafeMutablePointer<UnsafeMutablePointer<Peer>?>
  private var room = 16
  private(set) var end = 0
  private var free: [Int] = []
  private var known: [UInt64: Int] = [:]

  init() {
    unsafe places = .allocate(capacity: room)
    unsafe places.initialize(repeating: nil, count: room)
  }

  deinit {
    for at in 0..<end {
      guard let line = unsafe places[at] else { continue }
      unsafe line.deinitialize(count: 1)
      unsafe line.deallocate()
    }
    unsafe places.deallocate()
  }

  /// The index of an incarnation, nil when it has none.
  func index(of incarnation: UInt64) -> Int? { known[incarnation] }

  /// The line of a peer; nil when it has been closed meanwhile.
  func line(_ peer: PeerID) -> UnsafeMutablePointer<Peer>? {
    guard peer.line >= 0, peer.line < end, let line = unsafe places[peer.line],
      unsafe line.pointee.incarnation == peer.incarnation
    else { return nil }
    return unsafe line
  }

  /// The line at an index that is known to be in use.
  func at(_ index: Int) -> UnsafeMutablePointer<Peer>? {
    index >= 0 && index < end ? unsafe places[index] : nil
  }

  /// The indexes in use.
  var indices: [Int] { (0..<end).filter { unsafe places[$0] != nil } }

  mutating func add(_ line: consuming Peer) -> Int {
    let incarnation = line.incarnation
    let place = UnsafeMutablePointer<Peer>.allocate(capacity: 1)
    unsafe place.initialize(to: line)
    let at: Int
    if let reused = free.popLast() {
      at = reused
    } else {
      if end == room { enlarge() }
      at = end
      end += 1
    }
    unsafe places[at] = unsafe place
    known[incarnation] = at
    return at
  }

  private mutating func enlarge() {
    let larger = UnsafeMutablePointer<UnsafeMutablePointer<Peer>?>.allocate(capacity: room * 4)
    unsafe larger.initialize(repeating: nil, count: room * 4)
    unsafe larger.update(from: places, count: end)
    unsafe places.deallocate()
    unsafe places = unsafe larger
    room *= 4
  }

  mutating func remove(_ at: Int) {
    guard let line = unsafe places[at] else { return }
    known[unsafe line.pointee.incarnation] = nil
    unsafe line.deinitialize(count: 1)
    unsafe line.deallocate()
    unsafe places[at] = nil
    free.append(at)
  }
}
