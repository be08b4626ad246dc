import BusAccess
import BusPorts
import BusWire

extension RouterState {
  mutating func disconnected(_ id: ConnectionID) {
    guard let connection = connections.removeValue(forKey: id) else { return }
    let others = (connectionsOfUser[connection.peer.uid] ?? 1) - 1
    connectionsOfUser[connection.peer.uid] = others == 0 ? nil : others
    if connection.isStranger { strangers -= 1 }
    snapshotsOwed.remove(id)
    openQueries[id] = nil
    if let agent = connection.agent { endAgent(agent) }
  }

  /// Ends an agent: its streams end where they stand, its readings and its name are gone.
  private mutating func endAgent(_ incarnation: Incarnation) {
    for stream in agents[incarnation]?.streams.sorted() ?? [] { endStream(stream, .died) }
    // Only now: a stream that is settled as it ends is given to whoever subscribes to it, its own
    // publisher among them.
    guard let agent = agents[incarnation] else { return }
    var publishers: Set<Incarnation> = []
    for id in agent.attachments.sorted() {
      if let stream = attachments[id].flatMap({ streams[$0.stream] }), stream.end == nil {
        publishers.insert(stream.publisher)
      }
      // A publisher that was told to expect this reader and never of its name cannot tell from the
      // incarnation whom to let go.
      let isExpected = attachments[id]?.isExpectedOnly ?? false
      removeAttachment(id, tellPublisher: isExpected)
    }
    let lists = agent.subscriptions.count + agent.answers.count + agent.interests.count
    walk(lists * Self.entriesOfListed)
    walk(agent.claims.count * Self.entriesOfListed)
    for number in agent.claims.keys { dropClaim(number, of: incarnation) }
    for (number, subscription) in agent.subscriptions {
      index.remove(Reading(reader: incarnation, subscription: number), subscription)
    }
    forgetNames(of: agent)
    forgetMissed(of: incarnation)
    agents[incarnation] = nil
    watchers.remove(incarnation)
    agentsByName[agent.caller.name] = nil
    agentsByUUID[agent.uuid] = nil
    handedInReaders[incarnation] = nil
    count(\.subscriptions, -agent.subscriptions.count, of: agent.caller.uid)
    count(\.names, -(agent.answers.count + agent.interests.count), of: agent.caller.uid)
    budget.credit(agent.readerBytes, to: incarnation)
    act(.close(agent.reader))
    // Even if it answered nobody: others whose name it bore do so again.
    respondersChanged(ofOwnNameOf: agent.caller)
    dropCounters(of: agent)
    leaveBlobs(of: agent)
    budget.close(incarnation)
    for publisher in publishers.sorted() {
      tell(publisher, .agentGone(AgentGoneFrame(incarnation: incarnation)))
    }
    act(.log(.debug, "agent \(agent.name) has ended"))
  }

  /// What it takes to take an agent off one of the lists that it is on, in entries of tables.
  private static var entriesOfListed: Int { 16 }
  /// The same for a look at how far a log has come.
  private static var entriesOfProbe: Int { 32 }

  /// Ends a stream at its furthest commit and tells its readers.
  ///
  /// Not simply the newest log's: one that was registered and not yet used has committed nothing,
  /// and its readers would end before what lies in the log before it.
  mutating func endStream(_ id: StreamID, _ reason: StreamEndReason) {
    settleNow(id, isEnding: true)
    guard let stream = streams[id], stream.end == nil, !stream.logs.isEmpty else { return }
    walk(stream.logs.count * Self.entriesOfProbe)
    var end = BusStream.End(finalPosition: 0, sequence: 0, reason: reason)
    for log in stream.logs {
      // A log that is with its reader alone: the reader's mapping knows.
      guard let token = log.token else {
        end = BusStream.End(finalPosition: .max, sequence: 0, reason: reason)
        break
      }
      let progress = probe.progress(of: token, hotOffset: log.shape.hotOffset)
      let position = Self.clamp(progress?.commit ?? 0, to: log.shape)
      guard position >= end.finalPosition else { continue }
      let sequence = max(progress?.sequence ?? 0, log.shape.baseSequence)
      end = BusStream.End(finalPosition: position, sequence: sequence, reason: reason)
    }
    finish(id, end)
  }

  /// Marks a stream as ended and tells its readers.
  ///
  /// Whoever the publisher did not let in is let in first, even before it asks: a publisher may
  /// publish and die at once, and a reader that hears of the end without a start reads nothing.
  mutating func finish(_ id: StreamID, _ end: BusStream.End) {
    streams[id]?.end = end
    forgetMissing(id)
    giveUpHeld(id)
    if let stream = streams[id] { countAsEnding(stream) }
    guard let stream = streams[id] else { return }
    walk(stream.attachments.count * Self.entriesOfReader)
    for attachment in stream.attachments.sorted() {
      switch attachments[attachment]?.phase {
      case .announced, .attached: joinEnded(attachment)
      default: break
      }
    }
    let frame = StreamEndedFrame(
      stream: id, finalPosition: end.finalPosition, reason: end.reason)
    for reader in stream.readers.keys.sorted() { tell(reader, .streamEnded(frame)) }
    freeLogs(of: id)
  }

  /// The commit as a record boundary at or behind the log's first byte, whatever the dead
  /// publisher left there.
  private static func clamp(_ commit: UInt64, to shape: LogShape) -> UInt64 {
    max(commit & ~63, shape.basePosition)
  }
}
