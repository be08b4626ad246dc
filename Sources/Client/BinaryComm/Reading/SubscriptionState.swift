package import BusLog
package import BusWire

/// What a subscription reads: the streams that the router announced, from the announcement of one
/// to its end.
///
///     announce ─▶ offered ─attach─▶ (its publisher lets us in) ─joined─▶ started ─ended─▶ finished
///
/// A pure value, shared by the service thread and the reading thread under a mutex. A `Log` is a
/// mapped log, a `Place` what the reading holds in memory beside its logs.
package struct SubscriptionState<Log: Sendable, Place: Sendable>: Sendable {
  package struct Reading: Sendable {
    package let source: StreamSource
    /// The number of the cursor that the publisher looks at.
    package let slot: UInt16
    package var logs: [UInt32: Log]
    /// Where it begins, nil before the publisher has let us in.
    package fileprivate(set) var start: FlowControl.Start?
    package var place: Place
  }

  /// What to do with an announcement.
  package enum Interest: Sendable {
    /// It is known, or was under way when the reading was given up.
    case none
    /// A stream that is not read yet.
    case new
    /// The log that follows in a stream that is.
    case following
  }

  package private(set) var readings: [AttachmentID: Reading] = [:]
  /// The router knows of this subscription: the next one must be told of it, too.
  package var isConfirmed = false
  package private(set) var isClosed = false
  private var named: Set<AttachmentID>?
  /// Those that were given up last, oldest first.
  private var finished: [AttachmentID] = []

  package init() {}

  /// Readings that no publisher has let in yet.
  package var waiting: [Reading] { readings.values.filter { $0.start == nil } }

  /// Whether a stream is read.
  package func reads(_ stream: StreamID) -> Bool {
    readings.values.contains { $0.source.stream == stream }
  }

  /// Announcements that are under way belong to readings that ended a moment ago.
  private static var finishedKept: Int { 64 }

  // MARK: Frames of the router

  /// An announcement came: whether its log is to be mapped.
  package mutating func interest(in announce: AnnounceFrame) -> Interest {
    let key = announce.attachment
    _ = named?.insert(key)
    // It was under way when this reading was given up: nobody would ever let it in.
    if finished.contains(key) { return .none }
    // What the router has handed out and let go is here already.
    if announce.flags.contains(.held) { return .none }
    guard let known = readings[key] else { return .new }
    // Only the log being read is kept as it is: one that was to follow may have been dropped with
    // its router, and its number used again.
    let isBeingRead =
      known.logs[announce.generation] != nil && announce.generation == known.logs.keys.min()
    return isBeingRead ? .none : .following
  }

  /// A stream that is new begins with this log; false when the subscription is over.
  package mutating func attach(
    _ announce: AnnounceFrame, _ log: Log, slot: UInt16, _ place: Place
  ) -> Bool {
    guard !isClosed else { return false }
    readings[announce.attachment] = Reading(
      source: StreamSource(announce), slot: slot, logs: [announce.generation: log], place: place)
    return true
  }

  /// A log that follows is mapped; true when the reading thread must be told.
  package mutating func follow(_ announce: AnnounceFrame, _ log: Log) -> Bool {
    readings[announce.attachment]?.logs[announce.generation] = log
    return readings[announce.attachment]?.start != nil
  }

  /// The publisher has let us in: the reading as it starts, nil when there is none that waits.
  package mutating func join(
    _ joined: JoinedFrame, _ begin: (inout Reading) -> Void
  ) -> Reading? {
    guard var reading = readings[joined.attachment], reading.start == nil,
      reading.logs[joined.generation] != nil
    else { return nil }
    reading.start = FlowControl.Start(
      generation: joined.generation, position: joined.startPosition,
      sequence: joined.startSequence, departed: joined.departed)
    begin(&reading)
    readings[joined.attachment] = reading
    return reading
  }

  /// A stream ended: the readings that are still to be read to its end, and those that never began.
  package mutating func end(
    of stream: StreamID
  ) -> (started: [AttachmentID], never: [AttachmentID]) {
    let mine = readings.filter { $0.value.source.stream == stream }.keys.sorted()
    named?.formUnion(mine)
    return split(mine)
  }

  package mutating func beginSnapshot() { named = [] }

  /// Ends a snapshot: what it did not name has ended while frames were lost.
  package mutating func endSnapshot() -> (started: [AttachmentID], never: [AttachmentID]) {
    guard let named = named.take() else { return ([], []) }
    return split(readings.keys.filter { !named.contains($0) }.sorted())
  }

  private func split(
    _ keys: [AttachmentID]
  ) -> (started: [AttachmentID], never: [AttachmentID]) {
    (keys.filter { hasStarted($0) }, keys.filter { !hasStarted($0) })
  }

  private func hasStarted(_ key: AttachmentID) -> Bool { readings[key]?.start != nil }

  // MARK: The reading thread

  /// A log was read to its end and is unmapped; `update` changes the reading's place.
  package mutating func release(
    _ attachment: AttachmentID, _ generation: UInt32, update: (inout Place) -> Void = { _ in }
  ) {
    guard var reading = readings[attachment] else { return }
    reading.logs[generation] = nil
    update(&reading.place)
    readings[attachment] = reading
  }

  /// A reading is drained, lost or not wanted any more.
  package mutating func finish(_ attachment: AttachmentID) -> Reading? {
    finished.append(attachment)
    if finished.count > Self.finishedKept { finished.removeFirst() }
    return readings.removeValue(forKey: attachment)
  }

  /// The subscription is over: the readings that are to be finished.
  package mutating func close() -> [AttachmentID] {
    isClosed = true
    return readings.keys.sorted()
  }

  // MARK: Another router

  /// Readings of a subscription whose answer was lost with its router.
  ///
  /// It is asked for anew, and the next router announces the same streams under other numbers.
  package var unconfirmed: [AttachmentID] { isConfirmed ? [] : readings.keys.sorted() }

  /// What a router that does not know this subscription is told of its readings.
  package func restoreFrames(of subscription: UInt32) -> [RestoreAttachmentFrame] {
    readings.sorted { $0.key < $1.key }.map { key, reading in
      RestoreAttachmentFrame(
        attachment: key, subscription: subscription, stream: reading.source.stream,
        publisherIncarnation: reading.source.publisherIncarnation,
        publisherName: reading.source.publisherName, publisher: reading.source.publisher,
        channel: reading.source.channel, slot: reading.slot, joined: reading.start != nil,
        fromStart: reading.source.fromStart)
    }
  }
}

/// Whose stream it is, as the router told us.
package struct StreamSource: Sendable {
  package let attachment: AttachmentID
  package let stream: StreamID
  let publisher: BusUUID
  package let publisherIncarnation: Incarnation
  package let publisherName: String
  package let channel: String
  let relay: Bool
  /// It was announced before the stream's first record.
  package let fromStart: Bool
  /// In an inbox: the services to which the publisher may send requests.
  let mayCall: [String]

  init(_ announce: AnnounceFrame) {
    attachment = announce.attachment
    stream = announce.stream
    publisher = announce.publisher
    publisherIncarnation = announce.publisherIncarnation
    publisherName = announce.publisherName
    channel = announce.channel
    relay = announce.flags.contains(.relay)
    fromStart = announce.flags.contains(.fromStart)
    mayCall = announce.mayCall
  }

  /// Whose log it has to be.
  var owner: StreamOwner {
    StreamOwner(agent: publisher, incarnation: publisherIncarnation.value, channel: channel)
  }
}
