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
    var readings = SubscriptionState<PeerSegment, Place>()
    var inbox = ReaderInbox()
  }

  private struct Place: Sendable {
    let slot: CursorSlot
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
    withReadings { $0.waiting.map(\.source.publisherName).sorted() }
  }

  /// Waits until every publisher has let this subscription in, or for the deadline.
  func waitForPublishers(deadline: Deadline) {
    while withReadings({ !$0.waiting.isEmpty }) {
      guard !deadline.isOver else { return }
      SystemThread.sleep(microseconds: 50)
    }
  }

  /// Whether something of this publisher is still to be read.
  func reads(from publisher: Incarnation) -> Bool {
    withReadings { state in
      state.readings.values.contains { $0.source.publisherIncarnation == publisher }
    }
  }

  /// What is still to be read of a publisher in one lane of this inbox.
  func readings(from publisher: Incarnation, on lane: Lane) -> Set<AttachmentID> {
    withReadings { state in
      let mine = state.readings.filter { _, reading in
        reading.source.publisherIncarnation == publisher
          && InboxChannel(reading.source.channel)?.lane == lane
      }
      return Set(mine.keys)
    }
  }

  /// Whether some of these is still to be read.
  func reads(anyOf readings: Set<AttachmentID>) -> Bool {
    withReadings { state in readings.contains { state.readings[$0] != nil } }
  }

  /// The router knows of this subscription: the next one must be told of it, too.
  var isConfirmed: Bool { withReadings { $0.isConfirmed } }

  func confirm() { withReadings { $0.isConfirmed = true } }

  private func withReadings<Result: Sendable>(
    _ body: (inout SubscriptionState<PeerSegment, Place>) -> sending Result
  ) -> sending Result {
    state.withLock { body(&$0.readings) }
  }

  // MARK: Frames of the router (service thread)

  func handle(_ announce: AnnounceFrame, _ descriptor: FileDescriptor?) {
    let interest = withReadings { $0.interest(in: announce) }
    guard interest != .none else { return }
    let mapped: PeerSegment
    do throws(BusError) {
      mapped = try Self.map(announce, descriptor)
    } catch {
      if noteLost(announce.stream, error) {
        post(.refused(StreamProblem(publisher: announce.publisherName, error: error)))
      }
      // A log that follows one that is being read: that one is still read to its end.
      if interest == .new { finish(announce.attachment) }
      return
    }
    agent.settle(lostKey(announce.stream))
    guard interest == .following else { return attach(announce, mapped) }
    if withReadings({ $0.follow(announce, mapped) }) {
      post(.log(announce.attachment, announce.generation, mapped))
    }
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
      agent.tell(.detach(DetachFrame(attachment: key)))
      return
    }
    slot.open(attachment: key.value)
    let index = UInt16(slot.index)
    let isOpen = withReadings { $0.attach(announce, mapped, slot: index, Place(slot: slot)) }
    guard isOpen else {
      segment.give(back: slot)
      return
    }
    agent.tell(.attach(AttachFrame(attachment: key, slot: index)))
  }

  func handle(_ joined: JoinedFrame) {
    let opened: OpenedStream? = withReadings { state in
      var row: CounterRow?
      let reading = state.join(joined) { reading in
        row = self.row(of: reading.source, start: joined.startSequence)
        reading.place.row = row
      }
      guard let reading, let start = reading.start, let row else { return nil }
      return OpenedStream(
        source: reading.source, slot: reading.place.slot, segments: reading.logs, start: start,
        row: row)
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
    let (started, never) = withReadings { $0.end(of: ended.stream) }
    for key in started { post(.ended(key, ended.finalPosition)) }
    for key in never { finish(key) }
  }

  /// Returns whether the reading is this subscription's.
  func handle(_ evicted: EvictedFrame) -> Bool {
    guard let reading = withReadings({ $0.readings[evicted.attachment] }) else { return false }
    guard reading.start == nil else {
      post(.evicted(evicted.attachment, evicted.reason))
      return true
    }
    // The reading thread never heard of this stream, and would not find it among its own.
    let name = reading.source.publisherName
    post(
      .refused(
        StreamProblem(
          publisher: name,
          error: .evicted("\(name) did not let this reader in: \(evicted.reason)"))))
    finish(evicted.attachment)
    return true
  }

  /// A stream is missed by the subscription that is named, and by those that came after it and do
  /// not read it either: the router tells one of them.
  func hear(_ missed: MissedFrame) {
    guard id != missed.subscription else { return handle(missed) }
    guard id > missed.subscription, let channel = try? Topic(missed.channel),
      pattern.couldMatchChannel(channel),
      withReadings({ !$0.reads(missed.stream) })
    else { return }
    handle(missed)
  }

  private func handle(_ missed: MissedFrame) {
    post(
      .refused(
        StreamProblem(
          publisher: missed.publisherName, error: BusError(number: missed.code, text: missed.text)))
    )
  }

  func beginSnapshot() { withReadings { $0.beginSnapshot() } }

  func endSnapshot() {
    let (started, never) = withReadings { $0.endSnapshot() }
    for key in started { post(.ended(key, .max)) }
    for key in never { finish(key) }
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

  func drainEvents() -> [ReaderEvent] { state.withLock { $0.inbox.drain() } }

  /// That generation is unmapped.
  func released(_ attachment: AttachmentID, _ generation: UInt32) {
    withReadings { $0.release(attachment, generation) }
    agent.tell(.released(ReleasedFrame(attachment: attachment, generation: generation)))
  }

  /// The stream is drained, lost or not wanted any more: its cursor line is free again.
  func finish(_ attachment: AttachmentID) {
    let removed = withReadings { $0.finish(attachment)?.place }
    if let row = removed?.row { agent.counters.end(row) }
    if let slot = removed?.slot { segment.give(back: slot) }
    agent.tell(.detach(DetachFrame(attachment: attachment)))
  }

  func close() {
    let all = withReadings { $0.close() }
    // Before the router is told: the next one is told of what is still listed here.
    agent.state.withLock { state in
      state.subscriptions[id] = nil
      state.lost.forget(subscription: id)
    }
    agent.tell(.unsubscribe(UnsubscribeFrame(subscription: id)))
    for attachment in all { finish(attachment) }
    agent.counters.release(owner: UInt64(id))
  }

  // MARK: Restart of the router

  /// What a router that does not know this subscription is told: nothing of one that is still asked
  /// for, whose readings begin anew.
  func restoreSteps() -> [RestoreStep<FileDescriptor>] {
    for key in withReadings({ $0.unconfirmed }) { finish(key) }
    guard isConfirmed else {
      // Nobody has the reader yet, so nobody has taken any of these.
      state.withLock { _ = $0.inbox.drain() }
      return []
    }
    let frames = withReadings { $0.restoreFrames(of: id) }
    let subject = RestoreStep<FileDescriptor>.Subject.subscription(id)
    return [RestoreStep(subject, .restoreSubscription(frame))]
      + frames.map { RestoreStep(subject, .restoreAttachment($0), hasAnswer: false) }
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
