import BusCounters
import BusLog
import BusMemory
import BusSystem
import BusWire
import CBusPlatform
import Synchronization

/// What the service thread and the publishing thread of one stream share.
///
/// What is decided of it ``PublisherStreamState`` decides; here it meets flow control, memory and
/// the connection, each outside its mutex.
final class PublisherShared: Sendable {
  typealias State = StreamCell.State

  let agent: AgentShared
  let channel: String
  let gate: FlowControl
  /// What this stream's messages are counted in.
  let row: CounterRow
  let cell: StreamCell
  /// Called in place of telling a reader that this process has no room to let it in.
  private let onUnmet: (@Sendable (PublisherShared, BusError) -> Void)?

  init(
    agent: AgentShared, channel: String, stall: StallPolicy, countedAs: CounterIdentity? = nil,
    onUnmet: (@Sendable (PublisherShared, BusError) -> Void)? = nil,
    onLeave: @escaping @Sendable () -> Void = {}
  ) {
    self.agent = agent
    self.channel = channel
    self.onUnmet = onUnmet
    row = agent.counters.reserve(countedAs ?? .sent(channel))
    let state = State(channel: channel, publisher: agent.name, closesUnmet: onUnmet != nil)
    let cell = StreamCell(state, agent, onLeave: onLeave)
    self.cell = cell
    gate = FlowControl(stall: stall) { attachment, reason in
      cell.notify { $0.evicted(AttachmentID(attachment), reason) }
    } onLeave: { attachment in
      cell.notify { $0.left(AttachmentID(attachment), wasInWindow: true) }
    }
  }

  deinit { agent.counters.end(row) }

  /// Carries out what the stream's state asks for, in its order.
  func perform(_ actions: [State.Action]) {
    for action in actions {
      switch action {
      case .notify(let notice): cell.post(notice)
      case .enlist(let stream): enlist(stream)
      case .delist(let stream): delist(stream)
      case .expect(let readers): gate.expect(readers.map(\.value))
      case .expectInstead(let readers):
        guard !gate.expectInstead(readers.map(\.value)) else { break }
        cell.notify { $0.wentOn(without: readers) }
      case .letIn(let join, let descriptor): letIn(join, descriptor)
      case .takeOut(let attachment):
        let wasInWindow = gate.leave(attachment.value)
        cell.notify { $0.left(attachment, wasInWindow: wasInWindow) }
      case .compareWindow:
        let window = window
        perform(cell.update { $0.endSnapshot(window: window) })
      case .unmet(let failure): onUnmet?(self, failure)
      case .shutWindow: gate.shut()
      case .endWindow: gate.end()
      case .wake: agent.wakeup.signal()
      case .make(let shape, let generation): make(shape, generation: generation)
      case .register(let frame, let descriptor): register(frame, descriptor)
      }
    }
  }

  /// The readers in the window, each with the incarnation it belongs to.
  var readers: [AttachmentID: Incarnation] {
    let window = window
    return cell.update { $0.readers(in: window) }
  }

  private var window: Set<AttachmentID> { Set(gate.attachments.map(AttachmentID.init)) }

  // MARK: Its beginning and its end

  /// Registers the stream with its first log; on return publishing is safe.
  func register(
    _ shape: LogShape, _ descriptor: FileDescriptor, deadline: Deadline
  ) throws(BusError) {
    let frame = cell.update { $0.firstLog(shape) }
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
    let frame = cell.update { $0.firstLog(shape) }
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
    perform(cell.update { $0.opened(added, shape, descriptor) })
  }

  private func enlist(_ stream: StreamID) {
    agent.counters.activate(row, stream: stream.value)
    agent.state.withLock { $0.publishers.byStream[stream] = self }
    // The agent may have ended since this answer was taken, and have ended its publishers before
    // this one was among them.
    if let why = agent.connection.closing { shut(why) }
  }

  private func delist(_ stream: StreamID?) {
    agent.counters.end(row)
    guard let stream else { return }
    agent.state.withLock { _ = $0.publishers.byStream.removeValue(forKey: stream) }
  }

  /// The agent has ended: the publishing thread finds out at its next look.
  func shut(_ why: BusError) { perform(cell.update { $0.shut(why) }) }

  /// The stream is over.
  func close() { perform(cell.update { $0.close() }) }

  /// Readers that this process had no room to let in so far.
  var unmet: UnmetReaders { cell.update { $0.unmet } }

  /// Why nothing can be published any more, nil while it can.
  var ended: BusError? { cell.update { $0.ended } }

  // MARK: Frames of the router (service thread)

  func hear(_ frame: RouterFrame, _ descriptor: FileDescriptor? = nil) {
    perform(cell.update { $0.hear(frame, descriptor) })
  }

  private func letIn(_ join: JoinFrame, _ descriptor: FileDescriptor?) {
    do throws(RefusedJoin) {
      let start = try takeIn(join, descriptor)
      cell.notify { $0.joined(join.attachment, at: start) }
    } catch {
      perform(cell.update { $0.refuse(join.attachment, error) })
    }
  }

  private func takeIn(
    _ join: JoinFrame, _ descriptor: FileDescriptor?
  ) throws(RefusedJoin) -> FlowControl.Start {
    let isLossless = join.flags.contains(.lossless)
    // A filter of system calls may have come after the publisher was made: without a barrier a
    // lossless reader could miss a message silently, so it is refused.
    guard !isLossless || gate.claimsAreFenced || plat_barrier_own_threads() == 0 else {
      throw .noBarrier
    }
    guard let descriptor else { throw .noDescriptor }
    guard let link = try link(join, descriptor) else { throw .unusableSegment }
    cell.update { $0.admit(join) }
    do throws(FlowControl.JoinRefusal) {
      return try gate.join(
        attachment: join.attachment.value, link: link, lossless: isLossless,
        barrier: { _ = plat_barrier_own_threads() })
    } catch {
      throw RefusedJoin(error)
    }
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

  // MARK: Logs (service thread)

  /// Closes our descriptors of logs that every reader has left, once a second.
  func dropDrainedLogs() {
    guard hasOldLogs else { return }
    let lowest = gate.lowestCursor
    cell.update { $0.dropDrainedLogs(lowest: lowest) }
  }

  /// Logs before the one that is written are kept for a reader.
  var hasOldLogs: Bool { cell.update { $0.hasOldLogs } }

  /// What a router is told that does not know the stream.
  ///
  /// A publisher that is going over to another log is waited for; nil when its thread stands still
  /// in between: to a router without these logs the stream is over.
  func restoreSteps() -> [RestoreStep<FileDescriptor>]? {
    for _ in 0..<500 {
      let (expected, window) = (gate.expected.map(AttachmentID.init), window)
      // In one look: a publisher that takes the log between two would move where no router knows.
      let steps = cell.update { $0.restoreSteps(window: window, expected: expected) }
      if let steps { return steps }
      SystemThread.sleep(milliseconds: 1)
    }
    return nil
  }
}
