import BusAccess
import BusRouting
import BusWire
import RouterHarness
import Testing

@Suite("Streams that begin while agents come back")
struct HeldStreamTests {
  /// The answers to a publisher's request, as far as they have come.
  private static func answers(_ world: RouterHarness, _ publisher: ConnectionID) -> [LogAddedFrame]
  {
    (world.sent[publisher] ?? []).compactMap { sent in
      guard sent.delivery == .answer(9), case .logAdded(let added) = sent.frame else { return nil }
      return added
    }
  }

  /// The end of the time for coming back, whether somebody did or not.
  private static func endReturns(_ world: inout RouterHarness) {
    world.happen(.tick(nowNs: 60))
    world.happen(.tick(nowNs: 60 + world.router.limits.graceNs))
  }

  @Test(
    "a newcomer is answered when the subscribers of the former router are here, and expects them",
    arguments: [FormerRouter.killed, .stopped])
  func expectsReturning(former: FormerRouter) throws {
    let before = try ReattachTests.former()
    var world = ReattachTests.later(than: former)
    let newcomer = world.agent("new")
    #expect(world.addLog(newcomer, "new", "a").answers.isEmpty)
    let reader = ReattachTests.readerReturns(before, &world, claims: nil)
    #expect(world.announces(to: reader).isEmpty && Self.answers(world, newcomer).isEmpty)
    Self.endReturns(&world)
    let heard = world.announces(to: reader)
    #expect(heard.count == 1 && heard.first?.flags.contains(.fromStart) == true)
    let added = Self.answers(world, newcomer)
    #expect(added.map(\.expected) == [heard.map(\.attachment)])
    #expect(added.first?.stream == heard.first?.stream && added.first?.proof != ControlTicket.none)
  }

  @Test("where nobody came back the publisher is answered once nobody can any more")
  func nobodyReturns() throws {
    var world = ReattachTests.later(than: .stopped)
    let newcomer = world.agent("new")
    #expect(world.addLog(newcomer, "new", "a").answers.isEmpty)
    world.happen(.tick(nowNs: 49 + world.router.limits.graceNs))
    #expect(Self.answers(world, newcomer).isEmpty)
    world.happen(.tick(nowNs: 50 + world.router.limits.graceNs))
    #expect(Self.answers(world, newcomer).count == 1)
    #expect(kinds(world.addLog(newcomer, "new", "b").answers) == [.logAdded])
  }

  @Test(
    "a router that follows none, or one without agents, keeps nobody waiting",
    arguments: [FormerRouter.unknown, .empty])
  func fresh(former: FormerRouter) {
    var world = ReattachTests.later(than: former)
    let newcomer = world.agent("new")
    #expect(kinds(world.addLog(newcomer, "new", "a").answers) == [.logAdded])
  }

  @Test("the next router may see agents again while there are some, or some may still come back")
  func leavesAgents() {
    var fresh = RouterHarness()
    #expect(!fresh.router.mayComeBack)
    let agent = fresh.agent("agent")
    #expect(fresh.router.mayComeBack)
    fresh.happen(.disconnected(agent))
    #expect(!fresh.router.mayComeBack)
    for former in [FormerRouter.killed, .stopped] {
      var next = ReattachTests.later(than: former)
      #expect(next.router.mayComeBack)
      Self.endReturns(&next)
      #expect(!next.router.mayComeBack)
    }
  }

  @Test("a lane to an inbox waits for the inbox alone")
  func inboxes() throws {
    var former = RouterHarness(bootNs: 1000)
    let old = try ReattachTests.veteran("owner", former.agent("owner"), former)
    var world = ReattachTests.later()
    let (here, writer) = (world.agent("here"), world.agent("writer"))
    world.subscribe(here, world.inbox(of: here).pattern)
    let lane = world.addLog(writer, "writer", world.inbox(of: here).normal)
    #expect(kinds(lane.answers) == [.logAdded])
    let awaited = InboxChannel(owner: old.incarnation, lane: .normal).name
    #expect(world.addLog(writer, "writer", awaited).answers.isEmpty)
    let (owner, _) = ReattachTests.reattach(old, &world)
    ReattachTests.restoreSubscription(InboxChannel.pattern(of: old.incarnation), owner, &world)
    #expect(world.ask(owner, .restoreDone) == [.done])
    Self.endReturns(&world)
    let heard = try #require(world.announces(to: owner).first)
    #expect(heard.channel == awaited && heard.flags.contains(.fromStart))
    #expect(Self.answers(world, writer).last?.expected == [heard.attachment])
  }

  @Test("a lane to an inbox whose owner does not come back is refused, and leaves nothing")
  func ownerStaysAway() throws {
    var former = RouterHarness(bootNs: 1000)
    let old = try ReattachTests.veteran("owner", former.agent("owner"), former)
    var world = ReattachTests.later()
    let writer = world.agent("writer")
    let awaited = InboxChannel(owner: old.incarnation, lane: .normal).name
    #expect(world.addLog(writer, "writer", awaited).answers.isEmpty)
    Self.endReturns(&world)
    #expect(errorCode(world.frames(to: writer)) == .peerDied)
    #expect(Self.answers(world, writer).isEmpty && world.router.streamCount == 0)
    #expect(world.router.arenaBytesUsed == world.open.values.reduce(0, +))
  }

  @Test("who may not call the owner of an inbox is refused when that has come back")
  func rightsAreJudgedAnew() throws {
    var policy = Policy()
    try policy.add(AgentRule.everything("owner", users: [1000]))
    try policy.add(AgentRule(name: try TopicPattern("writer"), users: [1000]))
    var former = RouterHarness(bootNs: 1000)
    let old = try ReattachTests.veteran("owner", former.agent("owner"), former)
    var world = RouterHarness(policy: policy, bootNs: 1_000_000, former: .killed)
    world.happen(.tick(nowNs: 50))
    let writer = world.agent("writer")
    let awaited = InboxChannel(owner: old.incarnation, lane: .normal).name
    #expect(world.addLog(writer, "writer", awaited).answers.isEmpty)
    let (owner, _) = ReattachTests.reattach(old, &world)
    ReattachTests.restoreSubscription(InboxChannel.pattern(of: old.incarnation), owner, &world)
    #expect(world.ask(owner, .restoreDone) == [.done])
    Self.endReturns(&world)
    #expect(errorCode(world.frames(to: writer)) == .denied)
    #expect(world.announces(to: owner).isEmpty && world.router.streamCount == 0)
  }

  @Test("who subscribes meanwhile reads such a stream once, from its start")
  func subscriberMeanwhile() {
    var world = ReattachTests.later()
    let newcomer = world.agent("new")
    let log = world.addLog(newcomer, "new", "a")
    let reader = world.agent("reader")
    world.subscribe(reader, ">")
    world.happen(.drained(newcomer))
    #expect(world.announces(to: reader).isEmpty && log.answers.isEmpty)
    Self.endReturns(&world)
    #expect(world.announces(to: reader).map { $0.flags.contains(.fromStart) } == [true])
    #expect(Self.answers(world, newcomer).first?.expected.count == 1)
    #expect(world.router.attachmentCount == 1)
  }

  @Test("a publisher that dies while it waits leaves nothing behind", arguments: [true, false])
  func dies(isGuessing: Bool) throws {
    var world = ReattachTests.later()
    let newcomer = world.agent("new")
    _ = world.addLog(newcomer, "new", "a")
    let row = try #require(world.rows(newcomer, .streams).first?["stream"])
    if isGuessing {
      let stream = StreamID(try #require(UInt64(row)))
      world.say(newcomer, .closeStream(CloseStreamFrame(stream: stream)))
      #expect(errorCode(world.frames(to: newcomer)) == .invalid)
    }
    world.happen(.disconnected(newcomer))
    Self.endReturns(&world)
    #expect(world.open.isEmpty && world.router.streamCount == 0)
    #expect(world.router.arenaBytesUsed == 0)
  }

  @Test(
    "who answers is provisional while somebody may come back, and is told when nobody can any more",
    arguments: [FormerRouter.killed, .stopped])
  func provisional(former: FormerRouter) {
    var world = ReattachTests.later(than: former)
    let asker = world.agent("asker")
    func told() -> [Bool] {
      world.frames(to: asker).compactMap { frame in
        guard case .responders(let found) = frame else { return nil }
        return found.isProvisional
      }
    }
    world.ask(asker, .resolve(NameFrame(name: "sum", group: .service)))
    #expect(told() == [true])
    Self.endReturns(&world)
    #expect(told() == [true, false])
  }
}
