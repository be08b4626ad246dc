import BinaryComm
import BusWire

// A simulated agent as a reader: what `SubscriptionShared` and the reading thread do with memory.
// It is always at the end of what it reads.

extension SimulatedAgent {
  /// Changes a subscription by an event.
  mutating func change(_ number: UInt32, _ body: (inout Readings) -> Void) {
    guard var readings = subscriptions[number] else { return }
    body(&readings)
    subscriptions[number] = readings
  }

  /// The same, and does what follows; returns whether anything did.
  @discardableResult
  private mutating func update(
    _ number: UInt32, _ body: (inout Readings) -> [Readings.Action]
  ) -> Bool {
    var actions: [Readings.Action] = []
    change(number) { actions = body(&$0) }
    perform(actions, of: number)
    return !actions.isEmpty
  }

  private mutating func perform(_ actions: [Readings.Action], of number: UInt32) {
    for action in actions {
      switch action {
      case .tell(let frame): session.tell(frame)
      case .post(let news): hear(news, of: number)
      case .map(let announce, let isNew, _):
        update(number) { $0.mapped(announce, isNew: isNew, announce.generation) }
      case .takeCursor(let announce, let log): takeCursor(announce, log, of: number)
      case .delist: subscriptions[number] = nil
      // There is no memory, and its reading thread takes its news at once.
      case .free, .settle, .lose, .forgetNews: break
      }
    }
  }

  private mutating func hear(_ news: Readings.News, of number: UInt32) {
    switch news {
    case .opened(let reading): readOn(reading.source.attachment, of: number)
    case .log(let key, _, _): readOn(key, of: number)
    case .ended(let key, _), .evicted(let key, _): update(number) { $0.finish(key) }
    case .refused: break
    }
  }

  private mutating func takeCursor(_ announce: AnnounceFrame, _ log: UInt32, of number: UInt32) {
    let taken = Set(subscriptions.values.flatMap { $0.readings.values.map(\.slot) })
    guard let slot = (0..<24 as Range<UInt16>).first(where: { !taken.contains($0) }) else {
      excuse(number, announce.stream)
      update(number) { $0.noCursor(announce) }
      return
    }
    update(number) { $0.attach(announce, log, slot: slot, log) }
  }

  /// Goes over to the next log at once.
  private mutating func readOn(_ key: AttachmentID, of number: UInt32) {
    while let reading = readings(of: number)[key], reading.logs[reading.place + 1] != nil {
      update(number) { $0.release(key, reading.place) { $0 += 1 } }
    }
  }

  // MARK: Frames of the router

  /// Returns whether it is some subscription's.
  @discardableResult
  mutating func tellSubscriptions(_ frame: RouterFrame) -> Bool {
    var isKnown = false
    for number in subscriptions.keys.sorted() {
      let isMine = update(number) { readings in
        guard case .joined(let joined) = frame else { return readings.hear(frame) }
        return readings.join(joined) { $0.place = joined.generation }
      }
      guard isMine else { continue }
      isKnown = true
      if case .missed(let missed) = frame { excuse(number, missed.stream) }
    }
    return isKnown
  }

  mutating func hear(_ evicted: EvictedFrame) {
    for number in subscriptions.keys.sorted() {
      guard let source = readings(of: number)[evicted.attachment]?.source else { continue }
      // Here no publisher drops a reader; only one that ended, or a thief, is a reason.
      if evicted.reason.contains("no longer knew") {
        complaints.append(Complaint(text: evicted.reason, publisher: source.publisherName))
      }
      excuse(number, source.stream)
    }
    guard !tellSubscriptions(.evicted(evicted)) else { return }
    session.tell(.detach(DetachFrame(attachment: evicted.attachment)))
  }

  // MARK: What the program does

  mutating func subscribe(_ pick: Int) {
    lastSubscription += 1
    let patterns = kind == "hub" ? [">", "open", "secret"] : [">", "open"]
    let text = patterns[pick % patterns.count]
    guard let pattern = try? TopicPattern(text) else { preconditionFailure("no pattern") }
    let frame = SubscribeFrame(
      subscription: lastSubscription, pattern: text,
      mode: pick % 5 == 0 ? .lossy : .lossless, sleeps: true, epoch: 1)
    subscriptions[lastSubscription] = Readings(frame, pattern)
    ask(.subscribe(lastSubscription))
  }

  mutating func unsubscribe(_ number: UInt32) { update(number) { $0.close() } }

  /// It wants this publisher no more.
  mutating func leave(_ key: AttachmentID, of number: UInt32) {
    guard let source = readings(of: number)[key]?.source else { return }
    excuse(number, source.stream)
    update(number) { $0.finish(key) }
  }

  // MARK: Another router

  mutating func restoreSteps(of number: UInt32) -> [RestoreStep<Memory>] {
    var told: (steps: [RestoreStep<Memory>], before: [Readings.Action]) = ([], [])
    change(number) { told = $0.restore() }
    perform(told.before, of: number)
    return told.steps
  }
}
