import BasicContainers
import BusCounters
import BusLog
import BusMemory
import BusWire
import CBusABI

// What arrives in the inbox.

extension MessengerContext {
  /// What the program does with a message of the inbox.
  typealias Handler = (borrowing Message, InboxMessage, inout MessengerContext) -> Void

  /// Judges a message of the inbox, and hands it over when it is for the program.
  mutating func admit(_ message: borrowing Message, _ handler: Handler) {
    let words = message.words
    let index = message.peer ?? introduce(message)
    guard peers.has(index) else { return }
    let lane = message.lane
    if lane == .normal { peers.places[index].requests.heard(message.sequence) }
    let peer = PeerID(index: index, incarnation: peers.places[index].incarnation.value)
    switch UInt32(words.typeBits) {
    case UInt32(BUS_TYPE_RESPONSE), UInt32(BUS_TYPE_ERROR):
      admitResponse(message, words, peer, lane, handler)
    case UInt32(BUS_TYPE_REQUEST):
      admitRequest(message, words, peer, lane, handler)
    case UInt32(BUS_TYPE_COMMAND)
    where UInt32(truncatingIfNeeded: words.word7) & BUS_FLAG_CANCEL != 0:
      admitCancel(message, words, peer, handler)
    case UInt32(BUS_TYPE_EVENT), UInt32(BUS_TYPE_COMMAND):
      admitEvent(message, words, peer, lane, handler)
    default:
      count(.malformed, message)
    }
  }

  /// Counts a message of the inbox that is not handed to the program, here and in its row.
  private mutating func count(_ reason: DropReason, _ message: borrowing Message) {
    count(reason)
    message.refuse(reason)
  }

  /// Gives the publisher of an inbox log its place in the table.
  @inline(never)
  private mutating func introduce(_ message: borrowing Message) -> Int {
    let source = message.streamSource
    unreadable.remove(source.publisherName)
    let at = peerIndex(
      of: source.publisherIncarnation, name: source.publisherName,
      id: source.publisher)
    if peers.has(at) {
      peers.places[at].requests.mayCall = source.mayCall.compactMap { try? TopicPattern($0) }
      if message.lane == .normal { peers.places[at].requests.begin() }
    }
    message.setPeer(at)
    return at
  }

  private mutating func admitResponse(
    _ message: borrowing Message, _ words: HeaderWords, _ peer: PeerID, _ lane: Lane,
    _ handler: Handler
  ) {
    let id = UInt32(truncatingIfNeeded: words.word7 &>> 32)
    guard let request = requests.find(id), request.peer == peer.index else {
      count(.unknownCorrelation, message)
      return
    }
    if UInt32(words.typeBits) == UInt32(BUS_TYPE_ERROR) {
      let bytes = message.payload.extracting(first: RemoteFailure.bytesMax).copied
      end(request, RemoteFailure(decoding: bytes).error)
      return
    }
    let isLast = UInt32(truncatingIfNeeded: words.word7) & BUS_FLAG_STREAMED == 0
    if isLast {
      requests.remove(id)
      peers.places[peer.index].inFlight -= 1
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
    let id = UInt32(truncatingIfNeeded: words.word7 &>> 32)
    let now = now()
    let context: MessageContext
    let service: Int
    do throws(Refusal) {
      context = try self.context(of: message, words, isRequest: true, now)
      service = try self.service(of: message, words, peer)
      let isCancelled = peers.places[peer.index].requests.isCancelled(id, message.sequence)
      try InboundFilter.checkWanted(context, isCancelled: isCancelled, nowNs: now.monotonicNs)
    } catch {
      count(error.reason, message)
      // Whoever waits is told; one that has ended meanwhile is not.
      let refused = InboxMessage(
        kind: .request, peer: peer, correlationId: id, service: nil, lane: lane, isLast: true,
        context: MessageContext())
      try? fail(refused, error.error)
      return
    }
    statistics.requestsReceived &+= 1
    let incoming = InboxMessage(
      kind: .request, peer: peer, correlationId: id, service: service, lane: lane, isLast: true,
      context: context)
    handler(message, incoming, &self)
  }

  private mutating func admitEvent(
    _ message: borrowing Message, _ words: HeaderWords, _ peer: PeerID, _ lane: Lane,
    _ handler: Handler
  ) {
    let context: MessageContext
    let service: Int
    do throws(Refusal) {
      context = try self.context(of: message, words, isRequest: false, now())
      service = try self.service(of: message, words, peer)
    } catch {
      count(error.reason, message)
      return
    }
    statistics.eventsReceived &+= 1
    let isEvent = UInt32(words.typeBits) == UInt32(BUS_TYPE_EVENT)
    let incoming = InboxMessage(
      kind: isEvent ? .event : .command, peer: peer,
      correlationId: UInt32(truncatingIfNeeded: words.word7 &>> 32), service: service,
      lane: lane, isLast: true, context: context)
    handler(message, incoming, &self)
  }

  /// A cancel leaves a tombstone for a request that may be still to come, and goes to the program
  /// for one that may have come.
  private mutating func admitCancel(
    _ message: borrowing Message, _ words: HeaderWords, _ peer: PeerID, _ handler: Handler
  ) {
    let id = UInt32(truncatingIfNeeded: words.word7 &>> 32)
    let bytes = message.payload.extracting(first: Int(BUS_CANCEL_BYTES)).copied
    guard bytes.count == Int(BUS_CANCEL_BYTES) else {
      count(.malformed, message)
      return
    }
    let number = bytes.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    // The urgent lane's requests bear no number here.
    guard peers.places[peer.index].requests.cancel(id, number == .max ? nil : number) else {
      return
    }
    let incoming = InboxMessage(
      kind: .cancel, peer: peer, correlationId: id, service: nil, lane: .urgent, isLast: true,
      context: MessageContext())
    handler(message, incoming, &self)
  }

  /// What a message passes on; throws when its extension is not understood, or it went too far.
  private mutating func context(
    of message: borrowing Message, _ words: HeaderWords, isRequest: Bool, _ now: HostTime
  ) throws(Refusal) -> MessageContext {
    try InboundFilter.context(words, message.items, isRequest: isRequest) {
      wall.sentNs(stamp: words.word2, now)
    }
  }

  /// Which of this agent's names a message is for.
  private mutating func service(
    of message: borrowing Message, _ words: HeaderWords, _ peer: PeerID
  ) throws(Refusal) -> Int {
    if let known = message.knownService { return known }
    let name = words.word5 == 0 ? message.topic : served.own
    let service = try InboundFilter.service(
      name, among: served, mayCall: peers.places[peer.index].requests.mayCall)
    message.noteService(service)
    return service
  }
}
