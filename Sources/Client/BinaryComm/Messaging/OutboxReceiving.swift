import BusCounters
import BusLog
import BusMemory
import BusWire
import CBusABI

extension Outbox {
  /// What the program does with a message of the inbox.
  typealias Handler = (borrowing Message, InboxMessage, inout Outbox) -> Void

  /// Judges a message of the inbox, and hands it over when it is for the program.
  mutating func admit(_ message: borrowing Message, _ handler: Handler) {
    let words = message.words
    var index = unsafe message.topics._withUnsafeGuaranteedRef { $0.peer }
    if _slowPath(index < 0) { index = introduce(message) }
    guard let peer = unsafe lines.at(index) else { return }
    let lane = unsafe message.topics._withUnsafeGuaranteedRef { $0.lane }
    if lane == .normal {
      // A log that was heard before this one may still bring its last messages.
      unsafe peer.pointee.seenNumber = max(unsafe peer.pointee.seenNumber, message.sequence &+ 1)
    }
    let id = unsafe PeerID(line: index, incarnation: peer.pointee.incarnation)
    switch UInt32(words.typeBits) {
    case UInt32(BUS_TYPE_RESPONSE), UInt32(BUS_TYPE_ERROR):
      admitResponse(message, words, id, lane, handler)
    case UInt32(BUS_TYPE_REQUEST):
      admitRequest(message, words, id, lane, handler)
    case UInt32(BUS_TYPE_COMMAND)
    where UInt32(truncatingIfNeeded: words.word7) & BUS_FLAG_CANCEL != 0:
      admitCancel(message, words, id, handler)
    case UInt32(BUS_TYPE_EVENT), UInt32(BUS_TYPE_COMMAND):
      admitEvent(message, words, id, lane, handler)
    default:
      count(.malformed, message)
    }
  }

  /// Counts a message of the inbox that is not handed to the program, here and in its row.
  private mutating func count(_ reason: DropReason, _ message: borrowing Message) {
    count(reason)
    let bytes = UInt64(message.words.length)
    unsafe message.topics._withUnsafeGuaranteedRef { $0.refuse(reason, bytes: bytes) }
  }

  /// Gives the publisher of an inbox log its place in the table.
  private mutating func introduce(_ message: borrowing Message) -> Int {
    let source = unsafe message.topics._withUnsafeGuaranteedRef { $0.source }
    unreadable[source.publisherName] = nil
    let at = lineIndex(
      of: source.publisherIncarnation, name: source.publisherName, id: source.publisher)
    if let peer = unsafe lines.at(at) {
      unsafe peer.pointee.mayCall = source.mayCall.compactMap { try? TopicPattern($0) }
      let lane = unsafe message.topics._withUnsafeGuaranteedRef { $0.lane }
      if lane == .normal { unsafe peer.pointee.seenNumber = 0 }
    }
    unsafe message.topics._withUnsafeGuaranteedRef { $0.peer = at }
    return at
  }

  private mutating func admitResponse(
    _ message: borrowing Message, _ words: HeaderWords, _ peer: PeerID, _ lane: Lane,
    _ handler: Handler
  ) {
    let id = UInt32(truncatingIfNeeded: words.word7 &>> 32)
    guard let request = pending.find(id), request.line == peer.line else {
      count(.unknownCorrelation, message)
      return
    }
    if UInt32(words.typeBits) == UInt32(BUS_TYPE_ERROR) {
      let bytes = unsafe message.payload.withUnsafeBytes { unsafe Array($0.prefix(4100)) }
      end(request, RemoteFailure(decoding: bytes).error)
      return
    }
    let isLast = UInt32(truncatingIfNeeded: words.word7) & BUS_FLAG_STREAMED == 0
    if isLast {
      pending.remove(id)
      if let line = unsafe lines.at(peer.line) { unsafe line.pointee.inFlight -= 1 }
    }
    statistics.responsesReceived &+= 1
    let incoming = InboxMessage(
      kind: .response, peer: peer, correlationId: id, service: nil, lane: lane, isLast: isLast,
      context: MessageContext())
    handler(message, incoming, &self)
  }

  private mutating func admitRequest(
    _ message: borrowing Message, _ words: HeaderWords, _ peer: PeerID, _ lane: Lane,
    _ handler: Handler
  ) {
    let correlationId = UInt32(truncatingIfNeeded: words.word7 &>> 32)
    func incoming(_ service: Int?, _ context: MessageContext) -> InboxMessage {
      InboxMessage(
        kind: .request, peer: peer, correlationId: correlationId, service: service, lane: lane,
        isLast: true, context: context)
    }
    let now = now()
    let context: MessageContext
    let service: Int
    do throws(BusError) {
      context = try self.context(of: message, words, now)
      service = try self.service(of: message, words, peer)
      if isCancelled(correlationId, message.sequence, peer) {
        count(.cancelled, message)
        throw .cancelled("the request was stopped before it was started")
      }
      if let deadline = context.deadlineNs, deadline <= now.monotonicNs {
        count(.expired, message)
        throw .timeout("the request's time was over before it was started")
      }
    } catch {
      // Whoever waits is told; one that has ended meanwhile is not.
      try? fail(incoming(nil, MessageContext()), error)
      return
    }
    statistics.requestsReceived &+= 1
    handler(message, incoming(service, context), &self)
  }

  private mutating func admitEvent(
    _ message: borrowing Message, _ words: HeaderWords, _ peer: PeerID, _ lane: Lane,
    _ handler: Handler
  ) {
    do throws(BusError) {
      let context = try self.context(of: message, words, now())
      let service = try self.service(of: message, words, peer)
      statistics.eventsReceived &+= 1
      let isEvent = UInt32(words.typeBits) == UInt32(BUS_TYPE_EVENT)
      let incoming = InboxMessage(
        kind: isEvent ? .event : .command, peer: peer,
        correlationId: UInt32(truncatingIfNeeded: words.word7 &>> 32), service: service,
        lane: lane, isLast: true, context: context)
      handler(message, incoming, &self)
    } catch {
      // Counted where it was found.
    }
  }

  /// A cancel leaves a tombstone for a request that may be still to come, and goes to the program
  /// for one that may have come.
  private mutating func admitCancel(
    _ message: borrowing Message, _ words: HeaderWords, _ peer: PeerID, _ handler: Handler
  ) {
    let id = UInt32(truncatingIfNeeded: words.word7 &>> 32)
    let bytes = unsafe message.payload.withUnsafeBytes { unsafe Array($0.prefix(8)) }
    guard bytes.count == Int(BUS_CANCEL_BYTES), let line = unsafe lines.at(peer.line) else {
      count(.malformed, message)
      return
    }
    let number = (0..<8).reduce(UInt64(0)) { $0 | UInt64(bytes[$1]) << UInt64(8 * $1) }
    // A request of the urgent lane (no number) lies before its cancel.
    if number != .max {
      let seen = unsafe line.pointee.seenNumber
      // One that was seen, by its number, may as well be of the peer's next log.
      unsafe line.pointee.tombstones.add(
        Tombstone(correlationId: id, number: number), seen: seen)
      unsafe line.pointee.hasTombstones = true
      guard number < seen else { return }
    }
    let incoming = InboxMessage(
      kind: .cancel, peer: peer, correlationId: id, service: nil, lane: .urgent, isLast: true,
      context: MessageContext())
    handler(message, incoming, &self)
  }

  private mutating func isCancelled(_ id: UInt32, _ number: UInt64, _ peer: PeerID) -> Bool {
    guard let line = unsafe lines.at(peer.line), unsafe line.pointee.hasTombstones else {
      return false
    }
    let mine = Tombstone(correlationId: id, number: number)
    let found = unsafe line.pointee.tombstones.take(mine)
    unsafe line.pointee.hasTombstones = unsafe !line.pointee.tombstones.isEmpty
    return found
  }

  /// What a message passes on; throws when its extension is not understood, or it went too far.
  private mutating func context(
    of message: borrowing Message, _ words: HeaderWords, _ now: HostTime
  ) throws(BusError) -> MessageContext {
    guard words.hops <= WireLimit.hopsMax else {
      count(.tooManyHops, message)
      throw .tooManyHops("the work was passed on \(words.hops) times")
    }
    var context = MessageContext(hops: words.hops + 1)
    if UInt32(words.typeBits) == UInt32(BUS_TYPE_REQUEST) {
      context.deadlineNs = deadline(words, WireLimit.deadlineDefaultNs, now)
    }
    guard words.extensionLength > 0 else { return context }
    if let left = loneDeadline(message) {
      context.deadlineNs = deadline(words, left, now)
      return context
    }
    let items: MessageExtension
    do throws(WireError) {
      // A copy: the sender could change the bytes between the check of a text and its use.
      let copy = unsafe message.items.withUnsafeBytes { unsafe Array($0) }
      items = try MessageExtension(decoding: copy)
    } catch {
      count(.malformed, message)
      throw .invalid("the message's extension is not understood: \(error)")
    }
    if let left = items.deadlineNs {
      context.deadlineNs = deadline(words, left, now)
    }
    context.conversation = items.conversationId
    context.trace = items.traceContext
    return context
  }

  /// When the time is over that its sender left to a message.
  private mutating func deadline(_ words: HeaderWords, _ left: UInt64, _ now: HostTime) -> UInt64 {
    wall.sentNs(stamp: words.word2, now).addingSaturated(left)
  }

  /// The time left by an extension that holds a deadline and nothing else, as nearly all do.
  private func loneDeadline(_ message: borrowing Message) -> UInt64? {
    let items = message.items
    guard items.byteCount == 16 else { return nil }
    let low = unsafe items.unsafeLoadUnaligned(as: UInt64.self)
    let high = unsafe items.unsafeLoadUnaligned(fromUncheckedByteOffset: 8, as: UInt32.self)
    let head = UInt64(ItemKind.deadline.rawValue) | 8 << 16
    guard low & 0xFFFF_FFFF == head else { return nil }
    return low &>> 32 | UInt64(high) &<< 32
  }

  /// Which of this agent's names a message is for; throws when it has no such name, or the sender
  /// may not call it.
  private mutating func service(
    of message: borrowing Message, _ words: HeaderWords, _ peer: PeerID
  ) throws(BusError) -> Int {
    let id = words.word6
    let isShort = words.word5 == 0 && id < StreamTopics.verdictsMax
    if isShort {
      let known = unsafe message.topics._withUnsafeGuaranteedRef { unsafe $0.verdicts[Int(id)] }
      if known >= Self.firstServiceVerdict { return Int(known - Self.firstServiceVerdict) }
    }
    let name = words.word5 == 0 ? message.topic : served[0]
    guard let topic = try? Topic(name), let line = unsafe lines.at(peer.line),
      unsafe line.pointee.mayCall.contains(where: { pattern in pattern.matches(topic) })
    else {
      count(.denied, message)
      throw .denied("the policy does not allow this call, or there is no such service")
    }
    guard let service = servedIndex[name] else {
      count(.unknownName, message)
      throw .noResponders("\(served[0]) does not answer \(name)")
    }
    if isShort, service <= Int(UInt8.max - Self.firstServiceVerdict) {
      let verdict = Self.firstServiceVerdict + UInt8(service)
      unsafe message.topics._withUnsafeGuaranteedRef { unsafe $0.verdicts[Int(id)] = verdict }
    }
    return service
  }

  /// The bytes of a stream's table of verdicts from here on say which service a topic is.
  private static var firstServiceVerdict: UInt8 { 3 }
}
