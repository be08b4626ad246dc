import BusCounters
import BusLog
import BusMemory
import BusSystem
import BusWire
import Synchronization

/// What the service thread and the reading thread of one subscription share.
///
/// What is decided of it ``SubscriptionState`` decides; here it meets memory and the connection,
/// each outside its mutex but for the row in which a reading is counted.
final class SubscriptionShared: Sendable {
  typealias Readings = SubscriptionState<FileDescriptor, PeerSegment, Place>

  let agent: AgentShared
  let id: UInt32
  let pattern: TopicPattern
  let mode: ReadMode
  let lease: EpochLease?
  let segment: ReaderSegment
  /// The frame that registers this subscription.
  let frame: SubscribeFrame
  /// Changes whenever the inbox does; the reading thread compares it once per poll.
  let changes = LocalWord()
  private let state: Mutex<State>

  private struct State: Sendable {
    var readings: Readings
    var inbox = ReaderInbox()
  }

  struct Place: Sendable {
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
    frame = SubscribeFrame(
      subscription: id, pattern: pattern.text,
      mode: SubscribeMode(rawValue: mode.rawValue) ?? .lossy,
      sleeps: lease != nil, epoch: UInt16(lease?.epoch.index ?? 0))
    state = Mutex(State(readings: Readings(frame, pattern)))
  }

  var epoch: ReaderEpoch? { lease?.epoch }

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

  /// The router knows of this subscription.
  func confirm() { withReadings { $0.confirm() } }

  private func withReadings<Result: Sendable>(
    _ body: (inout Readings) -> sending Result
  ) -> sending Result {
    state.withLock { body(&$0.readings) }
  }

  /// Carries out what the subscription's state asks for, in its order.
  private func perform(_ actions: [Readings.Action]) {
    for action in actions {
      switch action {
      case .tell(let frame): agent.tell(frame)
      case .post(let news): tell(news)
      case .map(let announce, let isNew, let descriptor): map(announce, isNew: isNew, descriptor)
      case .takeCursor(let announce, let log): takeCursor(announce, log)
      case .free(let place):
        if let row = place.row { agent.counters.end(row) }
        segment.give(back: place.slot)
      case .settle(let stream): agent.settle(lostKey(stream))
      case .lose(let stream, let problem):
        if agent.lose(lostKey(stream)) { post(.refused(problem)) }
      case .forgetNews: state.withLock { _ = $0.inbox.drain() }
      case .delist:
        agent.state.withLock { state in
          state.subscriptions[id] = nil
          state.lost.forget(subscription: id)
        }
      }
    }
  }

  private func tell(_ news: Readings.News) {
    switch news {
    case .opened(let reading):
      guard let start = reading.start, let row = reading.place.row else { break }
      let opened = OpenedStream(
        source: reading.source, slot: reading.place.slot, segments: reading.logs, start: start,
        row: row)
      post(.opened(opened))
    case .log(let key, let generation, let log): post(.log(key, generation, log))
    case .ended(let key, let position): post(.ended(key, position))
    case .evicted(let key, let reason): post(.evicted(key, reason))
    case .refused(let problem): post(.refused(problem))
    }
  }

  private func lostKey(_ stream: StreamID) -> LostHandOvers.Key {
    LostHandOvers.Key(subscription: id, stream: stream)
  }

  // MARK: Frames of the router (service thread)

  /// Takes a frame; returns whether it is this subscription's.
  @discardableResult
  func hear(_ frame: RouterFrame, _ descriptor: FileDescriptor? = nil) -> Bool {
    let actions =
      if case .joined(let joined) = frame { join(joined) } else {
        withReadings { $0.hear(frame, descriptor) }
      }
    perform(actions)
    return !actions.isEmpty
  }

  private func map(_ announce: AnnounceFrame, isNew: Bool, _ descriptor: FileDescriptor?) {
    do throws(BusError) {
      let log = try Self.map(announce, descriptor)
      perform(withReadings { $0.mapped(announce, isNew: isNew, log) })
    } catch {
      perform(withReadings { $0.unmapped(announce, isNew: isNew, error) })
    }
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

  private func takeCursor(_ announce: AnnounceFrame, _ log: PeerSegment) {
    guard let slot = segment.takeSlot() else {
      return perform(withReadings { $0.noCursor(announce) })
    }
    slot.open(attachment: announce.attachment.value)
    let place = Place(slot: slot)
    perform(
      withReadings { $0.attach(announce, log, slot: UInt16(slot.index), place) })
  }

  private func join(_ joined: JoinedFrame) -> [Readings.Action] {
    withReadings { state in
      // Under the mutex: whoever finishes the reading meanwhile finds the row.
      state.join(joined) { reading in
        reading.place.row = row(of: reading.source, start: joined.startSequence)
      }
    }
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
    perform(withReadings { $0.release(attachment, generation) })
  }

  /// The stream is drained, lost or not wanted any more: its cursor line is free again.
  func finish(_ attachment: AttachmentID) { perform(withReadings { $0.finish(attachment) }) }

  func close() {
    perform(withReadings { $0.close() })
    agent.counters.release(owner: UInt64(id))
  }

  // MARK: Restart of the router

  /// What a router that does not know this subscription is told.
  func restoreSteps() -> [RestoreStep<FileDescriptor>] {
    let (steps, before) = withReadings { $0.restore() }
    perform(before)
    return steps
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
