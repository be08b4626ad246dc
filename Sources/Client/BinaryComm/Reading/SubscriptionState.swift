package import BusLog
package import BusWire
import DequeModule

/// What a subscription reads: the streams that the router announced, from the announcement of one
/// to its end.
///
///     announce ─▶ offered ─attach─▶ (its publisher lets us in) ─joined─▶ started ─ended─▶ finished
///
/// A pure value, shared by the service thread and the reading thread under a mutex. Frames of the
/// router, and what becomes of mappings and cursors, come in as calls; what is to be done goes out
/// as actions, in this order. ``SubscriptionShared`` lets it meet memory and the connection, a
/// simulation stands for these. A `Descriptor` is what is handed over of a log, a `Log` a mapped
/// one, a `Place` what the reading holds in memory beside its logs.
package struct SubscriptionState<Descriptor: Sendable, Log: Sendable, Place: Sendable>: Sendable {
  package struct Reading: Sendable {
    package let source: StreamSource
    /// The number of the cursor that the publisher looks at.
    package let slot: UInt16
    package fileprivate(set) var logs: [UInt32: Log]
    /// Where it begins, nil before the publisher has let us in.
    package fileprivate(set) var start: FlowControl.Start?
    package var place: Place
  }

  /// What the reading thread is told.
  package enum News: Sendable {
    /// A publisher has let us in.
    case opened(Reading)
    /// The log that follows in a stream that is read.
    case log(AttachmentID, UInt32, Log)
    /// A stream has ended at this position.
    case ended(AttachmentID, UInt64)
    case evicted(AttachmentID, String)
    /// A stream that is not read.
    case refused(StreamProblem)
  }

  /// What is to be done, in this order.
  package enum Action: Sendable {
    case tell(AgentFrame)
    case post(News)
    /// Map the log that was handed over: ``mapped(_:isNew:_:)`` or ``unmapped(_:isNew:_:)``.
    case map(AnnounceFrame, isNew: Bool, Descriptor?)
    /// Take a cursor: ``attach(_:_:slot:_:)``, or ``noCursor(_:)`` if there is none.
    case takeCursor(AnnounceFrame, Log)
    /// A reading holds this no more.
    case free(Place)
    /// The hand-over of a stream has arrived.
    case settle(StreamID)
    /// It is lost for want of room: have it asked for again, and post the problem if that is news.
    case lose(StreamID, StreamProblem)
    /// What the reading thread has not taken yet is not for it any more.
    case forgetNews
    /// The next router is told nothing of this subscription.
    case delist
  }

  /// The frame that registers this subscription, the first time and after a restart of the router.
  package let wish: SubscribeFrame
  package private(set) var readings: [AttachmentID: Reading] = [:]
  /// The router knows of this subscription: the next one must be told of it, too.
  package private(set) var isConfirmed = false
  package private(set) var isClosed = false
  private let pattern: TopicPattern
  private var named: Set<AttachmentID>?
  /// Those that were given up last, oldest first.
  private var finished: Deque<AttachmentID> = []

  package init(_ wish: SubscribeFrame, _ pattern: TopicPattern) {
    self.wish = wish
    self.pattern = pattern
  }

  /// Readings that no publisher has let in yet.
  package var waiting: [Reading] { readings.values.filter { $0.start == nil } }

  /// Whether a stream is read.
  package func reads(_ stream: StreamID) -> Bool {
    readings.values.contains { $0.source.stream == stream }
  }

  /// Announcements that are under way belong to readings that ended a moment ago.
  private static var finishedKept: Int { 64 }

  // MARK: Frames of the router

  /// The router has taken the subscription.
  package mutating func confirm() { isConfirmed = true }

  /// Takes a frame that answers nothing; ``join(_:_:)`` takes the one that lets us in.
  ///
  /// Nothing is to be done where it is not this subscription's.
  package mutating func hear(_ frame: RouterFrame, _ descriptor: Descriptor? = nil) -> [Action] {
    switch frame {
    case .announce(let announce) where announce.subscription == wish.subscription:
      return hear(announce, descriptor)
    case .streamEnded(let ended):
      let mine = readings.filter { $0.value.source.stream == ended.stream }.keys.sorted()
      named?.formUnion(mine)
      return end(mine, at: ended.finalPosition)
    case .evicted(let evicted): return hear(evicted)
    case .missed(let missed): return isMissed(missed) ? [refuse(missed)] : []
    case .snapshotBegin:
      named = []
      return []
    case .snapshotEnd:
      // What it did not name has ended while frames were lost.
      guard let named = named.take() else { return [] }
      return end(readings.keys.filter { !named.contains($0) }.sorted(), at: .max)
    default: return []
    }
  }

  private mutating func hear(_ announce: AnnounceFrame, _ descriptor: Descriptor?) -> [Action] {
    let key = announce.attachment
    _ = named?.insert(key)
    // It was under way when this reading was given up: nobody would ever let it in.
    guard !isClosed, !finished.contains(key) else { return [] }
    // What the router has handed out and let go is here already.
    guard !announce.flags.contains(.held) else { return [] }
    guard let known = readings[key] else { return [.map(announce, isNew: true, descriptor)] }
    // Only the log being read is kept as it is: one that was to follow may have been dropped with
    // its router, and its number used again.
    let isBeingRead =
      known.logs[announce.generation] != nil && announce.generation == known.logs.keys.min()
    return isBeingRead ? [] : [.map(announce, isNew: false, descriptor)]
  }

  /// The readings are over at this position: those that began are read to their end.
  private mutating func end(_ keys: [AttachmentID], at position: UInt64) -> [Action] {
    let started = keys.filter { readings[$0]?.start != nil }
    let never = keys.filter { readings[$0]?.start == nil }
    return started.map { .post(.ended($0, position)) } + never.flatMap { finish($0) }
  }

  private mutating func hear(_ evicted: EvictedFrame) -> [Action] {
    guard let reading = readings[evicted.attachment] else { return [] }
    guard reading.start == nil else {
      return [.post(.evicted(evicted.attachment, evicted.reason))]
    }
    // The reading thread never heard of this stream, and would not find it among its own.
    let name = reading.source.publisherName
    let error = BusError.evicted("\(name) did not let this reader in: \(evicted.reason)")
    return [refuse(name, error)] + finish(evicted.attachment)
  }

  /// A stream is missed by the subscription that is named, and by those that came after it and do
  /// not read it either: the router tells one of them.
  private func isMissed(_ missed: MissedFrame) -> Bool {
    guard wish.subscription != missed.subscription else { return true }
    guard wish.subscription > missed.subscription, let channel = try? Topic(missed.channel)
    else { return false }
    return pattern.couldMatchChannel(channel) && !reads(missed.stream)
  }

  private func refuse(_ missed: MissedFrame) -> Action {
    refuse(missed.publisherName, BusError(number: missed.code, text: missed.text))
  }

  private func refuse(_ publisher: String, _ error: BusError) -> Action {
    .post(.refused(StreamProblem(publisher: publisher, error: error)))
  }

  // MARK: Announced logs

  /// An announced log is mapped; `isNew`: as the first of its stream here.
  package mutating func mapped(
    _ announce: AnnounceFrame, isNew: Bool, _ log: Log
  ) -> [Action] {
    let settled = Action.settle(announce.stream)
    guard !isNew else { return [settled, .takeCursor(announce, log)] }
    readings[announce.attachment]?.logs[announce.generation] = log
    // Before it starts, the reading thread is told of all logs at once.
    guard readings[announce.attachment]?.start != nil else { return [settled] }
    return [settled, .post(.log(announce.attachment, announce.generation, log))]
  }

  /// It cannot be mapped.
  package mutating func unmapped(
    _ announce: AnnounceFrame, isNew: Bool, _ error: BusError
  ) -> [Action] {
    let problem = StreamProblem(publisher: announce.publisherName, error: error)
    let isLost = error.code == .resourceExhausted
    let told: Action = isLost ? .lose(announce.stream, problem) : .post(.refused(problem))
    // A log that follows one that is being read: that one is still read to its end.
    return [told] + (isNew ? finish(announce.attachment) : [])
  }

  /// There is no cursor left for a stream.
  package func noCursor(_ announce: AnnounceFrame) -> [Action] {
    let error = BusError.resourceExhausted(
      "this agent reads as many streams as it has cursors", cause: .limit)
    return [
      refuse(announce.publisherName, error),
      .tell(.detach(DetachFrame(attachment: announce.attachment))),
    ]
  }

  /// A stream that is new begins with this log.
  package mutating func attach(
    _ announce: AnnounceFrame, _ log: Log, slot: UInt16, _ place: Place
  ) -> [Action] {
    guard !isClosed else { return [.free(place)] }
    readings[announce.attachment] = Reading(
      source: StreamSource(announce), slot: slot, logs: [announce.generation: log], place: place)
    return [.tell(.attach(AttachFrame(attachment: announce.attachment, slot: slot)))]
  }

  /// The publisher has let us in: `begin` changes the reading's place; nothing if none waits.
  package mutating func join(
    _ joined: JoinedFrame, _ begin: (inout Reading) -> Void
  ) -> [Action] {
    guard var reading = readings[joined.attachment], reading.start == nil,
      reading.logs[joined.generation] != nil
    else { return [] }
    reading.start = FlowControl.Start(
      generation: joined.generation, position: joined.startPosition,
      sequence: joined.startSequence, departed: joined.departed)
    begin(&reading)
    readings[joined.attachment] = reading
    return [.post(.opened(reading))]
  }

  // MARK: The reading thread

  /// A log was read to its end and is unmapped; `update` changes the reading's place.
  package mutating func release(
    _ attachment: AttachmentID, _ generation: UInt32, update: (inout Place) -> Void = { _ in }
  ) -> [Action] {
    if var reading = readings[attachment] {
      reading.logs[generation] = nil
      update(&reading.place)
      readings[attachment] = reading
    }
    return [.tell(.released(ReleasedFrame(attachment: attachment, generation: generation)))]
  }

  /// A reading is drained, lost or not wanted any more.
  package mutating func finish(_ attachment: AttachmentID) -> [Action] {
    finished.append(attachment)
    if finished.count > Self.finishedKept { finished.removeFirst() }
    let freed = readings.removeValue(forKey: attachment).map { [Action.free($0.place)] } ?? []
    return freed + [.tell(.detach(DetachFrame(attachment: attachment)))]
  }

  /// The subscription is over.
  package mutating func close() -> [Action] {
    isClosed = true
    // Before the router is told: the next one is told of what is still listed.
    let farewell = UnsubscribeFrame(subscription: wish.subscription)
    return [.delist, .tell(.unsubscribe(farewell))]
      + readings.keys.sorted().flatMap { finish($0) }
  }

  // MARK: Another router

  /// What a router that does not know this subscription is told, and what is to be done before.
  ///
  /// Nothing of one that is still asked for, whose answer was lost with its router: it is asked for
  /// anew, and the next router announces the same streams under other numbers.
  package mutating func restore() -> (steps: [RestoreStep<Descriptor>], before: [Action]) {
    guard isConfirmed else {
      // Nobody has the reader yet, so nobody has taken any news of these.
      return ([], readings.keys.sorted().flatMap { finish($0) } + [.forgetNews])
    }
    let subject = RestoreStep<Descriptor>.Subject.subscription(wish.subscription)
    let frames = readings.sorted { $0.key < $1.key }.map { restoreFrame($0.key, $0.value) }
    let steps = [RestoreStep<Descriptor>(subject, .restoreSubscription(wish))]
    return (steps + frames.map { RestoreStep(subject, $0, hasAnswer: false) }, [])
  }

  private func restoreFrame(_ key: AttachmentID, _ reading: Reading) -> AgentFrame {
    let source = reading.source
    return .restoreAttachment(
      RestoreAttachmentFrame(
        attachment: key, subscription: wish.subscription, stream: source.stream,
        publisherIncarnation: source.publisherIncarnation, publisherName: source.publisherName,
        publisher: source.publisher, channel: source.channel, slot: reading.slot,
        joined: reading.start != nil, fromStart: source.fromStart))
  }
}
