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
      change(number) { $0.confirm() }
    // A reader whose request fails takes its subscription back.
    case (.subscribe(let number), .error): unsubscribe(number)
    default: break
    }
  }

  private mutating func told(_ frame: RouterFrame) {
    switch frame {
    case .announce, .joined, .streamEnded, .missed: tellSubscriptions(frame)
    case .evicted(let evicted): hear(evicted)
    case .snapshotBegin, .snapshotEnd:
      tellSubscriptions(frame)
      tellPublishers(frame)
    default: tellPublishers(frame)
    }
  }

  // MARK: Another router

  private mutating func restoreSteps() -> [RestoreStep<Memory>] {
    var steps: [RestoreStep<Memory>] = []
    for id in streams.keys.sorted() { steps += restoreSteps(of: id) }
    for number in subscriptions.keys.sorted() {
      let own = restoreSteps(of: number)
      if !(isForgetful && number == subscriptions.keys.max()) { steps += own }
    }
    return steps
  }
}
