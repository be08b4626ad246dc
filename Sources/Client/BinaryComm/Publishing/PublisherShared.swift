import BusCounters
import BusLog
import BusMemory
import BusSystem
import BusWire
import CBusPlatform
import Synchronization

/// What the service thread and the publishing thread of one stream share.
final class PublisherShared: Sendable {
  let agent: AgentShared
  let channel: String
  let gate: FlowControl
  private let attached: AttachedRegister
  /// What this stream's messages are counted in.
  let row: CounterRow
  /// Called in place of telling a reader that this process has no room to let it in.
  private let onUnmet: (@Sendable (PublisherShared, BusError) -> Void)?
  let state = Mutex(State())

  struct State: ~Copyable, Sendable {
    var stream: StreamID?
    /// The router's word that the stream is ours.
    var proof = ControlTicket.none
    var logs: [Log] = []
    /// A larger log, between the wish for it and its use.
    var growth = LogGrowthState<NewLog>()
    var ended: BusError?
    /// Readers that this process had no room to let in.
    var unmet = UnmetReaders()

    /// A larger log that the publisher has not gone over to has no place in the stream yet, and
    /// makes no other log an old one.
    var hasOldLogs: Bool { logs.count > 1 && logs[1].basePosition != .max }
  }

  init(
    agent: AgentShared, channel: String, stall: StallPolicy, countedAs: CounterIdentity? = nil,
    onUnmet: (@Sendable (PublisherShared, BusError) -> Void)? = nil,
    onLeave: @escaping @Sendable () -> Void = {}
  ) {
    self.agent = agent
    self.channel = channel
    self.onUnmet = onUnmet
    row = agent.counters.reserve(countedAs ?? .sent(channel))
    let evictions = Evictions(agent)
    let attached = AttachedRegister(onLeave)
    self.attached = attached
    gate = FlowControl(stall: stall) { attachment, reason in
      attached.remove(AttachmentID(attachment))
      evictions.report(AttachmentID(attachment), reason)
    } onLeave: { attachment in
      attached.remove(AttachmentID(attachment), isNews: true)
    }
  }

  deinit { agent.counters.end(row) }

  /// Reports evictions from the publishing thread.
  private struct Evictions: Sendable {
    let agent: AgentShared
    init(_ agent: AgentShared) { self.agent = agent }
    func report(_ attachment: AttachmentID, _ reason: String) {
      agent.tell(.evict(EvictFrame(attachment: attachment, reason: reason)))
    }
  }

  /// The attached readers, and what is called when one of them has left, whether the router says so
  /// or the publishing thread finds it.
  private final class AttachedRegister: Sendable {
    private let table = Mutex(AttachedReaders())
    private let onLeave: @Sendable () -> Void

    init(_ onLeave: @escaping @Sendable () -> Void) { self.onLeave = onLeave }

    func with<Result: Sendable>(
      _ body: (inout AttachedReaders) -> sending Result
    ) -> sending Result {
      table.withLock { body(&$0) }
    }

    /// A reader is in the window no more; `isNews`: the window itself has found that out, or knew
    /// a reader that was never here.
    func remove(_ attachment: AttachmentID, isNews: Bool = false) {
      let wasAttached = table.withLock { $0.remove(attachment) }
      if wasAttached || isNews { onLeave() }
    }
  }

  /// The router's name for the stream, nil before it was registered.
  var stream: StreamID? { state.withLock { $0.stream } }

  /// The readers in the window, each with the incarnation it belongs to.
  var readers: [AttachmentID: Incarnation] {
    let window = window
    return attached.with { $0.present(in: window) }
  }

  private var window: Set<AttachmentID> { Set(gate.attachments.map(AttachmentID.init)) }

  /// Registers the stream with its first log; on return publishing is safe.
  func register(
    _ shape: LogShape, _ descriptor: FileDescriptor, deadline: Deadline
  ) throws(BusError) {
    let frame = AddLogFrame(
      stream: StreamID(0), channel: channel, generation: 0, capacity: shape.capacity,
      segmentBytes: shape.segmentBytes)
    _ = try agent.request(.addLog(frame), descriptor: descriptor, deadline: deadline) {
      [self] answer in
      if case .logAdded(let added) = answer { open(added, shape, descriptor) }
    }
  }

  /// The same without waiting: `then` runs on the service thread with what went wrong, nil when the
  /// stream is registered; false when no router is there to ask.
  func register(
    _ shape: LogShape, _ descriptor: FileDescriptor,
    then: @escaping @Sendable (BusError?) -> Void
  ) -> Bool {
    let frame = AddLogFrame(
      stream: StreamID(0), channel: channel, generation: 0, capacity: shape.capacity,
      segmentBytes: shape.segmentBytes)
    return agent.call(.addLog(frame), descriptor: descriptor) { [self] outcome in
      switch outcome {
      case .frame(.logAdded(let added), _):
        open(added, shape, descriptor)
        then(nil)
      case .frame(.error(let error), _): then(BusError(number: error.code, text: error.text))
      default: then(.noRouter("the router went away"))
      }
    }
  }

  private func open(_ added: LogAddedFrame, _ shape: LogShape, _ descriptor: FileDescriptor) {
    gate.expect(added.expected.map(\.value))
    state.withLock { state in
      state.stream = added.stream
      state.proof = added.proof
      state.logs = [
        Log(
          generation: 0, capacity: shape.capacity, segmentBytes: shape.segmentBytes,
          basePosition: 0, descriptor: descriptor)
      ]
    }
    agent.counters.activate(row, stream: added.stream.value)
    agent.state.withLock { $0.publishers[added.stream] = self }
    // The agent may have ended since this answer was taken, and have ended its publishers before
    // this one was among them.
    if let why = agent.connection.closing { shut(why) }
  }

  // MARK: Frames of the router (service thread)

  func handle(_ join: JoinFrame, _ descriptor: FileDescriptor?) {
    let attachment = join.attachment
    attached.with { $0.announce(attachment) }
    let start: FlowControl.Start
    do throws(RefusedJoin) {
      start = try letIn(join, descriptor, isLossless: join.flags.contains(.lossless))
    } catch {
      refuse(attachment, error)
      return
    }
    agent.tell(
      .joined(
        JoinedFrame(
          attachment: attachment, generation: start.generation, startPosition: start.position,
          startSequence: start.sequence, departed: start.departed)))
  }

  private func letIn(
    _ join: JoinFrame, _ descriptor: FileDescriptor?, isLossless: Bool
  ) throws(RefusedJoin) -> FlowControl.Start {
    // A filter of system calls may have come after the publisher was made: without a barrier a
    // lossless reader could miss a message silently, so it is refused.
    guard !isLossless || gate.claimsAreFenced || plat_barrier_own_threads() == 0 else {
      throw .noBarrier
    }
    guard let descriptor else { throw .noDescriptor }
    guard let link = try link(join, descriptor) else { throw .unusableSegment }
    let attachment = join.attachment
    // Before the publishing thread may find it gone again: what it says then is not too early.
    attached.with { $0.insert(attachment, of: join.readerIncarnation) }
    do throws(FlowControl.JoinRefusal) {
      return try gate.join(
        attachment: attachment.value, link: link, lossless: isLossless,
        barrier: { _ = plat_barrier_own_threads() })
    } catch {
      attached.with { _ = $0.remove(attachment) }
      throw RefusedJoin(error)
    }
  }

  /// Tells a reader that it is not let in, and whoever writes when that is not the reader's fault.
  private func refuse(_ attachment: AttachmentID, _ why: RefusedJoin) {
    if let failure = why.ownFailure(agent.name) {
      state.withLock { $0.unmet.note(failure) }
      // The stream is closed instead: then the router lets the reader have what it was promised.
      if let onUnmet { return onUnmet(self, failure) }
    }
    agent.tell(
      .joinRefused(JoinRefusedFrame(attachment: attachment, reason: why.text(agent.name))))
  }

  private func link(
    _ join: JoinFrame, _ descriptor: FileDescriptor
  ) throws(RefusedJoin) -> FlowControl.Link? {
    let segment: PeerSegment
    do throws(MemoryError) {
      segment = try agent.readerSegments.segment(of: join.readerIncarnation, descriptor.number)
    } catch {
      throw RefusedJoin(error)
    }
    let epoch = join.flags.contains(.sleeps) ? Int(join.epoch) : nil
    return FlowControl.Link(segment: segment, slot: Int(join.slot), epoch: epoch)
  }

  func leave(_ attachment: AttachmentID) {
    // One that was expected and never named its slot is known to the gate alone; one that the
    // publishing thread found gone is known to neither, and was told then.
    attached.remove(attachment, isNews: gate.leave(attachment.value))
  }

  func beginSnapshot() { attached.with { $0.beginSnapshot() } }

  /// Readers that the router expects for this stream: as a snapshot repeats them, or in the place
  /// of those that a former router had promised.
  func handle(_ added: LogAddedFrame) {
    let isInSnapshot = attached.with { $0.name(added.expected) }
    guard !isInSnapshot, !gate.expectInstead(added.expected.map(\.value)) else { return }
    for attachment in added.expected {
      let reason = "the publisher went on without it"
      agent.tell(.joinRefused(JoinRefusedFrame(attachment: attachment, reason: reason)))
    }
  }

  /// What the snapshot did not name has left while frames were lost.
  func endSnapshot() {
    let window = window
    for attachment in attached.with({ $0.endSnapshot(window: window) }) {
      leave(attachment)
    }
  }

  func leave(everyoneOf incarnation: Incarnation) {
    for attachment in attached.with({ $0.readers(of: incarnation) }) {
      leave(attachment)
    }
  }

  /// The agent has ended: the publishing thread finds out at its next look.
  func shut(_ why: BusError) {
    state.withLock { state in
      state.ended = why
      // Nobody will be handed these again: their descriptors go back.
      state.logs = []
    }
    gate.shut()
  }

  // MARK: The publishing thread

  /// Readers that this process had no room to let in so far.
  var unmet: UnmetReaders { state.withLock { $0.unmet } }

  /// Why nothing can be published any more, nil while it can.
  var ended: BusError? { state.withLock { $0.ended } }

  /// Why a log of this size is refused; nil when it is not, or is to be asked for again.
  func refusal(of shape: LogShape) -> BusError? {
    state.withLock { $0.growth.refusal(of: shape, nowNs: HostClock.monotonicNs()) }
  }

  /// Whether a log of this size is refused now; leaves the refusal as it is.
  func isRefused(_ shape: LogShape) -> Bool {
    state.withLock { $0.growth.isRefused(shape, nowNs: HostClock.monotonicNs()) }
  }

  /// The larger log, once the router has registered it.
  func takeReady() -> NewLog? { state.withLock { $0.growth.take() } }

  func giveBack(_ log: consuming NewLog) {
    var held: NewLog? = consume log
    state.withLock { state in
      if let unused = held.take() { state.growth.giveBack(unused) }
    }
  }

  /// The publisher writes this generation now, from this position on.
  func moved(to generation: UInt32, at position: UInt64) {
    let stream = state.withLock { state in
      if let at = state.logs.firstIndex(where: { $0.generation == generation }) {
        state.logs[at].basePosition = position
      }
      state.growth.moved()
      return state.stream
    }
    guard let stream, generation > 0 else { return }
    agent.tell(.retireLog(RetireLogFrame(stream: stream, generation: generation - 1)))
  }

  /// The stream is over.
  func close() {
    agent.counters.end(row)
    if let stream {
      agent.state.withLock { _ = $0.publishers.removeValue(forKey: stream) }
      agent.tell(.closeStream(CloseStreamFrame(stream: stream)))
    }
    // After the router was told: a join that the service thread handles until then is let in, and
    // one that it refuses afterwards is refused for a stream that has ended, which harms nobody.
    gate.end()
  }

  /// Closes our descriptors of logs that every reader has left (service thread, once a second).
  func dropDrainedLogs() {
    guard hasOldLogs else { return }
    let lowest = gate.lowestCursor ?? .max
    state.withLock { state in
      while state.hasOldLogs, state.logs[1].basePosition <= lowest {
        state.logs.removeFirst()
      }
    }
  }

  /// Logs before the one that is written are kept for a reader.
  var hasOldLogs: Bool { state.withLock { $0.hasOldLogs } }
}
