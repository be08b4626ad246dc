import BusFuzz
import BusPorts
import BusRouting
import BusWire

/// Seals by a sum of the bytes: what the sealer is worth is not asked here.
struct SumSealer: TicketSealer {
  func seal(_ bytes: [UInt8]) -> [UInt8] {
    var sum: UInt64 = 0xCBF2_9CE4_8422_2325
    for byte in bytes { sum = (sum ^ UInt64(byte)) &* 0x100_0000_01B3 }
    return (0..<32).map { UInt8(truncatingIfNeeded: sum >> UInt64($0 % 8 * 8)) }
  }

  func verifies(_ tag: [UInt8], for bytes: [UInt8]) -> Bool { tag == seal(bytes) }
}

/// What logs and cursor slots say: one word of the input for all of them.
final class WordProbe: LogProbe {
  var word: UInt64 = 0

  func progress(of log: DescriptorToken, hotOffset: Int) -> LogProgress? {
    word == 64 ? nil : LogProgress(commit: word, sequence: word >> 7)
  }

  func slot(_ slot: UInt16, of segment: DescriptorToken) -> SlotProgress? {
    word == 64
      ? nil : SlotProgress(attachment: UInt64(slot), cursor: word, received: word, gaps: word >> 9)
  }
}

/// An account of everything the router was given and did.
struct RouterBooks {
  static let clockPage = DescriptorToken(0)

  let limits: RouterLimits
  let isRuled: Bool
  let sealer = SumSealer()
  let probe = WordProbe()
  var pen = FramePen()
  var nowNs: UInt64 = 1
  /// Bytes of each descriptor that was handed in, 0 once it was closed; the index is the token.
  private var bytes: [UInt64] = [0]
  private var held: UInt64 = 0
  private var connections = [UInt64](repeating: 0, count: 8)
  private var names = [String](repeating: "", count: 8)
  private var asked = [String](repeating: "", count: 8)
  private var ownIncarnation = [UInt64](repeating: 0, count: 8)
  private var lastConnection: UInt64 = 0
  private var announced = 0

  init(limits: RouterLimits, isRuled: Bool) {
    self.limits = limits
    self.isRuled = isRuled
  }

  mutating func open(_ place: Int) -> ConnectionID {
    lastConnection += 1
    connections[place] = lastConnection
    (names[place], asked[place], ownIncarnation[place]) = ("", "", 0)
    return ConnectionID(lastConnection)
  }

  func connection(_ place: Int) -> ConnectionID { ConnectionID(connections[place]) }

  /// Sends a frame with the descriptor that belongs to its kind.
  mutating func frame(
    _ frame: AgentFrame, request: UInt32, from place: Int, _ words: FrameWords, honest: Bool,
    _ router: inout RouterState
  ) throws(Broken) {
    if case .register(let register) = frame { asked[place] = register.name }
    if case .reattach(let reattach) = frame { asked[place] = reattach.name }
    var segments: [Segment] = []
    if let finding = finding(for: frame, from: place, words, honest: honest) {
      segments.append(segment(finding))
    } else if !honest {
      segments.append(segment(.unusable("no memory file")))
    }
    try happen(
      .frame(connection(place), request: request, frame, segments), &router)
  }

  private mutating func segment(_ finding: Segment.Finding) -> Segment {
    let size: UInt64
    switch finding {
    case .log(let shape): size = shape.segmentBytes
    case .reader(let shape): size = shape.segmentBytes
    case .counters(let shape): size = shape.segmentBytes
    case .blob(let shape): size = shape.segmentBytes
    default: size = 1
    }
    bytes.append(size)
    held += size
    return Segment(token: DescriptorToken(UInt64(bytes.count - 1)), finding: finding)
  }

  private func finding(
    for frame: AgentFrame, from place: Int, _ words: FrameWords, honest: Bool
  ) -> Segment.Finding? {
    let agent = FramePen.agent(UInt64(place) + 1)
    let own = Incarnation(ownIncarnation[place])
    switch frame {
    case .register(let frame):
      let shape = ReaderShape(segmentBytes: 65536, agent: frame.agent, incarnation: own)
      return honest ? .reader(shape) : nil
    case .reattach(let frame):
      let shape = ReaderShape(
        segmentBytes: 65536, agent: frame.agent, incarnation: frame.incarnation)
      return honest ? .reader(shape) : .noRoom("no room")
    case .addLog, .restoreLog:
      return .log(
        LogShape(
          segmentBytes: words.segmentBytes, capacity: words.capacity, agent: agent,
          incarnation: honest ? own : Incarnation(3), basePosition: probe.word,
          baseSequence: probe.word / 64, generation: words.generation, hotOffset: 512,
          channel: words.channel))
    case .addCounters:
      return .counters(
        CountersShape(
          segmentBytes: words.segmentBytes, agent: agent, incarnation: own, part: words.part))
    case .addBlob:
      return .blob(
        BlobShape(
          segmentBytes: words.segmentBytes, payloadBytes: words.payloadBytes, token: words.token))
    default: return nil
    }
  }

  /// Gives the router an event and checks what it did.
  mutating func happen(_ event: RouterEvent, _ router: inout RouterState) throws(Broken) {
    let actions = router.handle(event)
    try claim(actions.count <= 4096, "\(actions.count) actions follow one event")
    for action in actions { try take(action) }
    if actions.contains(.moreToDo) { try happen(.nextTurn, &router) }
    for case .unfinished(let connection) in actions { try happen(.goOn(connection), &router) }
    let used = router.arenaBytesUsed
    try claim(used == held, "\(used) bytes in the budget, \(held) in open descriptors")
    try claim(used <= limits.arenaBytes, "\(used) bytes of an arena of \(limits.arenaBytes)")
    let agents = limits.connections
    try claim(router.agentCount <= agents + 1, "\(router.agentCount) agents")
    let attachments = router.attachmentCount
    try claim(
      attachments <= 4 * agents * limits.attachmentsPerAgent, "\(attachments) attachments")
    try claim(
      router.blobCount <= agents * limits.blobsPerAgent + limits.blobsLeftMax,
      "\(router.blobCount) blobs")
    try claim(router.streamCount <= 4096, "\(router.streamCount) streams")
    Canary.sing(when: announced > 0 || router.blobCount > 0)
  }

  private mutating func take(_ action: RouterAction) throws(Broken) {
    switch action {
    case .send(let connection, _, let frame, let token):
      if let token, token != Self.clockPage {
        try claim(isOpen(token), "a closed descriptor was sent")
      }
      try learn(frame, connection)
    case .close(let token):
      try claim(isOpen(token), "a descriptor was closed twice")
      held -= bytes[Int(token.value)]
      bytes[Int(token.value)] = 0
    case .drop, .unfinished, .moreToDo, .log: break
    }
  }

  private func isOpen(_ token: DescriptorToken) -> Bool {
    token.value < UInt64(bytes.count) && bytes[Int(token.value)] > 0
  }

  private mutating func learn(_ frame: RouterFrame, _ connection: ConnectionID) throws(Broken) {
    let place = connections.firstIndex(of: connection.value) ?? 7
    switch frame {
    case .welcome(let welcome):
      ownIncarnation[place] = welcome.incarnation.value
      pen.incarnations.append(welcome.incarnation.value)
    case .registered(let registered):
      names[place] = asked[place]
      ownIncarnation[place] = registered.incarnation.value
      pen.tickets.append(registered.ticket)
    case .logAdded(let added):
      pen.streams.append(added.stream.value)
      pen.tickets.append(added.proof)
    case .announce(let announce):
      announced += 1
      pen.attachments.append(announce.attachment.value)
      guard isRuled, InboxChannel(announce.channel) == nil else { return }
      let may = RouterTarget.mayRead[names[place]]?.contains(announce.channel) ?? false
      try claim(may, "\(names[place]) got a log of \(announce.channel)")
    default: break
    }
  }

  /// After everybody left, and time passed.
  func expectNothing(_ router: RouterState) throws(Broken) {
    try claim(held == 0, "\(held) bytes are open after everybody left")
    let left = router.agentCount + router.streamCount + router.attachmentCount + router.blobCount
    try claim(left == 0, "\(left) agents, streams, attachments, blobs after everybody left")
  }
}
