import BusCounters
import BusLog
import BusMemory
import BusWire
import Synchronization

/// Whom a message is for: a service, an agent or a team, resolved by a messenger.
public struct Recipient: Hashable, Sendable {
  let index: Int
}

/// Everything an agent sends to other agents: requests, replies, direct messages, cancels.
///
/// Part of a ``Messenger``, and what its handlers are given to answer with. No call waits: what
/// has no room yet is kept, in order, and goes out while the messenger is polled.
@safe
public struct Outbox: ~Copyable, @unchecked Sendable {
  // @unchecked Sendable: owned by one messenger.
  let core: MessengerShared
  let options: MessengerOptions
  /// Bytes of the largest payload that can be sent to an agent.
  public let payloadBytesMax: Int
  private var clock: HostClock
  /// Where the wall clock stood.
  var wall: WallOffsets
  var lines = PeerTable()
  var pending: RequestTable
  /// The router allows an agent twice as many names at a time.
  var names = NameResolver<PendingMessage>(
    activeMax: 512, waitingMax: OutboundLane.waitingMax,
    waitingBytesMax: OutboundLane.waitingBytesMax)
  var served: [String]
  /// Of the names that are answered now.
  var servedIndex: [String: Int]
  /// Of every name that was ever answered: a name keeps its number.
  var numbers: [String: Int]
  /// The messenger was closed: no log is opened any more.
  var isClosed = false
  /// Somebody takes ``closed``.
  var reportsClosed = false
  /// Peers that were forgotten and not taken yet.
  private var closed: [PeerID] = []
  var guards: ConversationLimiter
  var failures: [RequestFailure] = []
  /// Lanes with something written that is not shown yet.
  var dirty: [LaneKey] = []
  /// Lanes in which messages wait.
  var waitingLanes: [LaneKey] = []
  var nextExpiryNs = UInt64.max
  /// Peers that have ended and of whose own messages some are still to be read.
  var leaving: Set<Incarnation> = []
  /// Requests in logs that are read no more, and may have been answered before.
  var orphans: [OrphanedRequests] = []
  /// Peers whose logs to this agent it had no room for, and what was missing.
  var unreadable: [String: BusError] = [:]
  var statistics = ConversationStatistics()
  /// The first messages that waited and reached nobody: for whom they were, and why.
  package internal(set) var unsent: [DeliveryFailure] = []
  /// Why the first of them reached nobody; nil while there is none.
  package var unsentReason: BusError? { unsent.first?.error }
  /// When the last message was written to a log, in ns since the Unix epoch; 0: none was.
  public internal(set) var sentNs: UInt64 = 0
  /// The item of a deadline, in which only the time changes.
  private let deadlineItem: UnsafeMutableRawPointer
  private static let deadlineItemBytes = 16
  /// What may lie around a payload: the header and the items of a message to an inbox.
  private static let aroundBytesMax = 256

  init(_ core: MessengerShared, _ options: MessengerOptions) {
    self.core = core
    self.options = options
    let most = core.agent.state.withLock { $0.limits.logBytesMax }
    let largest = Int(LogShape.recordBytesMax(capacity: most))
    payloadBytesMax = min(largest - Self.aroundBytesMax, WireLimit.payloadBytesMax)
    clock = core.agent.clock.clock()
    wall = WallOffsets(clock.now())
    let capacity = 1 << (Int.bitWidth - max(63, options.requestsMax - 1).leadingZeroBitCount)
    // Ids that do not start anew with each life of an agent make logs easier to read.
    pending = RequestTable(capacity: capacity, firstId: UInt32.random(in: 0..<1 << 30))
    served = [core.agent.name]
    servedIndex = [core.agent.name: 0]
    numbers = servedIndex
    guards = ConversationLimiter(limit: options.conversationLimit)
    unsafe deadlineItem = UnsafeMutableRawPointer.allocate(
      byteCount: Self.deadlineItemBytes, alignment: 8)
    let head = UInt64(ItemKind.deadline.rawValue) | 8 << 16
    unsafe deadlineItem.storeBytes(of: head, as: UInt64.self)
    unsafe deadlineItem.storeBytes(of: 0, toByteOffset: 8, as: UInt64.self)
  }

  deinit { unsafe deadlineItem.deallocate() }

  /// The time, and whether somebody has set the wall clock.
  @inline(__always)
  mutating func now() -> HostTime {
    let now = clock.now()
    wall.observe(now)
    return now
  }

  /// Sends to a peer: at once where there is a log with room in it, else later, in order.
  ///
  /// Returns the message's number in its lane, nil for one that waits. Throws when too much waits
  /// already, or the peer cannot be reached.
  @discardableResult
  mutating func post(
    _ letter: OutboundHeader, _ payload: RawSpan, to line: Int, _ lane: Lane, _ now: HostTime,
    until deadlineNs: UInt64? = nil
  ) throws(BusError) -> UInt64? {
    guard let peer = unsafe lines.at(line) else { throw .peerDied("the agent has ended") }
    let out = unsafe peer.pointee.lane(lane)
    if case .ready = unsafe out.pointee.phase, unsafe out.pointee.waiting.isEmpty {
      do throws(BusError) {
        if let number = try unsafe write(letter, payload, peer, out, now) {
          sentNs = now.unixNs
          unsafe markDirty(out, LaneKey(peer: line, lane: lane))
          return number
        }
      } catch {
        guard unsafe outlasts(error, letter, out, now) else { throw error }
      }
    }
    try keep(letter, payload, line, lane, now, until: deadlineNs)
    return nil
  }

  mutating func markDirty(_ out: UnsafeMutablePointer<OutboundLane>, _ key: LaneKey) {
    guard unsafe !out.pointee.isDirty else { return }
    unsafe out.pointee.isDirty = true
    dirty.append(key)
  }

  /// Writes into the log and returns the message's number; nil: there is no room now.
  mutating func write(
    _ letter: OutboundHeader, _ payload: RawSpan, _ peer: UnsafeMutablePointer<Peer>,
    _ out: UnsafeMutablePointer<OutboundLane>, _ now: HostTime
  ) throws(BusError) -> UInt64? {
    guard let pen = unsafe out.pointee.pen else { return nil }
    if unsafe !out.pointee.isDirty { unsafe pen.pointee.writer.prepare() }
    var destination = unsafe peer.pointee.id
    var isNamed = false
    if let recipient = letter.recipient {
      let id = unsafe topicId(of: recipient, out)
      isNamed = id == LogTopicTable.inExtension
      destination = BusUUID(topicId: id)
    }
    var head = LogWriter.Head(
      type: letter.type, destination: destination, priority: letter.priority,
      flags: letter.flags, correlationId: letter.correlationId)
    head.urgency |= UInt64(letter.context.hops) &<< 40
    let number = unsafe pen.pointee.published
    if isNamed || !letter.context.isPlain {
      let items = try items(of: letter, isNamed: isNamed, now.monotonicNs)
      return try unsafe pen.pointee.offer(head, items.span.rawBytes, payload, stamp: now.unixNs)
        ? number : nil
    }
    // The usual time goes without saying, which keeps a short request in two lines.
    let left = letter.context.timeLeft(now.monotonicNs)
    guard let left, letter.type != .request || left != WireLimit.deadlineDefaultNs else {
      return try unsafe pen.pointee.offer(head, payload, stamp: now.unixNs) ? number : nil
    }
    unsafe deadlineItem.storeBytes(
      of: UInt32(truncatingIfNeeded: left), toByteOffset: 4, as: UInt32.self)
    unsafe deadlineItem.storeBytes(
      of: UInt32(truncatingIfNeeded: left &>> 32), toByteOffset: 8, as: UInt32.self)
    let item = unsafe RawSpan(_unsafeStart: deadlineItem, byteCount: Self.deadlineItemBytes)
    return try unsafe pen.pointee.offer(head, item, payload, stamp: now.unixNs) ? number : nil
  }

  // Mutating, as all that a message passes through: to lend the outbox to a method that is not, the
  // compiler copies all of it (432 bytes for each request).
  private mutating func topicId(
    of recipient: Int, _ out: UnsafeMutablePointer<OutboundLane>
  ) -> UInt64 {
    if unsafe recipient < out.pointee.topicIds.count {
      let known = unsafe out.pointee.topicIds[recipient]
      if known != .max { return known }
    }
    while unsafe out.pointee.topicIds.count <= recipient {
      unsafe out.pointee.topicIds.append(.max)
    }
    let name = names.text(recipient)
    guard let pen = unsafe out.pointee.pen, let id = unsafe pen.pointee.writer.topic(name) else {
      return LogTopicTable.inExtension
    }
    unsafe out.pointee.topicIds[recipient] = UInt64(id)
    return UInt64(id)
  }

  private mutating func items(
    of letter: OutboundHeader, isNamed: Bool, _ nowNs: UInt64
  ) throws(BusError) -> [UInt8] {
    var items = MessageExtension()
    if isNamed, let recipient = letter.recipient { items.topic = names.text(recipient) }
    items.conversationId = letter.context.conversation
    items.traceContext = letter.context.trace
    items.deadlineNs = letter.context.timeLeft(nowNs)
    do throws(WireError) {
      return try items.encoded()
    } catch {
      throw .invalid("\(error)")
    }
  }

  // MARK: What waits

  private mutating func keep(
    _ letter: OutboundHeader, _ payload: RawSpan, _ line: Int, _ lane: Lane, _ now: HostTime,
    until deadlineNs: UInt64?
  ) throws(BusError) {
    guard !isClosed else { throw Self.closedError }
    guard let peer = unsafe lines.at(line) else { throw .peerDied("the agent has ended") }
    let out = unsafe peer.pointee.lane(lane)
    switch unsafe out.pointee.phase {
    case .refused(let why): throw why
    case .none:
      do throws(BusError) {
        try unsafe begin(line, lane, out, now)
      } catch {
        guard unsafe outlasts(error, letter, out, now) else { throw error }
      }
    case .making, .ready: break
    }
    let bytes = unsafe payload.withUnsafeBytes { unsafe Array($0) }
    let key = LaneKey(peer: line, lane: lane)
    if unsafe out.pointee.waiting.isEmpty, !waitingLanes.contains(key) { waitingLanes.append(key) }
    let message = PendingMessage(
      letter: letter, payload: bytes, keptNs: now.monotonicNs,
      deadlineNs: letter.context.deadlineNs ?? deadlineNs)
    guard unsafe out.pointee.waiting.append(message, bytes: bytes.count) else {
      let (count, bytes) = unsafe (out.pointee.waiting.count, out.pointee.waiting.bytes)
      countUnsent(.queueFull, to: unsafe peer.pointee.name, lane)
      throw .resourceExhausted(
        "\(count) messages with \(bytes) bytes wait for \(unsafe peer.pointee.name) already: it "
          + "does not read its inbox, or no larger log to it could be made", cause: .queue)
    }
  }

  /// Forgets everything about a peer that ended; what waited for it is dropped with a reason.
  mutating func close(_ line: Int, _ why: BusError) {
    guard let peer = unsafe lines.at(line) else { return }
    unreadable[unsafe peer.pointee.name] = nil
    // Most peers leave with nothing in flight, and the table is large.
    let hasRequests = unsafe peer.pointee.inFlight > 0
    for request in hasRequests ? pending.all(where: { $0.line == line }) : [] {
      pending.remove(request.correlationId)
      let name = unsafe peer.pointee.name
      failures.append(
        RequestFailure(correlationId: request.correlationId, responder: name, error: why))
    }
    for lane in Lane.allCases {
      let out = unsafe peer.pointee.lane(lane)
      for message in unsafe out.pointee.waiting.drainAll() {
        drop(message.letter, to: unsafe peer.pointee.name, why)
      }
    }
    dirty.removeAll { $0.peer == line }
    orphans.removeAll { $0.lane.peer == line }
    waitingLanes.removeAll { $0.peer == line }
    names.strike(line)
    if reportsClosed {
      closed.append(unsafe PeerID(line: line, incarnation: peer.pointee.incarnation))
    }
    core.forget(Incarnation(unsafe peer.pointee.incarnation))
    lines.remove(line)
  }

  /// The peers that were forgotten since the last call.
  mutating func drainClosed() -> [PeerID] {
    guard !closed.isEmpty else { return [] }
    defer { closed.removeAll() }
    return closed
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
    guard let peer = unsafe lines.at(key.peer) else { return }
    let out = unsafe peer.pointee.lane(key.lane)
    unsafe out.pointee.isDirty = false
    if let pen = unsafe out.pointee.pen { unsafe pen.pointee.flush() }
  }
}

extension Outbox {
  func lineName(_ line: Int) -> String? { unsafe lines.at(line).map { unsafe $0.pointee.name } }

  /// The name of a peer, nil when it has ended and all about it is forgotten.
  public func name(of peer: PeerID) -> String? {
    unsafe lines.line(peer).map { unsafe $0.pointee.name }
  }

  /// True when everything that was sent lies in the log to its recipient.
  public var isFlushed: Bool {
    dirty.isEmpty && waitingLanes.isEmpty && names.isNothingWaiting
  }

  /// Makes a name of this agent known to what arrives; returns its number.
  mutating func serve(_ name: String) -> Int {
    let number = numbers[name] ?? served.count
    if number == served.count { served.append(name) }
    numbers[name] = number
    servedIndex[name] = number
    return number
  }

  /// Refuses what arrives for a name from now on; its number stays its own.
  mutating func unserve(_ name: String) {
    guard name != core.agent.name else { return }
    servedIndex[name] = nil
  }
}
