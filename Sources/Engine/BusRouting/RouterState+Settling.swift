import BusPorts
import BusWire

// When agents have come back, every stream is looked at once: its readers are told of it, and those
// who did not know of each other meet. That is a product of two numbers that one user may have made
// large, so it is done in turns: of each user whose streams they are in its turn, and as much at a
// time as one connection may cause.

extension RouterState {
  /// Work after which others have their turn.
  private static var settledPerTurn: Int { 256 }

  /// Whether streams, or agents that are to hear of all at once, still wait for their turn.
  var isSettling: Bool { !unsettled.isEmpty || !inGrace && !snapshotsOwed.isEmpty }

  /// Settles streams until others have their turn; then tells those of whom news were dropped.
  mutating func settleStreams() {
    guard isSettling else { return }
    let most = effort + Self.settledPerTurn
    while effort < most, let id = unsettled.popNext() { settle(id) }
    if unsettled.isEmpty {
      endedHere = []
      unmetReaders = [:]
      while effort < most, let connection = snapshotsOwed.min(by: { $0.value < $1.value }) {
        snapshotsOwed.remove(connection)
        sendSnapshot(to: connection)
      }
    }
    if isSettling { act(.moreToDo) }
  }

  /// Settles a stream before something else happens to it; one that has not begun does not begin
  /// for that.
  mutating func settleNow(_ id: StreamID) {
    if unsettled.remove(id), heldStreams[id] == nil { settle(id) }
  }

  private mutating func settle(_ id: StreamID) {
    guard let stream = streams[id] else { return }
    if let asker = heldStreams.removeValue(forKey: id) {
      beginHeld(stream, for: asker)
    } else {
      meetExpected(id, stream.publisher)
      tellReaders(of: stream)
      match(id)
      freeLogs(of: id)
    }
  }

  /// Readers of a former router are told where they are.
  private mutating func tellReaders(of stream: BusStream) {
    for id in stream.attachments.sorted() where id < AttachmentID(incarnation.value) {
      if case .attached = attachments[id]?.phase { askPublisher(id, .news) }
      announce(id, .news)
      tellEnd(to: id)
    }
  }

  /// Subscriptions and a stream that did not know of each other while agents came back.
  ///
  /// A subscription whose reading of the stream was ended is not given it anew.
  private mutating func match(_ id: StreamID) {
    guard let stream = streams[id], stream.end == nil, !stream.logs.isEmpty else { return }
    let present = stream.readings
    let readers = readers(of: stream.channel)
    for (reader, number, _) in readers {
      let reading = Reading(reader: reader, subscription: number)
      guard !present.contains(reading),
        !endedHere.contains(EndedReading(reading: reading, stream: id))
      else { continue }
      guard let made = makeAttachment(reader, number, id, fromStart: false, expected: false)
      else { continue }
      announce(made, .news)
    }
  }

  /// Tells readers of a former router that were promised the stream's start and did not come back
  /// from those who take their place.
  private mutating func meetExpected(_ id: StreamID, _ publisher: Incarnation) {
    guard let unmet = unmetReaders.removeValue(forKey: id) else { return }
    meetExpected(id, of: publisher)
    // Only now: until here the window has stood still for them.
    for id in unmet { tell(publisher, .leave(LeaveFrame(attachment: id))) }
  }
}
