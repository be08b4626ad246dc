import BinaryComm
import BusCrypto
import BusPorts
import BusRouting
import BusWire
import RouterHarness

// What a hostile agent sends.

/// Holds whatever it is shown for its own word.
struct GullibleSealer: TicketSealer {
  func seal(_ bytes: [UInt8]) -> [UInt8] { RouterHarness.sealer.seal(bytes) }
  func verifies(_ tag: [UInt8], for bytes: [UInt8]) -> Bool { true }
}

extension Interleaving {
  /// Any frame about anything that may exist.
  mutating func hostileFrame(of spy: SimulatedAgent) -> (AgentFrame, [Segment]) {
    // A router listens to it while it comes back.
    let chance = spy.session.phase == .restoring ? 2 : 6
    if number(chance) == 0, let stolen = stolenStream(spy) { return stolen }
    return (hostileFrame(), [])
  }

  /// Whether it says that now: when it has nothing else to say, and before it has finished coming
  /// back.
  mutating func isUrgent(_ spy: SimulatedAgent) -> Bool {
    spy.session.nextOutbound == nil || spy.session.phase == .restoring && number(2) == 0
  }

  /// A log of the spy's own under the number of another's stream, which is no secret.
  private mutating func stolenStream(_ spy: SimulatedAgent) -> (AgentFrame, [Segment])? {
    let streams = agents.flatMap { agent in
      agent.streams.map { ($0.key, $0.value.window.generation) }
    }
    .sorted { $0.0 < $1.0 }
    guard !streams.isEmpty else { return nil }
    let (stream, generation) = streams[number(streams.count)]
    let log = world.log(
      spy.name, spy.incarnation, "open", generation, base: UInt64(generation) * 64)
    let frame = RestoreLogFrame(
      stream: stream, channel: "open", generation: generation, capacity: 65536,
      segmentBytes: 73728, current: true, retired: false, proof: spy.ticket)
    return (.restoreLog(frame), [log])
  }

  private mutating func hostileFrame() -> AgentFrame {
    // Numbers of this router mostly, of the former one sometimes.
    let bootNs = bootNs - (number(3) == 0 ? 1_000_000_000 : 0)
    let base = bootNs + UInt64(number(60))
    let (stream, attachment) = (StreamID(base), AttachmentID(bootNs + UInt64(number(60))))
    let small = UInt32(number(3))
    switch number(12) {
    case 0: return .attach(AttachFrame(attachment: attachment, slot: 1))
    case 1: return .detach(DetachFrame(attachment: attachment))
    case 2: return .released(ReleasedFrame(attachment: attachment, generation: small))
    case 3:
      return .joined(
        JoinedFrame(
          attachment: attachment, generation: small, startPosition: 0, startSequence: 0,
          departed: 0))
    case 4: return .evict(EvictFrame(attachment: attachment, reason: "no"))
    case 5: return .closeStream(CloseStreamFrame(stream: stream))
    case 6: return .retireLog(RetireLogFrame(stream: stream, generation: small))
    case 7:
      return .restoreReader(
        RestoreReaderFrame(
          stream: stream, attachment: attachment, readerIncarnation: Incarnation(base)))
    case 8:
      return .restoreAttachment(
        RestoreAttachmentFrame(
          attachment: attachment, subscription: 1, stream: stream,
          publisherIncarnation: Incarnation(base &- 1), publisherName: "x",
          publisher: RouterHarness.uuid("x"), channel: Self.channels[number(2)], slot: 3,
          joined: true))
    case 9:
      return .subscribe(
        SubscribeFrame(
          subscription: small, pattern: ">", mode: .lossy, sleeps: false, epoch: 0))
    case 10: return .forget(NameFrame(name: "hub.1", group: .service))
    default: return .unsubscribe(UnsubscribeFrame(subscription: small))
    }
  }
}
