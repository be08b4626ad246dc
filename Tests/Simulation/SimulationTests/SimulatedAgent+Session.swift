import BinaryComm
import BusRouting
import BusWire
import RouterHarness

// What a simulated agent hears, and what follows: as the client's service thread does it.

extension SimulatedAgent {
  mutating func hear(_ sent: RouterHarness.Sent) {
    guard kind != "spy" || session.phase != .up else { return }
    incoming.append(sent)
  }

  /// Takes one frame from the socket.
  mutating func take(nowNs: UInt64, pauseNs: UInt64) {
    let one = incoming.removeFirst()
    var request: UInt32 = 0
    if case .answer(let number) = one.delivery { request = number }
    // A router says so to nobody who keeps the rules.
    if kind != "spy", case .error(let error) = one.frame,
      error.code == BusErrorCode.invalid.rawValue
    {
      complaints.append(Complaint(text: error.text))
    }
    perform(
      session.receive(
        one.frame.encode(request: request), nil, nowNs: nowNs, pauseNs: pauseNs))
  }

  mutating func perform(_ actions: [Session.Action]) {
    for action in actions {
      switch action {
      case .makeSegment(let incarnation):
        self.incarnation = incarnation
        session.register(.reader)
      case .registered(let frame, _): ticket = frame.ticket
      // A hostile one never says that it has told all.
      case .collect:
        if kind != "spy" { _ = session.restore(restoreSteps(), nowNs: 0, pauseNs: 0) }
      case .answered(let question, let frame, _): answered(question, frame)
      case .lost(let question):
        if case .rotate(let id, _) = question {
          streams[id]?.isRotating = false
        } else {
          unanswered.append(question)
        }
      case .unclaimed(let frame):
        guard case .logAdded(let added) = frame, added.generation == 0 else { break }
        session.tell(.closeStream(CloseStreamFrame(stream: added.stream)))
      case .deliver(let frame, _): told(frame)
      case .up:
        let again = unanswered
        unanswered = []
        for question in again { ask(question) }
      case .welcomed, .refused, .unsendable, .down, .ended: break
      }
    }
  }

  private mutating func answered(_ question: Question, _ frame: RouterFrame) {
    switch (question, frame) {
    case (.publish(let channel), .logAdded(let added)):
      streams[added.stream] = Stream(
        channel: channel, proof: added.proof, expected: Set(added.expected))
    case (.rotate(let id, let generation), .logAdded):
      guard streams[id] != nil else { return }
      streams[id]?.generation = generation
      streams[id]?.isRotating = false
      session.tell(.retireLog(RetireLogFrame(stream: id, generation: generation - 1)))
    case (.rotate(let id, _), .error): streams[id]?.isRotating = false
    case (.subscribe(let number), .subscribed):
      subscriptions[number]?.state.isConfirmed = true
    // A reader whose request fails takes its subscription back.
    case (.subscribe(let number), .error): subscriptions[number] = nil
    default: break
    }
  }

  private mutating func told(_ frame: RouterFrame) {
    switch frame {
    case .announce(let announce): hear(announce)
    case .joined(let joined):
      for number in subscriptions.keys.sorted() {
        let reading = subscriptions[number]?.state.join(joined) { reading in
          reading.place = joined.generation
        }
        if reading != nil { readOn(joined.attachment, of: number) }
      }
    case .streamEnded(let ended):
      for number in subscriptions.keys.sorted() {
        let both = subscriptions[number]?.state.end(of: ended.stream)
        finish(both, of: number)
      }
    case .evicted(let evicted): hear(evicted)
    case .missed(let missed):
      // One is told for those after it that reach the stream and do not read it either.
      for (number, subscription) in subscriptions where number >= missed.subscription {
        if !subscription.state.reads(missed.stream) { excuse(number, missed.stream) }
      }
    case .join(let join): letIn(join)
    case .leave(let leave):
      for id in streams.keys { letGo(leave.attachment, of: id) }
    case .agentGone(let gone):
      for id in streams.keys.sorted() {
        for key in streams[id]?.readers.readers(of: gone.incarnation) ?? [] { letGo(key, of: id) }
      }
    case .logAdded(let added): expect(added)
    case .snapshotBegin:
      for number in subscriptions.keys { subscriptions[number]?.state.beginSnapshot() }
      for id in streams.keys { streams[id]?.readers.beginSnapshot() }
    case .snapshotEnd: endSnapshot()
    default: break
    }
  }

  // MARK: As a reader

  private mutating func hear(_ announce: AnnounceFrame) {
    let number = announce.subscription
    guard let interest = subscriptions[number]?.state.interest(in: announce) else { return }
    switch interest {
    case .none: break
    case .following:
      if subscriptions[number]?.state.follow(announce, announce.generation) == true {
        readOn(announce.attachment, of: number)
      }
    case .new:
      let taken = Set(subscriptions.values.flatMap { $0.state.readings.values.map(\.slot) })
      guard let slot = (0..<24 as Range<UInt16>).first(where: { !taken.contains($0) }) else {
        excuse(number, announce.stream)
        return session.tell(.detach(DetachFrame(attachment: announce.attachment)))
      }
      let isOpen = subscriptions[number]?.state.attach(
        announce, announce.generation, slot: slot, announce.generation)
      guard isOpen == true else { return }
      session.tell(.attach(AttachFrame(attachment: announce.attachment, slot: slot)))
    }
  }

  /// A reader that is always at the end of its log goes over to the next one at once.
  private mutating func readOn(_ key: AttachmentID, of number: UInt32) {
    while let reading = subscriptions[number]?.state.readings[key],
      reading.logs[reading.place + 1] != nil
    {
      subscriptions[number]?.state.release(key, reading.place) { $0 += 1 }
      session.tell(.released(ReleasedFrame(attachment: key, generation: reading.place)))
    }
  }

  private mutating func hear(_ evicted: EvictedFrame) {
    let known = subscriptions.values.contains { $0.state.readings[evicted.attachment] != nil }
    guard known else {
      return session.tell(.detach(DetachFrame(attachment: evicted.attachment)))
    }
    for number in subscriptions.keys.sorted() {
      guard let reading = readings(of: number)[evicted.attachment] else { continue }
      // Here no publisher drops a reader; only one that ended, or a thief, is a reason.
      if evicted.reason.contains("no longer knew") {
        let publisher = reading.source.publisherName
        complaints.append(Complaint(text: evicted.reason, publisher: publisher))
      }
      finish(evicted.attachment, of: number, excused: true)
    }
  }

  private mutating func finish(
    _ both: (started: [AttachmentID], never: [AttachmentID])?, of number: UInt32
  ) {
    for key in (both?.started ?? []) + (both?.never ?? []) {
      finish(key, of: number, excused: false)
    }
  }

  // MARK: As a publisher

  private mutating func letIn(_ join: JoinFrame) {
    guard let stream = streams[join.stream] else { return }
    streams[join.stream]?.readers.announce(join.attachment)
    let isExpected = streams[join.stream]?.expected.remove(join.attachment) != nil
    streams[join.stream]?.window.insert(join.attachment)
    streams[join.stream]?.readers.insert(join.attachment, of: join.readerIncarnation)
    let generation = isExpected ? 0 : stream.generation
    session.tell(
      .joined(
        JoinedFrame(
          attachment: join.attachment, generation: generation,
          startPosition: UInt64(generation) * 64, startSequence: 0, departed: 0)))
  }

  private mutating func letGo(_ key: AttachmentID, of id: StreamID) {
    streams[id]?.readers.remove(key)
    streams[id]?.window.remove(key)
    streams[id]?.expected.remove(key)
  }

  private mutating func expect(_ added: LogAddedFrame) {
    guard streams[added.stream]?.readers.name(added.expected) == false else { return }
    guard streams[added.stream]?.expected.isEmpty == false else {
      for key in added.expected {
        session.tell(
          .joinRefused(JoinRefusedFrame(attachment: key, reason: "went on without it")))
      }
      return
    }
    let known = streams[added.stream]?.window ?? []
    streams[added.stream]?.expected.formUnion(added.expected.filter { !known.contains($0) })
  }

  private mutating func endSnapshot() {
    for number in subscriptions.keys.sorted() {
      let both = subscriptions[number]?.state.endSnapshot()
      finish(both, of: number)
    }
    for id in streams.keys.sorted() {
      let window = streams[id].map { $0.window.union($0.expected) } ?? []
      for key in streams[id]?.readers.endSnapshot(window: window) ?? [] { letGo(key, of: id) }
    }
  }

  // MARK: Another router

  private mutating func restoreSteps() -> [RestoreStep<Memory>] {
    for (number, subscription) in subscriptions {
      for key in subscription.state.unconfirmed { finish(key, of: number, excused: false) }
    }
    var steps: [RestoreStep<Memory>] = []
    for (id, stream) in streams.sorted(by: { $0.key < $1.key }) {
      let log = RestoreLogFrame(
        stream: id, channel: stream.channel, generation: stream.generation, capacity: 65536,
        segmentBytes: 73728, current: true, retired: false, proof: stream.proof)
      steps.append(
        RestoreStep(
          .stream(id), .restoreLog(log), .log(stream.channel, generation: stream.generation)))
      let awaited = stream.expected.map { ($0, Incarnation(0)) }
      let readers = stream.readers.present(in: stream.window).merging(awaited) { known, _ in known }
      for (key, reader) in readers.sorted(by: { $0.key < $1.key }) {
        let frame = RestoreReaderFrame(stream: id, attachment: key, readerIncarnation: reader)
        steps.append(RestoreStep(.stream(id), .restoreReader(frame), hasAnswer: false))
      }
    }
    for (number, subscription) in subscriptions.sorted(by: { $0.key < $1.key })
    where subscription.state.isConfirmed && !(isForgetful && number == subscriptions.keys.max()) {
      steps.append(
        RestoreStep(.subscription(number), .restoreSubscription(subscription.frame)))
      for frame in subscription.state.restoreFrames(of: number) {
        steps.append(
          RestoreStep(.subscription(number), .restoreAttachment(frame), hasAnswer: false))
      }
    }
    return steps
  }
}
