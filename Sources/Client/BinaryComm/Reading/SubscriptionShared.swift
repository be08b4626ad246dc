import BusCounters
import BusLog
import BusMemory
import BusSystem
import BusWire
import Synchronization

/// What the service thread and the reading thread of one subscription share.
final class SubscriptionShared: Sendable {
  let agent: AgentShared
  let id: UInt32
  let pattern: TopicPattern
  let mode: ReadMode
  let lease: EpochLease?
  let segment: ReaderSegment
  /// Changes whenever the inbox does; the reading thread compares it once per poll.
  let changes = LocalWord()
  private let state = Mutex(State())

  private struct State: Sendable {
    var attachments: [AttachmentID: Attachment] = [:]
    var inbox: [ReaderEvent] = []
    var named: Set<AttachmentID>?
    /// Those that were given up last, oldest first.
    var finished: [AttachmentID] = []
    var isConfirmed = false
    var isClosed = false
  }

  private struct Attachment: Sendable {
    var source: StreamSource
    var slot: CursorSlot
    var segments: [UInt32: PeerSegment]
    var start: FlowControl.Start?
    /// What this reading is counted in, from the moment at which the publisher let us in.
    var row: CounterRow?
  }

  init(
    agent: AgentShared, id: UInt32, pattern: TopicPattern, mode: ReadMode, lease: EpochLease?,
    segment: ReaderSegment
  ) {
    self.agent = agent
    self.id = id
    self.pattern = pattern
    self.mode = mode
    self.lease = lease
    self.segment = segment
  }

  var epoch: ReaderEpoch? { lease?.epoch }

  /// The frame that registers this subscription, the first time and after a restart of the router.
  var frame: SubscribeFrame {
    SubscribeFrame(
      subscription: id, pattern: pattern.text,
      mode: SubscribeMode(rawValue: mode.rawValue) ?? .lossy,
      sleeps: epoch != nil, epoch: UInt16(epoch?.index ?? 0))
  }

  /// Publishers that have not let this subscription in yet, because they are stopped.
  var pendingPublishers: [String] {
    state.withLock { state in
      state.attachments.values.filter { $0.start == nil }.map(\.source.publisherName).sorted()
    }
  }

  /// Waits until every publisher has let this subscription in, or for the deadline.
  func waitForPublishers(deadline: Deadline) {
    while state.withLock({ $0.attachments.values.contains { $0.start == nil } }) {
      guard !deadline.isOver else { return }
      SystemThread.sleep(microseconds: 50)
    }
  }

  /// Whether something of this publisher is still to be read.
  func reads(from publisher: Incarnation) -> Bool {
    state.withLock { state in
      state.attachments.values.contains { $0.source.publisherIncarnation == publisher }
    }
  }

  /// The router knows of this subscription: the next one must be told of it, too.
  var isConfirmed: Bool { state.withLock { $0.isConfirmed } }

  func confirm() { state.withLock { $0.isConfirmed = true } }

  // MARK: Frames of the router (service thread)

  func handle(_ announce: AnnounceFrame, _ descriptor: FileDescriptor?) {
    let key = announce.attachment
    let (known, isFinished) = state.withLock { state in
      state.named?.insert(key)
      return (state.attachments[key], state.finished.contains(key))
    }
    // It was under way when this reading was given up: nobody would ever let it in.
    if isFinished { return }
    // What the router has handed out and let go is here already.
    if announce.flags.contains(.held) { return }
    // Only the log being read is kept as it is: one that was to follow may have been dropped with
    // its router, and its number used again.
    if let known, known.segments[announce.generation] != nil,
      announce.generation == known.segments.keys.min()
    {
      return
    }
    let mapped: PeerSegment
    do throws(BusError) {
      mapped = try Self.map(announce, descriptor)
    } catch {
      if noteLost(announce.stream, error) {
        post(.refused(StreamProblem(publisher: announce.publisherName, error: error)))
      }
      // A log that follows one that is being read: that one is still read to its end.
      if known == nil { finish(key) }
      return
    }
    agent.settle(lostKey(announce.stream))
    guard known == nil else {
      let started = state.withLock { state in
        state.attachments[key]?.segments[announce.generation] = mapped
        return state.attachments[key]?.start != nil
      }
      if started { post(.log(key, announce.generation, mapped)) }
      return
    }
    attach(announce, mapped)
  }

  private func lostKey(_ stream: StreamID) -> LostHandOvers.Key {
    LostHandOvers.Key(subscription: id, stream: stream)
  }

  /// Has a log that there was no room for asked for again; true when this is to be told.
  private func noteLost(_ stream: StreamID, _ error: BusError) -> Bool {
    guard error.code == .resourceExhausted else { return true }
    return agent.lose(lostKey(stream))
  }

  /// Maps an announced log; throws whose fault it is that it cannot be read.
  private static func map(
    _ announce: AnnounceFrame, _ descriptor: FileDescriptor?
  ) throws(BusError) -> PeerSegment {
    let what = "\(announce.publisherName) on \(announce.channel) cannot be read"
    guard let descriptor else {
      throw .resourceExhausted(
        "\(what): no descriptor was left for its log in this process", cause: .descriptors)
    }
    do throws(MemoryError) {
      return try PeerSegment(of: descriptor.number, announced: announce.segmentBytes)
    } catch {
      guard case .system = error else { throw .corrupt("\(what): \(error.message)") }
      throw .noMemory(what, error)
    }
  }

  private func attach(_ announce: AnnounceFrame, _ mapped: PeerSegment) {
    let key = announce.attachment
    guard let slot = segment.takeSlot() else {
      post(
        .refused(
          StreamProblem(
            publisher: announce.publisherName,
            error: .resourceExhausted(
              "this agent reads as many streams as it has cursors", cause: .limit))))
      agent.post(.detach(DetachFrame(attachment: key)))
      return
    }
    slot.open(attachment: key.value)
    let source = StreamSource(
      attachment: key, stream: announce.stream, publisher: announce.publisher,
      publisherIncarnation: announce.publisherIncarnation, publisherName: announce.publisherName,
      channel: announce.channel, relay: announce.flags.contains(.relay),
      mayCall: announce.mayCall)
    let isOpen = state.withLock { state in
      guard !state.isClosed else { return false }
      state.attachments[key] = Attachment(
        source: source, slot: slot, segments: [announce.generation: mapped])
      return true
    }
    guard isOpen else {
      segment.give(back: slot)
      return
    }
    agent.post(.attach(AttachFrame(attachment: key, slot: UInt16(slot.index))))
  }

  func handle(_ joined: JoinedFrame) {
    let opened: OpenedStream? = state.withLock { state in
      guard var attachment = state.attachments[joined.attachment], attachment.start == nil,
        attachment.segments[joined.generation] != nil
      else { return nil }
      let start = FlowControl.Start(
        generation: joined.generation, position: joined.startPosition,
        sequence: joined.startSequence, departed: joined.departed)
      attachment.start = start
      let row = row(of: attachment.source, start: joined.startSequence)
      attachment.row = row
      state.attachments[joined.attachment] = attachment
      return OpenedStream(
        source: attachment.source, slot: attachment.slot, segments: attachment.segments,
        start: start, row: row)
    }
    if let opened { post(.opened(opened)) }
  }

  private func row(of source: StreamSource, start: UInt64) -> CounterRow {
    let inbox = InboxChannel(source.channel)
    let identity = CounterIdentity.received(
      inbox == nil ? source.channel : InboxChannel.shownName(of: agent.name),
      kind: inbox == nil ? .topic : .pair, lane: inbox?.lane.counted ?? .normal,
      mode: CounterMode(rawValue: mode.rawValue) ?? .none,
      from: source.publisherName, peerIncarnation: source.publisherIncarnation.value,
      stream: source.stream.value, attachment: source.attachment.value)
    return agent.counters.open(identity, owner: UInt64(id), start: start)
  }

  func handle(_ ended: StreamEndedFrame) {
    let (started, never) = state.withLock { state in
      let mine = state.attachments.filter { $0.value.source.stream == ended.stream }
      for key in mine.keys { state.named?.insert(key) }
      let started = mine.filter { $0.value.start != nil }.map(\.key)
      return (started, mine.filter { $0.value.start == nil }.map(\.key))
    }
    for key in started { post(.ended(key, ended.finalPosition)) }
    for key in never { finish(key) }
  }

  func handle(_ evicted: EvictedFrame) {
    guard let attachment = state.withLock({ $0.attachments[evicted.attachment] }) else { return }
    guard attachment.start == nil else {
      post(.evicted(evicted.attachment, evicted.reason))
      return
    }
    // The reading thread never heard of this stream, and would not find it among its own.
    let name = attachment.source.publisherName
    post(
      .refused(
        StreamProblem(
          publisher: name,
          error: .evicted("\(name) did not let this reader in: \(evicted.reason)"))))
    finish(evicted.attachment)
  }

  func handle(_ missed: MissedFrame) {
    post(
      .refused(
        StreamProblem(
          publisher: missed.publisherName, error: BusError(number: missed.code, text: missed.text)))
    )
  }

  func beginSnapshot() { state.withLock { $0.named = [] } }

  func endSnapshot() {
    let gone = state.withLock { state in
      defer { state.named = nil }
      guard let named = state.named else { return [AttachmentID]() }
      return state.attachments.keys.filter { !named.contains($0) }
    }
    let started = state.withLock { state in
      gone.filter { state.attachments[$0]?.start != nil }
    }
    for key in gone {
      if started.contains(key) { post(.ended(key, .max)) } else { finish(key) }
    }
  }

  func post(_ event: ReaderEvent) {
    state.withLock { $0.inbox.append(event) }
    wakeReader()
  }

  /// Ends the reading thread's wait, whether or not there is anything to read.
  ///
  /// A kick alone would not: the thread would find nothing new and go on sleeping.
  func wakeReader() {
    changes.word.add(1)
    epoch?.kick()
  }

  // MARK: The reading thread

  func drainEvents() -> [ReaderEvent] {
    state.withLock { state in
      defer { state.inbox.removeAll() }
      return state.inbox
    }
  }

  /// That generation is unmapped.
  func released(_ attachment: AttachmentID, _ generation: UInt32) {
    state.withLock { _ = $0.attachments[attachment]?.segments.removeValue(forKey: generation) }
    agent.post(.released(ReleasedFrame(attachment: attachment, generation: generation)))
  }

  /// The stream is drained, lost or not wanted any more: its cursor line is free again.
  func finish(_ attachment: AttachmentID) {
    let removed = state.withLock { state in
      state.finished.append(attachment)
      if state.finished.count > Self.finishedKept { state.finished.removeFirst() }
      return state.attachments.removeValue(forKey: attachment)
    }
    if let row = removed?.row { agent.counters.end(row) }
    if let slot = removed?.slot { segment.give(back: slot) }
    agent.post(.detach(DetachFrame(attachment: attachment)))
  }

  /// Announces that are under way belong to readings that ended a moment ago.
  private static var finishedKept: Int { 64 }

  func close() {
    let all = state.withLock { state in
      state.isClosed = true
      return Array(state.attachments.keys)
    }
    agent.post(.unsubscribe(UnsubscribeFrame(subscription: id)))
    for attachment in all { finish(attachment) }
    agent.counters.release(owner: UInt64(id))
    agent.state.withLock { state in
      state.subscriptions[id] = nil
      state.lost.forget(subscription: id)
    }
  }

  // MARK: Restart of the router

  func restore() -> [RestoreAttachmentFrame] {
    state.withLock { state in
      state.attachments.map { key, attachment in
        RestoreAttachmentFrame(
          attachment: key, subscription: id, stream: attachment.source.stream,
          publisherIncarnation: attachment.source.publisherIncarnation,
          publisherName: attachment.source.publisherName, publisher: attachment.source.publisher,
          channel: attachment.source.channel, slot: UInt16(attachment.slot.index),
          joined: attachment.start != nil)
      }
    }
  }
}

/// Whose stream it is, as the router told us.
struct StreamSource: Sendable {
  let attachment: AttachmentID
  let stream: StreamID
  let publisher: BusUUID
  let publisherIncarnation: Incarnation
  let publisherName: String
  let channel: String
  let relay: Bool
  /// In an inbox: the services to which the publisher may send requests.
  let mayCall: [String]

  /// Whose log it has to be.
  var owner: StreamOwner {
    StreamOwner(agent: publisher, incarnation: publisherIncarnation.value, channel: channel)
  }
}

/// A stream that its publisher has let us into.
struct OpenedStream: Sendable {
  let source: StreamSource
  let slot: CursorSlot
  let segments: [UInt32: PeerSegment]
  let start: FlowControl.Start
  let row: CounterRow
}

/// What the service thread tells the reading thread.
enum ReaderEvent: Sendable {
  case opened(OpenedStream)
  case log(AttachmentID, UInt32, PeerSegment)
  case ended(AttachmentID, UInt64)
  case evicted(AttachmentID, String)
  case refused(StreamProblem)
  case closed(BusError)
}
