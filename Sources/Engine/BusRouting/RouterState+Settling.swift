import BusPorts
import BusWire
import DequeModule

// When agents have come back, every stream is looked at once: what its readers claim is compared
// with what its publisher says, they are told, and those who did not know of each other meet. That
// is a product of two numbers that one user may have made large, so it is done in turns: next comes
// the user, of streams or readers, for whom least was done, and as much at a time as one connection
// may cause.

extension RouterState {
  /// What it takes to settle a stream of which nobody is told, in entries of tables.
  private static var entriesOfSettling: Int { 256 }

  /// What others have their time for in each turn after one that did more.
  private static var settledPerRound: Int { 256 }

  /// Whether streams, or agents that did not finish handing in, still wait for their turn.
  var isUnsettled: Bool { !unsettled.isEmpty || !stragglers.isEmpty }

  /// The same, or agents that are to be told all at once.
  private var isSettling: Bool { isUnsettled || !inGrace && !snapshotsOwed.isEmpty }

  /// Settles streams until others have their turn; then tells those of whom news were dropped.
  mutating func settleStreams() {
    guard !inGrace else { return }
    settlingOwed = max(0, settlingOwed - Self.settledPerRound)
    guard settlingOwed == 0 else { return act(.moreToDo) }
    let before = effort
    hasSettled = true
    defer { settlingOwed = effort - before }
    let most = before + settledPerTurn
    work(on: \.unsettled, until: most) { $0.settle($1) }
    if unsettled.isEmpty {
      endedHere = []
      handedInReaders = [:]
      returning = [:]
      toldGone = [:]
      // Only now, as their streams are settled, and one in a turn: it ends with all that it has.
      if effort < most, let straggler = stragglers.popFirst() { fence(straggler) }
      work(on: \.snapshotsOwed, until: most) { $0.sendSnapshot(to: $1) }
    }
    if isSettling { act(.moreToDo) }
  }

  /// Does what waits in a queue, in the turns of those whose it is, until so much was done.
  private mutating func work<Item>(
    on queue: WritableKeyPath<RouterState, FairQueue<Item>>, until most: Int,
    _ step: (inout RouterState, Item) -> Void
  ) {
    while effort < most, let item = self[keyPath: queue].popNext() {
      let before = effort
      step(&self, item)
      self[keyPath: queue].spend(effort - before)
    }
  }

  /// Settles a stream before something else happens to it.
  ///
  /// One that has not begun waits for its turn all the same, unless it ends before.
  mutating func settleNow(_ id: StreamID, isEnding: Bool = false) {
    let isHeld = heldStreams[id] != nil
    guard isEnding || !isHeld, unsettled.remove(id), !isHeld else { return }
    settle(id)
  }

  /// The same before something else happens to a reader that a publisher handed in.
  mutating func settleNow(handedIn number: AttachmentID, by publisher: Incarnation) {
    guard !unsettled.isEmpty, let word = handedInReaders[publisher]?[number] else { return }
    settleNow(word.stream)
  }

  private mutating func settle(_ id: StreamID) {
    walk(Self.entriesOfSettling)
    settleReturning(id)
    if let asker = heldStreams.removeValue(forKey: id) {
      if let stream = streams[id] { beginHeld(stream, for: asker) }
    } else {
      tellReaders(of: id)
      match(id)
      freeLogs(of: id)
    }
  }

  /// Judges what was said of a stream while agents came back.
  private mutating func settleReturning(_ id: StreamID) {
    guard let said = returning.removeValue(forKey: id) else { return }
    settleClaims(said, on: id)
    guard let publisher = streams[id]?.publisher,
      let unmet = letUnclaimedGo(said, of: id, by: publisher)
    else { return }
    // Readers that were promised the stream's start and did not come back are told from those who
    // take their place.
    meetExpected(id, of: publisher)
    // Only now: until here the window has stood still for them.
    for number in unmet { tell(publisher, .leave(LeaveFrame(attachment: number))) }
  }

  /// Readers of a former router are told where they are.
  private mutating func tellReaders(of stream: StreamID) {
    let readings = streams[stream]?.attachments.sorted() ?? []
    for id in readings where isOfFormer(id) {
      if case .attached = attachments[id]?.phase { askPublisher(id, .news) }
      announce(id, .news)
      tellEnd(to: id)
    }
  }

  private func isOfFormer(_ id: AttachmentID) -> Bool {
    attachments[id].map { $0.number < AttachmentID(incarnation.value) } ?? false
  }

  /// Subscriptions and a stream that did not know of each other while agents came back.
  private mutating func match(_ id: StreamID) {
    guard let stream = streams[id], stream.end == nil, !stream.logs.isEmpty else { return }
    _ = meetNewcomers(of: id) { _, _ in .fromHere }
  }
}
