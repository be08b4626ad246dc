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
    prepareLogs()
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
        if case .larger(let id, _) = question {
          change(id) { $0.routerLost() }
        } else {
          unanswered.append(question)
        }
      case .unclaimed(let frame):
        if let farewell = PublisherTable<Stream>.farewell(to: frame) { session.tell(farewell) }
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
    case (.publish(let channel), .logAdded(let added)): open(channel, added)
    case (.larger(let id, let generation), .logAdded): change(id) { $0.registered(generation) }
    case (.larger(let id, _), .error(let error)):
      change(id) { $0.refused(BusError(number: error.code, text: error.text)) }
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
    case .snapshotBegin:
      for number in subscriptions.keys { subscriptions[number]?.state.beginSnapshot() }
      tellPublishers(frame)
    case .snapshotEnd:
      endSnapshot()
      tellPublishers(frame)
    default: tellPublishers(frame)
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

  private mutating func endSnapshot() {
    for number in subscriptions.keys.sorted() {
      let both = subscriptions[number]?.state.endSnapshot()
      finish(both, of: number)
    }
  }

  // MARK: Another router

  private mutating func restoreSteps() -> [RestoreStep<Memory>] {
    for (number, subscription) in subscriptions {
      for key in subscription.state.unconfirmed { finish(key, of: number, excused: false) }
    }
    var steps: [RestoreStep<Memory>] = []
    for id in streams.keys.sorted() { steps += restoreSteps(of: id) }
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
