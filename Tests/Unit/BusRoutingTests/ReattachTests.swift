import BusAccess
import BusPorts
import BusRouting
import BusWire
import RouterHarness
import Testing

@Suite("Coming back to a new router")
struct ReattachTests {
  /// An agent with the ticket of a former router.
  struct Veteran {
    let name: String
    let pid: Int32
    let incarnation: Incarnation
    let ticket: ControlTicket
  }

  /// What two agents had when the former router was killed.
  struct Before {
    let feed: Veteran
    let reader: Veteran
    let stream: StreamID
    let attachment: AttachmentID
    let log: LogShape
    let proof: ControlTicket
  }

  static func former() throws -> Before {
    var world = RouterHarness(bootNs: 1000)
    let feed = world.agent("feed")
    let reader = world.agent("reader")
    world.subscribe(reader, "a")
    let stream = world.publish(feed, "feed", "a")
    let attachment = try #require(world.announces(to: reader).first?.attachment)
    let incarnation = try #require(world.incarnations[feed])
    let log = LogShape(
      segmentBytes: 73728, capacity: 65536, agent: RouterHarness.uuid("feed"),
      incarnation: incarnation,
      basePosition: 0, baseSequence: 0, generation: 0, hotOffset: 512, channel: "a")
    return Before(
      feed: try veteran("feed", feed, world), reader: try veteran("reader", reader, world),
      stream: stream, attachment: attachment, log: log,
      proof: try #require(world.proofs[stream]))
  }

  static func veteran(
    _ name: String, _ connection: ConnectionID, _ world: RouterHarness
  ) throws -> Veteran {
    for case .registered(let registered) in world.frames(to: connection) {
      return Veteran(
        name: name, pid: Int32(100 + connection.value), incarnation: registered.incarnation,
        ticket: registered.ticket)
    }
    throw MissingFrame()
  }

  struct MissingFrame: Error {}

  /// The next router, some time later.
  static func later(than former: FormerRouter = .killed) -> RouterHarness {
    var world = RouterHarness(bootNs: 1_000_000, former: former)
    world.happen(.tick(nowNs: 50))
    return world
  }

  static func endGrace(_ world: inout RouterHarness) {
    world.happen(.tick(nowNs: 50 + world.router.limits.graceNs))
  }

  /// Reconnects and reattaches; the ticket may be another's.
  static func reattach(
    _ veteran: Veteran, _ world: inout RouterHarness, ticket: ControlTicket? = nil,
    pid: Int32? = nil, uid: UInt32 = 1000
  ) -> (connection: ConnectionID, answers: [RouterFrame]) {
    let connection = world.connect(uid: uid, pid: pid ?? veteran.pid)
    let shape = ReaderShape(
      segmentBytes: 65536, agent: RouterHarness.uuid(veteran.name), incarnation: veteran.incarnation
    )
    let segment = world.segment(65536, .reader(shape))
    let frame = ReattachFrame(
      name: veteran.name, category: "test", agent: RouterHarness.uuid(veteran.name),
      incarnation: veteran.incarnation, ticket: ticket ?? veteran.ticket)
    return (connection, world.ask(connection, .reattach(frame), [segment]))
  }

  /// The publisher's log, offered under any number with any proof.
  static func restoreLog(
    _ log: LogShape, _ stream: StreamID, _ proof: ControlTicket, _ connection: ConnectionID,
    _ world: inout RouterHarness
  ) -> [RouterFrame] {
    let segment = world.segment(log.segmentBytes, .log(log))
    let frame = RestoreLogFrame(
      stream: stream, channel: log.channel, generation: log.generation, capacity: log.capacity,
      segmentBytes: log.segmentBytes, current: true, retired: false, proof: proof)
    return world.ask(connection, .restoreLog(frame), [segment])
  }

  /// The publisher comes back, with its reader; or with none, or one that it expects at the start.
  static func feedReturns(
    _ before: Before, _ world: inout RouterHarness, expects: Incarnation? = nil,
    hasReader: Bool = true
  ) -> ConnectionID {
    let (connection, _) = reattach(before.feed, &world)
    let answers = restoreLog(before.log, before.stream, before.proof, connection, &world)
    #expect(kinds(answers) == [.logAdded])
    if hasReader {
      world.say(
        connection,
        .restoreReader(
          RestoreReaderFrame(
            stream: before.stream, attachment: before.attachment,
            readerIncarnation: expects ?? before.reader.incarnation)))
    }
    #expect(world.ask(connection, .restoreDone) == [.done])
    return connection
  }

  /// The reader comes back and claims its reading, joined or not; nil: it claims none.
  static func readerReturns(
    _ before: Before, _ world: inout RouterHarness, claims joined: Bool? = true
  ) -> ConnectionID {
    let (connection, _) = reattach(before.reader, &world)
    restoreSubscription("a", connection, &world)
    if let joined { world.say(connection, claim(before, joined: joined)) }
    #expect(world.ask(connection, .restoreDone) == [.done])
    return connection
  }

  static func restoreSubscription(
    _ pattern: String, number: UInt32 = 1, _ connection: ConnectionID, _ world: inout RouterHarness
  ) {
    let frame = SubscribeFrame(
      subscription: number, pattern: pattern, mode: .lossless, sleeps: true, epoch: 3)
    #expect(kinds(world.ask(connection, .restoreSubscription(frame))) == [.subscribed])
  }

  @Test("both come back in either order and nothing ends", arguments: [true, false])
  func bothReturn(publisherFirst: Bool) throws {
    let before = try Self.former()
    var world = Self.later()
    let connections =
      publisherFirst
      ? [Self.feedReturns(before, &world), Self.readerReturns(before, &world)]
      : [Self.readerReturns(before, &world), Self.feedReturns(before, &world)]
    Self.endGrace(&world)
    let unwanted: Set<ControlKind> = [.evicted, .agentGone, .leave, .streamEnded, .error]
    for connection in connections {
      #expect(unwanted.isDisjoint(with: Set(kinds(world.frames(to: connection)))))
    }
    #expect(world.router.streamCount == 1 && world.router.attachmentCount == 1)
    #expect(world.router.arenaBytesUsed == world.open.values.reduce(0, +))
  }

  @Test("a rotation after the return goes on with the stream")
  func rotatesAfterReturn() throws {
    let before = try Self.former()
    var world = Self.later()
    let feed = Self.feedReturns(before, &world)
    let reader = Self.readerReturns(before, &world)
    Self.endGrace(&world)
    let shape = LogShape(
      segmentBytes: 73728, capacity: 65536, agent: RouterHarness.uuid("feed"),
      incarnation: before.feed.incarnation, basePosition: 64, baseSequence: 1, generation: 1,
      hotOffset: 512, channel: "a")
    let segment = world.segment(73728, .log(shape))
    let frame = AddLogFrame(
      stream: before.stream, channel: "a", generation: 1, capacity: 65536, segmentBytes: 73728)
    #expect(kinds(world.ask(feed, .addLog(frame), [segment])) == [.logAdded])
    #expect(world.announces(to: reader).last?.generation == 1)
    #expect(world.proofs[before.stream] == before.proof)
  }

  @Test("a publisher that does not come back ends at its readers' mapping")
  func publisherStaysAway() throws {
    let before = try Self.former()
    var world = Self.later()
    let reader = Self.readerReturns(before, &world)
    Self.endGrace(&world)
    let ended = StreamEndedFrame(stream: before.stream, finalPosition: .max, reason: .died)
    #expect(world.frames(to: reader).contains(.streamEnded(ended)))
    world.say(reader, .detach(DetachFrame(attachment: before.attachment)))
    #expect(world.router.streamCount == 0)
  }

  @Test("a reader that does not come back leaves the window when the grace ends")
  func readerStaysAway() throws {
    let before = try Self.former()
    var world = Self.later()
    let feed = Self.feedReturns(before, &world)
    #expect(!kinds(world.frames(to: feed)).contains(.agentGone))
    Self.endGrace(&world)
    let gone = AgentGoneFrame(incarnation: before.reader.incarnation)
    #expect(world.frames(to: feed).last == .agentGone(gone))
  }

  @Test(
    "a forged ticket, another process and another name are fenced",
    arguments: FormerRouter.allCases)
  func forged(former: FormerRouter) throws {
    let before = try Self.former()
    var world = Self.later(than: former)
    let forged = try #require(ControlTicket([UInt8](repeating: 9, count: 32)))
    #expect(errorCode(Self.reattach(before.feed, &world, ticket: forged).answers) == .fenced)
    #expect(errorCode(Self.reattach(before.feed, &world, pid: 4711).answers) == .fenced)
    let swapped = Self.reattach(before.feed, &world, ticket: before.reader.ticket)
    #expect(errorCode(swapped.answers) == .fenced)
    #expect(world.open.isEmpty && world.router.agentCount == 0)
  }

  @Test("who comes after the grace is fenced")
  func tooLate() throws {
    let before = try Self.former()
    var world = Self.later()
    Self.endGrace(&world)
    #expect(errorCode(Self.reattach(before.feed, &world).answers) == .fenced)
  }

  @Test("after a clean stop agents come back by their tickets, as long as after a kill")
  func afterCleanStop() throws {
    let before = try Self.former()
    var fresh = RouterHarness(bootNs: 1_000_000, former: .stopped)
    #expect(kinds(Self.reattach(before.feed, &fresh).answers) == [.registered])
    var late = RouterHarness(bootNs: 1_000_000, former: .stopped)
    late.happen(.tick(nowNs: 1))
    late.happen(.tick(nowNs: 60_000_000_000))
    #expect(errorCode(Self.reattach(before.feed, &late).answers) == .fenced)
  }

  @Test("a router that found no key takes nobody back")
  func noKey() throws {
    let before = try Self.former()
    var world = Self.later(than: .unknown)
    #expect(errorCode(Self.reattach(before.feed, &world).answers) == .fenced)
    #expect(world.open.isEmpty && world.router.agentCount == 0)
  }

  @Test("who did not finish handing in is fenced when the grace ends")
  func unfinished() throws {
    let before = try Self.former()
    var world = Self.later()
    let (connection, _) = Self.reattach(before.feed, &world)
    Self.endGrace(&world)
    #expect(world.dropped.contains(connection))
    #expect(errorCode(world.frames(to: connection)) == .fenced)
  }

  @Test("a registered agent may not hand in")
  func handInWithoutReattach() {
    var world = Self.later()
    let agent = world.agent("new")
    #expect(errorCode(world.ask(agent, .restoreDone)) == .invalid)
    let reader = RestoreReaderFrame(
      stream: StreamID(1), attachment: AttachmentID(2), readerIncarnation: Incarnation(3))
    #expect(errorCode(world.ask(agent, .restoreReader(reader))) == .invalid)
  }

  @Test("a new subscriber during the grace gets streams that come back")
  func subscriberInGrace() throws {
    let before = try Self.former()
    var world = Self.later()
    let early = world.agent("early")
    world.subscribe(early, "a")
    #expect(world.announces(to: early).isEmpty)
    _ = Self.feedReturns(before, &world)
    Self.endGrace(&world)
    #expect(world.announces(to: early).map(\.stream) == [before.stream])
  }
}
