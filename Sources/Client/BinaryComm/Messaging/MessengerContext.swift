import BasicContainers
import BusCounters
import BusLog
import BusMemory
import BusWire
import Synchronization

/// Whom a message is for: a service, an agent or a team, resolved by a messenger.
public struct Recipient: Hashable, Sendable {
  let index: Int
}

/// What a messenger and its handlers send with: requests, replies, direct messages, cancels.
///
/// Part of a ``Messenger``, and lent to its handlers. No call waits: what has no room yet is kept,
/// in order, and goes out while the messenger is polled.
public struct MessengerContext: ~Copyable, Sendable {
  let core: MessengerShared
  let options: MessengerOptions
  /// Bytes of the largest payload that can be sent to an agent.
  public let payloadBytesMax: Int
  private var clock: HostClock
  /// Where the wall clock stood.
  var wall: WallOffsets
  var served: ServedNames
  var peers = PeerTable()
  var requests: RequestTable
  /// The router allows an agent twice as many names at a time.
  var names = NameResolver<PendingMessage>(
    activeMax: 512, waitingMax: LaneState.waitingMax, waitingBytesMax: LaneState.waitingBytesMax)
  /// The messenger was closed: no log is opened any more.
  var isClosed = false
  /// Somebody takes ``drainClosed()``.
  var reportsClosed = false
  /// Peers that were forgotten and not taken yet.
  private var closed: [PeerID] = []
  var guards: ConversationLimiter
  var failures: [RequestFailure] = []
  /// Lanes with something written that is not shown yet.
  var dirty: [LaneKey] = []
  /// Lanes in which messages wait.
  var waitingLanes: [LaneKey] = []
  /// Peers that have ended and of whose own messages some are still to be read.
  var leaving: Set<Incarnation> = []
  var orphans = OrphanTable()
  var unreadable = UnreadablePeers()
  var statistics = ConversationStatistics()
  /// The first messages that waited and reached nobody: for whom they were, and why.
  package internal(set) var unsent: [DeliveryFailure] = []
  /// When the last message was written to a log, in ns since the Unix epoch; 0: none was.
  public internal(set) var sentNs: UInt64 = 0
  /// What may lie around a payload: the header and the items of a message to an inbox.
  private static let aroundBytesMax = 256

  init(_ core: MessengerShared, _ options: MessengerOptions) {
    self.core = core
    self.options = options
    let logBytesMax = core.agent.state.withLock { $0.limits.logBytesMax }
    let largest = Int(LogShape.recordBytesMax(capacity: logBytesMax))
    payloadBytesMax = min(largest - Self.aroundBytesMax, WireLimit.payloadBytesMax)
    clock = core.agent.clock.clock()
    wall = WallOffsets(clock.now())
    served = ServedNames(own: core.agent.name)
    // Ids that do not start anew with each life of an agent make logs easier to read.
    requests = RequestTable(room: options.requestsMax, lastId: UInt32.random(in: 0..<1 << 30))
    guards = ConversationLimiter(limit: options.conversationLimit)
  }

  /// The time, and whether somebody has set the wall clock.
  @inline(__always)
  mutating func now() -> HostTime {
    let now = clock.now()
    wall.observe(now)
    return now
  }

  // MARK: Peers

  /// The index of a peer, made when it is new.
  mutating func peerIndex(of incarnation: Incarnation, name: String, id: BusUUID?) -> Int {
    if let known = peers.index(of: incarnation) { return known }
    core.meet(incarnation)
    return peers.add(
      Peer(incarnation: incarnation, name: name, id: id ?? BusUUID(agentName: name)))
  }

  /// The name of a peer, nil when it has ended and all about it is forgotten.
  public func name(of peer: PeerID) -> String? { peers.has(peer) ? peers.name(peer.index) : nil }

  /// Forgets everything about a peer that ended; what waited for it is dropped with a reason.
  mutating func close(_ peer: Int, _ why: BusError) {
    guard peers.has(peer) else { return }
    let (name, incarnation) = (peers.places[peer].name, peers.places[peer].incarnation)
    unreadable.remove(name)
    // Most peers leave with nothing in flight, and the table is large.
    let hasRequests = peers.places[peer].inFlight > 0
    for request in hasRequests ? requests.all(where: { $0.peer == peer }) : [] {
      requests.remove(request.correlationId)
      failures.append(
        RequestFailure(correlationId: request.correlationId, responder: name, error: why))
    }
    for lane in Lane.allCases {
      for message in peers[LaneKey(peer: peer, lane: lane)].state.drainWaiting() {
        drop(message.header, to: name, why)
      }
    }
    dirty.removeAll { $0.peer == peer }
    orphans.remove(peer: peer)
    waitingLanes.removeAll { $0.peer == peer }
    names.strike(peer)
    if reportsClosed { closed.append(PeerID(index: peer, incarnation: incarnation.value)) }
    core.forget(incarnation)
    peers.remove(peer)
  }

  /// The peers that were forgotten since the last call.
  mutating func drainClosed() -> [PeerID] {
    guard !closed.isEmpty else { return [] }
    defer { closed.removeAll() }
    return closed
  }

  // MARK: Showing what was written

  /// True when everything that was sent lies in the log to its recipient.
  public var isFlushed: Bool {
    dirty.isEmpty && waitingLanes.isEmpty && names.isNothingWaiting
  }

  /// Sends what waited and has room now, and shows everything that was written.
  mutating func flush() {
    if _slowPath(names.awaitsCredit) { releaseCredit() }
    if _slowPath(!waitingLanes.isEmpty) { sendWaiting() }
    // Nearly always one; to empty an array by its range costs as much as to write the message.
    if dirty.count == 1, let only = dirty.popLast() {
      show(only)
    } else if !dirty.isEmpty {
      for key in dirty { show(key) }
      dirty.removeAll(keepingCapacity: true)
    }
  }

  /// Shows what was written into a lane.
  mutating func show(_ key: LaneKey) {
    if peers.has(key.peer) { peers.places[key.peer].lanes[key.place].show() }
  }
}
