import BusCounters
import BusLog
import BusMemory
import BusSystem
import BusWire
import CBusABI
import CBusPlatform
import Synchronization

// What follows from what happened to the control connection (service thread).

extension AgentShared {
  typealias Session = ControlConnection.Session

  /// Carries out what the session's state asks for, in its order.
  func perform(_ actions: [Session.Action]) {
    for action in actions {
      switch action {
      case .welcomed(let frame, let page): adopt(frame, clockPage: page)
      case .makeSegment(let incarnation): makeSegment(incarnation)
      case .registered(let frame, let isFirst): adopt(frame, isFirst: isFirst)
      case .collect:
        let steps = restoreSteps()
        perform(connection.update { $0.restore(steps, nowNs: $1, pauseNs: $2) })
      case .refused(let subject, let why): refuse(subject, why)
      case .answered(let reply, let frame, let descriptor): answer(reply, frame, descriptor)
      case .unclaimed(let frame): abandon(frame)
      case .unsendable(let reply):
        let text = "the kernel did not take the frame to the router"
        reply.finish(
          .frame(.error(ErrorFrame(code: BusErrorCode.system.rawValue, text: text)), nil))
      case .lost(let reply): reply.finish(.lost)
      case .deliver(let frame, let descriptor): apply(frame, descriptor)
      case .up:
        state.withLock { $0.downSinceNs = nil }
        notifyRouterChange(true)
      case .down:
        loseCounters()
        notifyRouterChange(false)
      case .ended(let why): shut(why)
      }
    }
  }

  private func notifyRouterChange(_ present: Bool) {
    let handler = state.withLock { $0.onRouterChange }
    handler(present)
  }

  private func answer(
    _ reply: PendingReply, _ frame: RouterFrame, _ descriptor: FileDescriptor?
  ) {
    switch frame {
    case .row(let row):
      reply.add(row: Dictionary(row.fields.map { ($0.key, $0.value) }) { $1 })
    case .queryEnd: reply.finishRows()
    default: if !reply.finish(.frame(frame, descriptor)) { abandon(frame) }
    }
  }

  /// The caller gave up.
  private func abandon(_ answer: RouterFrame) {
    if let farewell = PublisherTable<PublisherShared>.farewell(to: answer) { tell(farewell) }
  }

  // MARK: Registration

  private func adopt(_ welcome: WelcomeFrame, clockPage: FileDescriptor?) {
    if let clockPage {
      let page = try? PeerSegment(
        of: clockPage.number, announced: UInt64(BUS_CLOCK_BYTES))
      if let page { clock.adopt(page) }
    }
    state.withLock { state in
      state.limits.logBytesFirst = welcome.logBytesFirst
      state.limits.logBytesMax = welcome.logBytesMax
      state.limits.arenaBytes = welcome.arenaBytes
      state.limits.stallNs = UInt64(welcome.stallMs) * 1_000_000
    }
  }

  private func makeSegment(_ incarnation: Incarnation) {
    do throws(BusError) {
      let segment: ReaderSegment
      do throws(MemoryError) {
        segment = try ReaderSegment(agent: id, incarnation: incarnation.value)
      } catch {
        throw .noMemory("no reader segment", error)
      }
      let descriptor = try FileDescriptor(checking: segment.duplicateDescriptor())
      state.withLock { $0.identity = Identity(incarnation: incarnation, segment: segment) }
      perform(
        connection.update { session, _, _ in
          session.register(descriptor)
          return []
        })
    } catch {
      perform(connection.update { $0.fail(error, nowNs: $1, pauseNs: $2) })
    }
  }

  private func adopt(_ registered: RegisteredFrame, isFirst: Bool) {
    state.withLock { Self.adopt(registered.channels, &$0.limits) }
    guard isFirst else { return }
    counters.begin(incarnation: registered.incarnation.value)
    _ = plat_barrier_register()
  }

  private static func adopt(_ channels: [ChannelLimit], _ limits: inout Limits) {
    limits.channels = ChannelMap()
    limits.channelBytesMax = [:]
    for channel in channels {
      guard let topic = try? Topic(channel.prefix) else { continue }
      limits.channels.declare(topic)
      limits.channelBytesMax[channel.prefix] = channel.logBytesMax
    }
  }

  // MARK: A router that does not know us

  /// All that it has to be told, nil when that cannot be said now; what changes from here on is
  /// told behind it.
  private func restoreSteps() -> [RestoreStep<FileDescriptor>]? {
    let (publishers, subscriptions, messenger) = state.withLock { state in
      (
        Array(state.publishers.byStream.values), Array(state.subscriptions.values), state.messenger
      )
    }
    var steps: [RestoreStep<FileDescriptor>] = []
    for publisher in publishers {
      guard let own = publisher.restoreSteps() else { return nil }
      steps += own
    }
    for subscription in subscriptions { steps += subscription.restoreSteps() }
    if let messenger { steps += messenger.restore().map { RestoreStep(.name($0), $0) } }
    return steps + blobSteps()
  }

  private func refuse(_ subject: RestoreStep<FileDescriptor>.Subject, _ why: BusError) {
    switch subject {
    case .subscription(let id):
      let subscription = state.withLock { $0.subscriptions[id] }
      subscription?.post(.refused(StreamProblem(publisher: "", error: why)))
    case .name(let frame): state.withLock { $0.messenger }?.refuse(frame, why)
    case .blob(let token): state.withLock { _ = $0.blobs.removeValue(forKey: token) }
    case .stream, .end: break
    }
  }
}
