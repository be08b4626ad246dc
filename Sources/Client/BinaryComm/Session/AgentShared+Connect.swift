import BusCounters
import BusLog
import BusMemory
import BusSystem
import BusWire
import CBusABI
import CBusPlatform
import Synchronization

// The first connection, and the next ones: what an agent hands in when a router comes back.

extension AgentShared {
  /// Connects, registers under a new incarnation.
  func connectFirst(deadline: Deadline) throws(BusError) {
    let talk = try Handshake(directory: directory, trust: trust, deadline: deadline)
    let welcome = try talk.hello(program: ownProgramName())
    adopt(welcome.frame, clockPage: welcome.page)
    let segment: ReaderSegment
    do throws(MemoryError) {
      segment = try ReaderSegment(agent: id, incarnation: welcome.frame.incarnation.value)
    } catch {
      throw .noMemory("no reader segment", error)
    }
    let descriptor = try FileDescriptor(checking: segment.duplicateDescriptor())
    let answer = try talk.ask(
      .register(RegisterFrame(name: name, category: category, agent: id)), descriptor)
    guard case .registered(let registered) = answer else {
      throw .incompatibleVersion("the router answered register with another frame")
    }
    counters.begin(incarnation: registered.incarnation.value)
    _ = plat_barrier_register()
    state.withLock { state in
      state.identity = Identity(
        incarnation: registered.incarnation, ticket: registered.ticket, segment: segment,
        segmentDescriptor: descriptor)
      Self.adopt(registered.channels, &state.limits)
      state.socket = talk.socket
      state.link = .up
    }
  }

  /// Connects to a router that does not know us yet: same incarnation, all we have is handed in.
  ///
  /// False when there is none; throws when it refuses us for good.
  func connectAgain() throws(BusError) -> Bool {
    guard let identity = state.withLock({ $0.identity }) else { return false }
    let deadline = Deadline(after: .seconds(2))
    let talk: Handshake
    do throws(BusError) {
      talk = try Handshake(directory: directory, trust: trust, deadline: deadline)
    } catch {
      return false
    }
    let welcome = try talk.hello(program: ownProgramName())
    adopt(welcome.frame, clockPage: welcome.page)
    let reattach = ReattachFrame(
      name: name, category: category, agent: id, incarnation: identity.incarnation,
      ticket: identity.ticket)
    let answer = try talk.ask(.reattach(reattach), identity.segmentDescriptor)
    guard case .registered(let registered) = answer else { return false }
    let (publishers, subscriptions) = state.withLock { state in
      state.identity?.ticket = registered.ticket
      Self.adopt(registered.channels, &state.limits)
      // What is closed or left from here on was handed in: its frames wait for the end of this.
      state.outbox.removeAll()
      state.keepsFrames = true
      return (Array(state.publishers.values), Array(state.subscriptions.values))
    }
    do throws(BusError) {
      for publisher in publishers { try restore(publisher, talk) }
      for subscription in subscriptions where subscription.isConfirmed {
        try restore(subscription, talk)
      }
      if let messenger = state.withLock({ $0.messenger }) { try restore(messenger, talk) }
      try handInBlobs(talk)
      _ = try talk.ask(.restoreDone, nil)
    } catch {
      state.withLock { state in
        state.keepsFrames = false
        state.outbox.removeAll()
      }
      throw error
    }
    let resumed = state.withLock { state in
      state.keepsFrames = false
      guard case .down = state.link else { return false }
      state.socket = talk.socket
      state.link = .up
      state.downSinceNs = nil
      return true
    }
    guard resumed else { return false }
    flushOutbox()
    for (bytes, descriptors, isCut) in talk.early { receive(bytes, descriptors, isCut: isCut) }
    return true
  }

  private func restore(_ publisher: PublisherShared, _ talk: Handshake) throws(BusError) {
    for log in publisher.restore() {
      let frame = RestoreLogFrame(
        stream: log.stream, channel: publisher.channel, generation: log.generation,
        capacity: log.capacity, segmentBytes: log.segmentBytes, current: log.current,
        retired: !log.current, proof: log.proof)
      _ = try talk.ask(.restoreLog(frame), log.descriptor)
    }
    guard let stream = publisher.stream else { return }
    for (attachment, reader) in publisher.awaitedReaders {
      try talk.tell(
        .restoreReader(
          RestoreReaderFrame(stream: stream, attachment: attachment, readerIncarnation: reader)))
    }
  }

  private func restore(_ subscription: SubscriptionShared, _ talk: Handshake) throws(BusError) {
    do throws(BusError) {
      _ = try talk.ask(.restoreSubscription(subscription.frame), nil)
    } catch {
      guard case .denied = error else { throw error }
      // The policy changed while we were away: what is mapped may be drained, nothing new comes.
      subscription.post(.refused(StreamProblem(publisher: "", error: error)))
      return
    }
    for attachment in subscription.restore() {
      try talk.tell(.restoreAttachment(attachment))
    }
  }

  private func restore(_ messenger: MessengerShared, _ talk: Handshake) throws(BusError) {
    for frame in messenger.restore() {
      do throws(BusError) {
        if case .responders(let answer) = try talk.ask(frame, nil) { messenger.handle(answer) }
      } catch {
        messenger.refuse(frame, error)
        guard [.denied, .nameInUse, .resourceExhausted].contains(error.code) else { throw error }
      }
    }
  }

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

  private static func adopt(_ channels: [ChannelLimit], _ limits: inout Limits) {
    limits.channels = ChannelMap()
    limits.channelBytesMax = [:]
    for channel in channels {
      guard let topic = try? Topic(channel.prefix) else { continue }
      limits.channels.declare(topic)
      limits.channelBytesMax[channel.prefix] = channel.logBytesMax
    }
  }
}

/// The strictly alternating part of a connection, before the service thread takes it over.
final class Handshake {
  let socket: FileDescriptor
  private let deadline: Deadline
  private let wakeup: EventFD
  /// Frames that came unasked in between, for the service thread.
  private(set) var early: [(bytes: [UInt8], descriptors: [FileDescriptor], isCut: Bool)] = []
  /// What the router says of its own before it closes a connection that it does not take.
  private var refusal: BusError?
  private var isWelcome = false

  init(directory: String, trust: RouterTrust, deadline: Deadline) throws(BusError) {
    socket = try ControlSocket.connect(
      directory: directory, trust: trust, deadline: deadline)
    wakeup = try EventFD.make()
    self.deadline = deadline
  }

  func hello(program: String) throws(BusError) -> (frame: WelcomeFrame, page: FileDescriptor?) {
    try tell(.hello(HelloFrame(program: program)), request: 1)
    let (answer, descriptor) = try answer(to: 1)
    guard case .welcome(let welcome) = answer else {
      throw .incompatibleVersion("the router answered hello with another frame")
    }
    isWelcome = true
    return (welcome, descriptor)
  }

  /// Sends a request and returns its answer; throws the router's error.
  func ask(_ frame: AgentFrame, _ descriptor: FileDescriptor?) throws(BusError) -> RouterFrame {
    try tell(frame, request: 2, descriptor: descriptor)
    return try answer(to: 2).frame
  }

  func tell(
    _ frame: AgentFrame, request: UInt32 = 0, descriptor: FileDescriptor? = nil
  ) throws(BusError) {
    let bytes = frame.encode(request: request)
    while true {
      switch try ControlSocket.send(socket, bytes, descriptor) {
      case .sent: return
      case .full: try wait(writable: true)
      case .ended, .refused:
        // It may have said why before this was asked.
        _ = try answer(to: request)
        throw .noRouter("the router closed the connection")
      case .starved:
        guard !deadline.isOver else {
          throw .timeout(
            "the kernel took no frame for the router in time", cause: .silentRouter)
        }
        SystemThread.sleep(milliseconds: 5)
      }
    }
  }

  private func wait(writable: Bool) throws(BusError) {
    let leftNs = deadline.leftNs
    guard leftNs > 0 else {
      throw .timeout("the router did not answer in time", cause: .silentRouter)
    }
    let left = Int32(clamping: leftNs / 1_000_000 + 1)
    _ = wakeup.wait(orSocket: socket, writable: writable, milliseconds: min(left, 1000))
  }

  private func answer(
    to request: UInt32
  ) throws(BusError) -> (frame: RouterFrame, descriptor: FileDescriptor?) {
    while true {
      switch ControlSocket.receive(socket) {
      case .nothing: try wait(writable: false)
      case .ended: throw refusal ?? .noRouter("the router closed the connection")
      case .frame(let bytes, let descriptors, let isCut):
        let decoded: (request: UInt32, frame: RouterFrame)
        do throws(ControlError) {
          decoded = try RouterFrame.decode(bytes)
        } catch {
          throw .incompatibleVersion("the router's answer is not understood: \(error)")
        }
        guard decoded.request == request else {
          if case .error(let error) = decoded.frame, !isWelcome {
            refusal = BusError(number: error.code, text: error.text)
          }
          early.append((bytes, descriptors, isCut))
          continue
        }
        if case .error(let error) = decoded.frame {
          throw BusError(number: error.code, text: error.text)
        }
        return (decoded.frame, descriptors.first)
      }
    }
  }
}
