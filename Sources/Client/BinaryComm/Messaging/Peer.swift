import BasicContainers
import BusLog
import BusWire

/// Everything about one peer, and both lanes to it.
struct Peer: ~Copyable {
  let incarnation: Incarnation
  let name: String
  let id: BusUUID
  /// What is known of the requests that it sends.
  var requests = InboundRequests()
  /// Requests to it that wait for their response.
  var inFlight = 0
  /// The normal lane, then the urgent one.
  // In memory of their own: whatever borrows an element of an InlineArray copies all of it first,
  // and an accessor that yields one of two properties allocates.
  var lanes = UniqueArray<OutboundLane>()
  /// It was removed from its table, and its place is free.
  let isGone: Bool

  init(incarnation: Incarnation, name: String, id: BusUUID) {
    self.incarnation = incarnation
    self.name = name
    self.id = id
    isGone = false
    lanes.reserveCapacity(Lane.allCases.count)
    for _ in Lane.allCases { lanes.append(OutboundLane()) }
  }

  /// Nobody: what a free place holds, without lanes.
  fileprivate init() {
    incarnation = Incarnation(0)
    name = ""
    id = .zero
    isGone = true
  }

  /// Nothing is sent to it, and no request waits for it.
  var isQuiet: Bool {
    inFlight == 0 && lanes[0].state.isUnused && lanes[1].state.isUnused
  }
}

/// The peers of one messenger, by an index that stays theirs as long as they live.
struct PeerTable: ~Copyable {
  /// By index.
  // Open, for every message goes this way: an accessor of our own is a coroutine, which is called
  // and not inlined where one yields to another, and that shows in each request.
  var places = UniqueArray<Peer>()
  private var free: [Int] = []
  private var known: [Incarnation: Int] = [:]

  /// The index of an incarnation, nil when it has none.
  func index(of incarnation: Incarnation) -> Int? { known[incarnation] }

  /// Whether a peer has an index; one that has ended and was removed has none.
  @inline(__always)
  func has(_ index: Int) -> Bool {
    index >= 0 && index < places.count && !places[index].isGone
  }

  /// Whether a peer is still there.
  func has(_ peer: PeerID) -> Bool {
    has(peer.index) && places[peer.index].incarnation.value == peer.incarnation
  }

  /// A lane of a peer that is in use.
  subscript(key: LaneKey) -> OutboundLane {
    @inline(__always) _read { yield places[key.peer].lanes[key.place] }
    @inline(__always) _modify { yield &places[key.peer].lanes[key.place] }
  }

  /// The name of the peer at an index, nil when there is none.
  func name(_ index: Int) -> String? { has(index) ? places[index].name : nil }

  /// The indexes in use.
  var indices: [Int] { (0..<places.count).filter { !places[$0].isGone } }

  /// Takes a peer in; returns its index.
  mutating func add(_ peer: consuming Peer) -> Int {
    let incarnation = peer.incarnation
    let at: Int
    if let reused = free.popLast() {
      places[reused] = peer
      at = reused
    } else {
      at = places.count
      places.append(peer)
    }
    known[incarnation] = at
    return at
  }

  /// Forgets the peer at an index; its logs end.
  mutating func remove(_ at: Int) {
    guard has(at) else { return }
    known[places[at].incarnation] = nil
    places[at] = Peer()
    free.append(at)
  }
}
