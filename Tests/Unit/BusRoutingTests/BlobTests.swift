import BusAccess
import BusPorts
import BusRouting
import BusWire
import RouterHarness
import Testing

@Suite("Blobs: payloads with a memory file of their own")
struct BlobTests {
  private static let token = BusUUID(word0: 7, word1: 9)

  @Test("whoever knows the token is handed the blob, whoever does not is told that there is none")
  func open() {
    var world = RouterHarness.settled()
    let maker = world.agent("maker")
    let reader = world.agent("reader")
    let (answers, descriptor) = world.addBlob(maker, Self.token)
    #expect(answers == [.done])
    let opened = world.happen(
      .frame(reader, request: 4, .openBlob(world.name(maker, Self.token)), []))
    let frame = BlobFrame(token: Self.token, segmentBytes: 8192, payloadBytes: 4000)
    #expect(opened == [.send(reader, .answer(4), .blob(frame), descriptor)])
    let other = BusUUID(word0: 7, word1: 10)
    #expect(errorCode(world.ask(reader, .openBlob(world.name(maker, other)))) == .notFound)
  }

  @Test("a blob is charged to its maker until it is dropped, which nobody else can do")
  func drop() {
    var world = RouterHarness.settled()
    let maker = world.agent("maker")
    let reader = world.agent("reader")
    let before = world.router.arenaBytesUsed
    let (_, descriptor) = world.addBlob(maker, Self.token)
    #expect(world.router.arenaBytesUsed == before + 8192)
    world.say(reader, .dropBlob(DropBlobFrame(token: Self.token, now: true)))
    #expect(world.router.blobCount == 1)
    world.say(maker, .dropBlob(DropBlobFrame(token: Self.token, now: true)))
    #expect(world.router.blobCount == 0 && world.open[descriptor] == nil)
    #expect(world.router.arenaBytesUsed == before)
    #expect(errorCode(world.open(reader, maker, Self.token)) == .notFound)
  }

  @Test(
    "let go of, or left behind, it can be opened until its time is over", arguments: [true, false])
  func kept(leaves: Bool) {
    var world = RouterHarness()
    world.happen(.tick(nowNs: 1_000_000_000))
    let maker = world.agent("maker")
    let reader = world.agent("reader")
    let (_, descriptor) = world.addBlob(maker, Self.token, keepMs: 2000)
    // While it is held, no time ends it.
    world.happen(.tick(nowNs: 2_000_000_000))
    if leaves {
      world.happen(.disconnected(maker))
    } else {
      world.say(maker, .dropBlob(DropBlobFrame(token: Self.token, now: false)))
    }
    world.happen(.tick(nowNs: 2_999_999_999))
    #expect(kinds(world.open(reader, maker, Self.token)) == [.blob])
    #expect(world.router.arenaBytesUsed == world.open.values.reduce(0, +))
    world.happen(.tick(nowNs: 3_000_000_000))
    #expect(errorCode(world.open(reader, maker, Self.token)) == .notFound)
    #expect(world.open[descriptor] == nil)
    #expect(world.router.arenaBytesUsed == world.open.values.reduce(0, +))
  }

  @Test("one that is held stays beyond its time, and goes as soon as it is let go")
  func heldBeyond() {
    var world = RouterHarness()
    world.happen(.tick(nowNs: 1))
    let maker = world.agent("maker")
    let (_, first) = world.addBlob(maker, Self.token, keepMs: 10)
    let (_, second) = world.addBlob(maker, BusUUID(word0: 1, word1: 1), keepMs: 10)
    world.happen(.tick(nowNs: 60_000_000_000))
    #expect(kinds(world.open(maker, maker, Self.token)) == [.blob])
    world.say(maker, .dropBlob(DropBlobFrame(token: Self.token, now: false)))
    #expect(world.open[first] == nil)
    world.happen(.disconnected(maker))
    #expect(world.open[second] == nil && world.router.blobCount == 0)
  }

  @Test("what is left behind takes a quarter of the arena at most: what would go first makes room")
  func leftBehind() {
    var limits = RouterLimits()
    limits.arenaBytes = 1 << 20
    var world = RouterHarness.settled(limits)
    var tokens: [(maker: ConnectionID, token: BusUUID)] = []
    for number in 0..<5 as Range<UInt64> {
      let maker = world.agent("maker\(number)")
      let token = BusUUID(word0: number, word1: 1)
      let keepMs = UInt32(60_000 - 1000 * number)
      #expect(world.addBlob(maker, token, bytes: 1 << 16, keepMs: keepMs).answers == [.done])
      tokens.append((maker, token))
      world.happen(.disconnected(maker))
    }
    let reader = world.agent("reader")
    #expect(
      tokens.map { errorCode(world.open(reader, $0.maker, $0.token)) } == [
        nil, nil, nil, nil, .notFound,
      ])
    #expect(world.router.arenaBytesUsed == world.open.values.reduce(0, +))
  }

  @Test("what is no blob, is another one, is too large or kept too long is refused and closed")
  func refused() {
    var limits = RouterLimits()
    limits.agentBytes = 1 << 20
    limits.blobsPerAgent = 2
    var world = RouterHarness(limits: limits)
    let maker = world.agent("maker")
    let held = world.open.count
    func code(_ world: inout RouterHarness, _ bytes: UInt64 = 8192, keepMs: UInt32 = 1)
      -> BusErrorCode?
    {
      errorCode(world.addBlob(maker, Self.token, bytes: bytes, keepMs: keepMs).answers)
    }
    #expect(code(&world, 2 << 20) == .resourceExhausted)
    #expect(code(&world, keepMs: 3_600_001) == .invalid)
    let lie = AddBlobFrame(token: Self.token, segmentBytes: 8192, payloadBytes: 4001, keepMs: 1)
    for (frame, finding) in [
      (lie, Segment.Finding.blob(RouterHarness.blob(Self.token))),
      (RouterHarness.frame(BusUUID(word0: 1, word1: 1)), .blob(RouterHarness.blob(Self.token))),
      (RouterHarness.frame(Self.token), .unusable("The blob may still be written to.")),
      (
        RouterHarness.frame(Self.token),
        .reader(
          ReaderShape(
            segmentBytes: 8192, agent: RouterHarness.uuid("maker"), incarnation: Incarnation(1)))
      ),
    ] {
      let segment = world.segment(8192, finding)
      #expect(errorCode(world.ask(maker, .addBlob(frame), [segment])) == .invalid)
    }
    #expect(world.open.count == held)
    #expect(code(&world) == nil)
    // Again, because the answer was lost: the same.
    #expect(code(&world) == nil)
    #expect(world.open.count == held + 1)
    #expect(world.addBlob(maker, BusUUID(word0: 1, word1: 1)).answers == [.done])
    let third = world.addBlob(maker, BusUUID(word0: 2, word1: 1))
    #expect(errorCode(third.answers) == .resourceExhausted && world.open[third.token] == nil)
  }

  @Test("under the same token another agent's bytes are another blob")
  func takenOver() {
    var world = RouterHarness()
    let maker = world.agent("maker")
    let thief = world.agent("thief")
    let (_, own) = world.addBlob(maker, Self.token)
    let (answers, stolen) = world.addBlob(thief, Self.token)
    #expect(answers == [.done] && own != stolen)
    func handed(_ world: inout RouterHarness) -> DescriptorToken? {
      let frame = AgentFrame.openBlob(world.name(maker, Self.token))
      for case .send(_, _, .blob, let token) in world.happen(.frame(thief, request: 4, frame, [])) {
        return token
      }
      return nil
    }
    #expect(handed(&world) == own)
    world.say(maker, .dropBlob(DropBlobFrame(token: Self.token, now: true)))
    #expect(handed(&world) == nil && world.open[stolen] != nil)
  }

  @Test("the user who left most makes room, not who left least")
  func leftByUsers() throws {
    var policy = Policy()
    try policy.add(AgentRule(name: try TopicPattern(">"), users: [1000, 2000]))
    var limits = RouterLimits()
    limits.arenaBytes = 1 << 20
    var world = RouterHarness(policy: policy, limits: limits)
    world.happen(.tick(nowNs: 1))
    let modest = world.agent("modest", uid: 2000)
    _ = world.addBlob(modest, Self.token, bytes: 1 << 16, keepMs: 1000)
    world.happen(.disconnected(modest))
    for number in 0..<5 as Range<UInt64> {
      let greedy = world.agent("greedy\(number)")
      let token = BusUUID(word0: number, word1: 1)
      #expect(world.addBlob(greedy, token, bytes: 1 << 16).answers == [.done])
      world.happen(.disconnected(greedy))
    }
    let reader = world.agent("reader")
    world.happen(.tick(nowNs: 100_000_000))
    #expect(kinds(world.open(reader, modest, Self.token)) == [.blob])
    #expect(world.router.blobCount == 4)
  }

  @Test("an end costs what the agent leaves behind, not what others have left")
  func effortOfEnds() {
    var world = RouterHarness.settled()
    let rich = world.agent("rich")
    for number in 0..<512 as Range<UInt64> {
      #expect(world.addBlob(rich, BusUUID(word0: number, word1: 1)).answers == [.done])
    }
    let poor = world.agent("poor")
    _ = world.router.drainEffort()
    world.happen(.disconnected(poor))
    let little = world.router.drainEffort()
    world.happen(.disconnected(rich))
    #expect(little < 8 && world.router.drainEffort() >= 64)
    #expect(world.router.blobCount == 512)
  }

  @Test("of those left behind the ones go that would go first, in whatever order they came")
  func leftOrder() {
    var limits = RouterLimits()
    limits.blobsLeftMax = 3
    var world = RouterHarness.settled(limits)
    var makers: [(connection: ConnectionID, keepMs: UInt32)] = []
    for keepMs in [3000, 1000, 5000, 2000, 4000, 6000] as [UInt32] {
      let maker = world.agent("maker\(keepMs)")
      _ = world.addBlob(maker, Self.token, keepMs: keepMs)
      makers.append((maker, keepMs))
    }
    for maker in makers { world.happen(.disconnected(maker.connection)) }
    let reader = world.agent("reader")
    func left(_ world: inout RouterHarness) -> [UInt32] {
      var left: [UInt32] = []
      for maker in makers
      where kinds(world.open(reader, maker.connection, Self.token)) == [.blob] {
        left.append(maker.keepMs)
      }
      return left
    }
    #expect(left(&world) == [5000, 4000, 6000])
    world.happen(.tick(nowNs: 64_500_000_000))
    #expect(left(&world) == [5000, 6000])
    // What has gone by its time makes room for others.
    let last = world.agent("last")
    _ = world.addBlob(last, Self.token)
    world.happen(.disconnected(last))
    #expect(left(&world) == [5000, 6000] && world.router.blobCount == 3)
    #expect(world.router.arenaBytesUsed == world.open.values.reduce(0, +))
  }

  @Test("what is left behind is bounded in number, too")
  func leftInNumber() {
    var limits = RouterLimits()
    limits.blobsLeftMax = 3
    var world = RouterHarness(limits: limits)
    world.happen(.tick(nowNs: 1))
    for number in 0..<5 as Range<UInt64> {
      let maker = world.agent("maker\(number)")
      _ = world.addBlob(maker, BusUUID(word0: number, word1: 1))
      world.happen(.disconnected(maker))
    }
    #expect(world.router.blobCount == 3)
    #expect(world.router.arenaBytesUsed == world.open.values.reduce(0, +))
  }

  @Test("many small blobs that are left behind make room themselves, not another user's large one")
  func leftBySeveral() throws {
    var limits = RouterLimits()
    limits.blobsLeftMax = 3
    var policy = Policy()
    try policy.add(AgentRule.everything(">", users: [1000, 1001]))
    var world = RouterHarness(policy: policy, limits: limits, uid: 1)
    world.happen(.tick(nowNs: 1))
    let careful = world.agent("careful")
    _ = world.addBlob(careful, Self.token, bytes: 1 << 20)
    world.happen(.disconnected(careful))
    let crowd = world.agent("crowd", uid: 1001)
    for number in 0..<5 as Range<UInt64> {
      _ = world.addBlob(crowd, BusUUID(word0: number, word1: 1))
    }
    world.happen(.disconnected(crowd))
    #expect(world.router.blobCount == 3)
    let reader = world.agent("reader")
    #expect(kinds(world.open(reader, careful, Self.token)) == [.blob])
  }

  @Test(
    "a router that has just started does not say that a blob is gone, if its maker may come back",
    arguments: FormerRouter.allCases)
  func grace(former: FormerRouter) {
    var world = RouterHarness(former: former)
    world.happen(.tick(nowNs: 1))
    let reader = world.agent("reader")
    let mayComeBack = former == .killed || former == .stopped
    let wanted: BusErrorCode = mayComeBack ? .noRouter : .notFound
    #expect(errorCode(world.open(reader, reader, Self.token)) == wanted)
    world.happen(.tick(nowNs: 10_000_000_000))
    #expect(errorCode(world.open(reader, reader, Self.token)) == .notFound)
  }
}

extension RouterHarness {
  /// A router for which it is too late that agents of a former one come back.
  fileprivate static func settled(_ limits: RouterLimits = RouterLimits()) -> RouterHarness {
    var world = RouterHarness(limits: limits)
    world.happen(.tick(nowNs: 1))
    world.happen(.tick(nowNs: 60_000_000_000))
    return world
  }

  fileprivate static func blob(_ token: BusUUID, _ bytes: UInt64 = 8192) -> BlobShape {
    BlobShape(segmentBytes: bytes, payloadBytes: bytes - 4192, token: token)
  }

  fileprivate static func frame(
    _ token: BusUUID, _ bytes: UInt64 = 8192, keepMs: UInt32 = 1
  ) -> AddBlobFrame {
    AddBlobFrame(token: token, segmentBytes: bytes, payloadBytes: bytes - 4192, keepMs: keepMs)
  }

  fileprivate mutating func addBlob(
    _ maker: ConnectionID, _ token: BusUUID, bytes: UInt64 = 8192, keepMs: UInt32 = 60_000
  ) -> (answers: [RouterFrame], token: DescriptorToken) {
    let segment = segment(bytes, .blob(Self.blob(token, bytes)))
    let frame = Self.frame(token, bytes, keepMs: keepMs)
    return (ask(maker, .addBlob(frame), [segment]), segment.token)
  }

  fileprivate func name(_ maker: ConnectionID, _ token: BusUUID) -> OpenBlobFrame {
    OpenBlobFrame(token: token, maker: incarnations[maker] ?? Incarnation(0))
  }

  fileprivate mutating func open(
    _ reader: ConnectionID, _ maker: ConnectionID, _ token: BusUUID
  ) -> [RouterFrame] {
    ask(reader, .openBlob(name(maker, token)))
  }
}
