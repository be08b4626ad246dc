import BusPorts
import BusRouting
import BusWire
import Testing

@Suite("Blobs: payloads with a memory file of their own")
struct BlobTests {
  private static let token = BusUUID(word0: 7, word1: 9)

  @Test("whoever knows the token is handed the blob, whoever does not is told that there is none")
  func open() {
    var world = World()
    let maker = world.agent("maker")
    let reader = world.agent("reader")
    let (answers, descriptor) = world.addBlob(maker, Self.token)
    #expect(answers == [.done])
    let opened = world.happen(
      .frame(reader, request: 4, .openBlob(OpenBlobFrame(token: Self.token)), []))
    let frame = BlobFrame(token: Self.token, segmentBytes: 8192, payloadBytes: 4000)
    #expect(opened == [.send(reader, .answer(4), .blob(frame), descriptor)])
    let other = BusUUID(word0: 7, word1: 10)
    #expect(errorCode(world.ask(reader, .openBlob(OpenBlobFrame(token: other)))) == .notFound)
  }

  @Test("a blob is charged to its maker until it is dropped, which nobody else can do")
  func drop() {
    var world = World()
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
    #expect(errorCode(world.open(reader, Self.token)) == .notFound)
  }

  @Test(
    "let go of, or left behind, it can be opened until its time is over", arguments: [true, false])
  func kept(leaves: Bool) {
    var world = World()
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
    #expect(kinds(world.open(reader, Self.token)) == [.blob])
    #expect(world.router.arenaBytesUsed == world.open.values.reduce(0, +))
    world.happen(.tick(nowNs: 3_000_000_000))
    #expect(errorCode(world.open(reader, Self.token)) == .notFound)
    #expect(world.open[descriptor] == nil)
    #expect(world.router.arenaBytesUsed == world.open.values.reduce(0, +))
  }

  @Test("one that is held stays beyond its time, and goes as soon as it is let go")
  func heldBeyond() {
    var world = World()
    world.happen(.tick(nowNs: 1))
    let maker = world.agent("maker")
    let (_, first) = world.addBlob(maker, Self.token, keepMs: 10)
    let (_, second) = world.addBlob(maker, BusUUID(word0: 1, word1: 1), keepMs: 10)
    world.happen(.tick(nowNs: 60_000_000_000))
    #expect(kinds(world.open(maker, Self.token)) == [.blob])
    world.say(maker, .dropBlob(DropBlobFrame(token: Self.token, now: false)))
    #expect(world.open[first] == nil)
    world.happen(.disconnected(maker))
    #expect(world.open[second] == nil && world.router.blobCount == 0)
  }

  @Test("what is left behind takes a quarter of the arena at most: what would go first makes room")
  func leftBehind() {
    var limits = RouterLimits()
    limits.arenaBytes = 1 << 20
    var world = World(limits: limits)
    world.happen(.tick(nowNs: 1))
    var tokens: [BusUUID] = []
    for number in 0..<5 as Range<UInt64> {
      let maker = world.agent("maker\(number)")
      let token = BusUUID(word0: number, word1: 1)
      let keepMs = UInt32(60_000 - 1000 * number)
      #expect(world.addBlob(maker, token, bytes: 1 << 16, keepMs: keepMs).answers == [.done])
      tokens.append(token)
      world.happen(.disconnected(maker))
    }
    let reader = world.agent("reader")
    #expect(tokens.map { errorCode(world.open(reader, $0)) } == [nil, nil, nil, nil, .notFound])
    #expect(world.router.arenaBytesUsed == world.open.values.reduce(0, +))
  }

  @Test("what is no blob, is another one, is too large or kept too long is refused and closed")
  func refused() {
    var limits = RouterLimits()
    limits.agentBytes = 1 << 20
    limits.blobsPerAgent = 2
    var world = World(limits: limits)
    let maker = world.agent("maker")
    let thief = world.agent("thief")
    let held = world.open.count
    func code(_ world: inout World, _ bytes: UInt64 = 8192, keepMs: UInt32 = 1) -> BusErrorCode? {
      errorCode(world.addBlob(maker, Self.token, bytes: bytes, keepMs: keepMs).answers)
    }
    #expect(code(&world, 2 << 20) == .resourceExhausted)
    #expect(code(&world, keepMs: 3_600_001) == .invalid)
    let lie = AddBlobFrame(token: Self.token, segmentBytes: 8192, payloadBytes: 4001, keepMs: 1)
    for (frame, finding) in [
      (lie, Segment.Finding.blob(World.blob(Self.token))),
      (World.frame(BusUUID(word0: 1, word1: 1)), .blob(World.blob(Self.token))),
      (World.frame(Self.token), .unusable("The blob may still be written to.")),
      (
        World.frame(Self.token),
        .reader(
          ReaderShape(
            segmentBytes: 8192, agent: World.uuid("maker"), incarnation: Incarnation(1)))
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
    #expect(errorCode(world.addBlob(thief, Self.token).answers) == .invalid)
    #expect(world.addBlob(maker, BusUUID(word0: 1, word1: 1)).answers == [.done])
    let third = world.addBlob(maker, BusUUID(word0: 2, word1: 1))
    #expect(errorCode(third.answers) == .resourceExhausted && world.open[third.token] == nil)
  }

  @Test("a router that has just taken over does not say that a blob is gone")
  func grace() {
    var world = World(tookOver: true)
    world.happen(.tick(nowNs: 1))
    let reader = world.agent("reader")
    #expect(errorCode(world.open(reader, Self.token)) == .noRouter)
    world.happen(.tick(nowNs: 10_000_000_000))
    #expect(errorCode(world.open(reader, Self.token)) == .notFound)
  }
}

extension World {
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

  fileprivate mutating func open(_ reader: ConnectionID, _ token: BusUUID) -> [RouterFrame] {
    ask(reader, .openBlob(OpenBlobFrame(token: token)))
  }
}
