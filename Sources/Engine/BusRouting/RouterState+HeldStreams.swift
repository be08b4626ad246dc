import BusAccess
import BusPorts
import BusWire

// Streams that are asked for while agents come back. Their subscribers may still be on their way,
// and what is published before they are here they would never hear of. So the publisher's answer
// waits, and with it all that it could publish, until everybody is here who comes.

extension RouterState {
  /// Whether agents of the former router may still be on their way.
  var awaitsAgents: Bool { inGrace || mayBeginGrace }

  /// Whether a stream on this channel has to wait for those who are to read it.
  func mustWait(forReadersOf channel: Topic) -> Bool {
    guard awaitsAgents else { return false }
    // An inbox has one reader: once that is here, there is nobody else to wait for.
    guard let inbox = InboxChannel(channel.text) else { return true }
    return agents[inbox.owner]?.hasInbox != true
  }

  /// Begins a stream: tells its readers, then its publisher which of them to expect.
  mutating func begin(_ id: StreamID, for asker: Requester) {
    guard let stream = streams[id] else { return }
    // What is written to an inbox that has no place for it would reach nobody.
    if InboxChannel(stream.channel.text) != nil,
      let owner = index.agents(for: stream.channel).first.flatMap({ agents[$0] }),
      let reason = objection(toReading: stream, by: owner)
    {
      refuse(
        asker, .resourceExhausted, "The inbox of \(owner.name) takes no more senders. \(reason)")
      endStream(id, .closed)
      return
    }
    let most = limits.expectedMax
    let made = meetNewcomers(of: id) { mode, expected in
      let isExpected = mode == .lossless && expected < most
      return ReadingTerms(fromStart: isExpected || mode != .lossless, isExpected: isExpected)
    }
    foresee(made.count * Self.effortOfReading)
    let frame = LogAddedFrame(
      stream: id, generation: 0, expected: made.expected, proof: stream.proof)
    answer(asker, .logAdded(frame))
  }

  /// What a reader says to a stream that begins, and what follows from that: that it attaches, lets
  /// go of logs, detaches.
  private static var effortOfReading: Int { 3 }

  /// Begins a stream that waited, now that everybody is here who comes.
  ///
  /// Whether it may be there is judged anew: while agents came back, an inbox was given the benefit
  /// of the doubt.
  mutating func beginHeld(_ stream: BusStream, for asker: Requester) {
    guard let owner = agents[stream.publisher] else { return }
    if let refusal = objection(toLogOn: stream.channel, by: owner) {
      refuse(asker, refusal)
      endStream(stream.id, .closed)
    } else {
      begin(stream.id, for: asker)
    }
  }

  /// A stream that waited has ended: its publisher has died, or guessed its number and closed it.
  mutating func giveUpHeld(_ id: StreamID) {
    guard let asker = heldStreams.removeValue(forKey: id), connections[asker.connection] != nil
    else { return }
    refuse(asker, .invalid, "The stream was closed before it began.")
  }

  /// Nobody of the former router has come back, and nobody can any more.
  mutating func endReturnTime() {
    let held = heldStreams
    awaited.keep { held[$0] != nil }
    unsettled = awaited
    awaited = FairQueue()
    settleStreams()
    tellProvisional()
  }
}
