package import BusAccess
package import BusCrypto
package import BusPorts
package import BusRouting
package import BusWire
import Testing

/// What logs say, as a test decides it.
package final class LogBook: LogProbe {
  package init() {}

  package var progress: [DescriptorToken: LogProgress] = [:]

  package func progress(of log: DescriptorToken, hotOffset: Int) -> LogProgress? { progress[log] }

  /// What the line with this number says, in any reader segment.
  package var slots: [UInt16: SlotProgress] = [:]

  /// How often the router has looked at a line.
  package private(set) var slotLooks = 0

  package func slot(_ slot: UInt16, of segment: DescriptorToken) -> SlotProgress? {
    slotLooks += 1
    return slots[slot]
  }
}

extension AgentRule {
  /// Agents whose names match, of these users, may do everything.
  package static func everything(_ name: String, users: Set<UInt32>) throws -> AgentRule {
    var rule = AgentRule(name: try TopicPattern(name), users: users)
    rule.read = [try Grant(">")]
    rule.write = [try Grant(">")]
    rule.call = [try TopicPattern(">")]
    rule.answer = [try TopicPattern(">")]
    return rule
  }
}

/// A router with the agents of a test, and an account of every descriptor it was given.
package struct RouterHarness {
  package static let sealer = HMACSealer(key: [UInt8](repeating: 7, count: 32))
  package static let clockPage = DescriptorToken(1)
  package static let readerBytes: UInt64 = 65536

  package var router: RouterState
  package let logs = LogBook()
  /// Bytes of every descriptor that the router has and has not closed.
  package private(set) var open: [DescriptorToken: UInt64] = [:]
  /// Everything ever sent to a connection, oldest first.
  package private(set) var sent: [ConnectionID: [Sent]] = [:]
  /// Every attachment and stream that was ever named.
  package private(set) var attachments: [AttachmentID] = []
  package private(set) var streams: [StreamID] = []
  package private(set) var proofs: [StreamID: ControlTicket] = [:]
  package private(set) var dropped: Set<ConnectionID> = []
  /// Whether what the router does not finish in one turn goes on at once.
  package var getsOn = true
  private var unfinished: [ConnectionID] = []
  private var moreToDo = false
  package private(set) var incarnations: [ConnectionID: Incarnation] = [:]
  private var lastToken: UInt64 = 1
  private var lastConnection: UInt64 = 0

  package struct Sent: Equatable {
    package let delivery: Delivery
    package let frame: RouterFrame
    package let token: DescriptorToken?

    package var isAnswer: Bool {
      if case .answer = delivery { true } else { false }
    }
  }

  package init(
    policy: Policy = .sameUser(1000), limits: RouterLimits = RouterLimits(),
    bootNs: UInt64 = 1_000_000, former: FormerRouter = .unknown,
    sealer: any TicketSealer = Self.sealer, uid: UInt32 = 1000
  ) {
    let identity = RouterIdentity(pid: 1, uid: uid, bootNs: bootNs, former: former)
    router = RouterState(
      identity, limits: limits, policy: policy, sealer: sealer, probe: logs,
      clockPage: Self.clockPage)
  }

  /// Gives the router an event, then lets it get on with what it did not finish; keeps the books.
  @discardableResult
  package mutating func happen(_ event: RouterEvent) -> [RouterAction] {
    let actions = router.handle(event)
    for action in actions {
      switch action {
      case .send(let connection, let delivery, let frame, let token):
        if let token, token != Self.clockPage {
          #expect(open[token] != nil, "a closed descriptor was sent")
        }
        let count = token == nil ? 0 : 1
        #expect(count == frame.kind.descriptorCount, "\(frame.kind) with \(count) descriptors")
        sent[connection, default: []].append(
          Sent(delivery: delivery, frame: frame, token: token))
        remember(frame)
        if case .welcome(let welcome) = frame { incarnations[connection] = welcome.incarnation }
      case .close(let token):
        #expect(open.removeValue(forKey: token) != nil, "a descriptor was closed twice")
      case .drop(let connection, _): dropped.insert(connection)
      case .unfinished(let connection): unfinished.append(connection)
      case .moreToDo: moreToDo = true
      case .log: break
      }
    }
    guard getsOn else { return actions }
    // As `getOn` does, with what follows.
    if moreToDo {
      moreToDo = false
      return actions + happen(.nextTurn)
    }
    guard !unfinished.isEmpty else { return actions }
    return actions + happen(.goOn(unfinished.removeFirst()))
  }

  /// Lets the router get on once with what it did not finish; false when there is nothing.
  @discardableResult
  package mutating func getOn() -> Bool {
    if moreToDo {
      moreToDo = false
      happen(.nextTurn)
    } else if !unfinished.isEmpty {
      happen(.goOn(unfinished.removeFirst()))
    } else {
      return false
    }
    return true
  }

  private mutating func remember(_ frame: RouterFrame) {
    if case .announce(let announce) = frame { attachments.append(announce.attachment) }
    if case .logAdded(let added) = frame {
      streams.append(added.stream)
      proofs[added.stream] = added.proof
    }
  }

  /// A descriptor of this size with this finding.
  package mutating func segment(_ bytes: UInt64, _ finding: Segment.Finding) -> Segment {
    lastToken += 1
    let token = DescriptorToken(lastToken)
    open[token] = bytes
    return Segment(token: token, finding: finding)
  }

  /// The reader segment of an agent.
  package mutating func reader(_ name: String, _ incarnation: Incarnation) -> Segment {
    let shape = ReaderShape(
      segmentBytes: Self.readerBytes, agent: Self.uuid(name), incarnation: incarnation)
    return segment(Self.readerBytes, .reader(shape))
  }

  /// A log as an agent would make it.
  package mutating func log(
    _ name: String, _ incarnation: Incarnation, _ channel: String, _ generation: UInt32,
    base: UInt64, capacity: UInt64 = 65536
  ) -> Segment {
    let shape = LogShape(
      segmentBytes: capacity + 8192, capacity: capacity, agent: Self.uuid(name),
      incarnation: incarnation, basePosition: base, baseSequence: base / 64,
      generation: generation, hotOffset: 512, channel: channel)
    return segment(shape.segmentBytes, .log(shape))
  }

  /// Connects a process.
  package mutating func open(uid: UInt32 = 1000, pid: Int32? = nil) -> ConnectionID {
    lastConnection += 1
    let connection = ConnectionID(lastConnection)
    let peer = Peer(pid: pid ?? Int32(100 + lastConnection), uid: uid, startTime: 5)
    happen(.connected(connection, peer))
    return connection
  }

  /// Connects a process and says hello.
  package mutating func connect(uid: UInt32 = 1000, pid: Int32? = nil) -> ConnectionID {
    let connection = open(uid: uid, pid: pid)
    happen(.frame(connection, request: 1, .hello(HelloFrame(program: "t")), []))
    return connection
  }

  /// Connects and registers an agent of this name.
  package mutating func agent(_ name: String, uid: UInt32 = 1000) -> ConnectionID {
    let connection = connect(uid: uid)
    register(connection, name)
    return connection
  }

  @discardableResult
  package mutating func register(
    _ connection: ConnectionID, _ name: String, as uuid: BusUUID? = nil
  ) -> [RouterFrame] {
    let incarnation = incarnations[connection] ?? Incarnation(0)
    let uuid = uuid ?? Self.uuid(name)
    let shape = ReaderShape(
      segmentBytes: Self.readerBytes, agent: uuid, incarnation: incarnation)
    let segment = segment(Self.readerBytes, .reader(shape))
    let frame = RegisterFrame(name: name, category: "test", agent: uuid)
    return ask(connection, .register(frame), [segment])
  }

  /// Sends a request and returns the frames that answer it.
  @discardableResult
  package mutating func ask(
    _ connection: ConnectionID, _ frame: AgentFrame, _ segments: [Segment] = []
  ) -> [RouterFrame] {
    happen(.frame(connection, request: 9, frame, segments)).compactMap { action in
      guard case .send(connection, .answer(9), let frame, _) = action else { return nil }
      return frame
    }
  }

  /// Sends a frame that has no answer and returns everything that follows, by receiver.
  @discardableResult
  package mutating func say(_ connection: ConnectionID, _ frame: AgentFrame) -> [RouterAction] {
    happen(.frame(connection, request: 0, frame, []))
  }

  /// Offers a log with the identity that the agent would write into it.
  @discardableResult
  package mutating func addLog(
    _ connection: ConnectionID, _ name: String, _ channel: String, stream: StreamID = StreamID(0),
    generation: UInt32 = 0, base: UInt64 = 0, capacity: UInt64 = 65536
  ) -> (answers: [RouterFrame], token: DescriptorToken) {
    let shape = LogShape(
      segmentBytes: capacity + 8192, capacity: capacity, agent: Self.uuid(name),
      incarnation: incarnations[connection] ?? Incarnation(0), basePosition: base,
      baseSequence: base / 64, generation: generation, hotOffset: 512, channel: channel)
    let segment = segment(shape.segmentBytes, .log(shape))
    let frame = AddLogFrame(
      stream: stream, channel: channel, generation: generation, capacity: capacity,
      segmentBytes: shape.segmentBytes)
    return (ask(connection, .addLog(frame), [segment]), segment.token)
  }

  /// Opens a stream and returns its number.
  package mutating func publish(_ connection: ConnectionID, _ name: String, _ channel: String)
    -> StreamID
  {
    guard case .logAdded(let added)? = addLog(connection, name, channel).answers.first else {
      Issue.record("the log was not taken")
      return StreamID(0)
    }
    return added.stream
  }

  @discardableResult
  package mutating func subscribe(
    _ connection: ConnectionID, _ pattern: String, number: UInt32 = 1,
    mode: SubscribeMode = .lossless
  ) -> [RouterFrame] {
    let frame = SubscribeFrame(
      subscription: number, pattern: pattern, mode: mode, sleeps: true, epoch: 3)
    return ask(connection, .subscribe(frame))
  }

  /// The rows that answer a query, by field.
  package mutating func rows(_ connection: ConnectionID, _ subject: QuerySubject) -> [[String:
    String]]
  {
    ask(connection, .query(QueryFrame(subject: subject))).compactMap { frame in
      guard case .row(let row) = frame else { return nil }
      return Dictionary(row.fields.map { ($0.key, $0.value) }) { first, _ in first }
    }
  }

  /// Every announce that a connection got, oldest first.
  package func announces(to connection: ConnectionID) -> [AnnounceFrame] {
    frames(to: connection).compactMap { frame in
      if case .announce(let announce) = frame { announce } else { nil }
    }
  }

  /// Every stream that a connection was told it misses, oldest first.
  package func missed(by connection: ConnectionID) -> [MissedFrame] {
    frames(to: connection).compactMap { frame in
      if case .missed(let missed) = frame { missed } else { nil }
    }
  }

  package func frames(to connection: ConnectionID) -> [RouterFrame] {
    (sent[connection] ?? []).map(\.frame)
  }

  package mutating func forgetSent() { sent = [:] }

  package static func uuid(_ name: String) -> BusUUID {
    BusUUID(agentName: name)
  }
}

/// The code of the first error among frames.
package func errorCode(_ frames: [RouterFrame]) -> BusErrorCode? {
  for case .error(let error) in frames { return BusErrorCode(number: error.code) }
  return nil
}
