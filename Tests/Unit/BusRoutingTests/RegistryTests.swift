import BusAccess
import BusRouting
import BusWire
import RouterHarness
import Testing

@Suite("Registering")
struct RegistryTests {
  @Test("a name belongs to one living agent, and is free again after its end")
  func nameTaken() {
    var world = RouterHarness()
    let first = world.agent("hub")
    let second = world.connect()
    #expect(errorCode(world.register(second, "hub")) == .nameInUse)
    world.happen(.disconnected(first))
    guard case .registered? = world.register(second, "hub").first else {
      Issue.record("the name was not free")
      return
    }
    #expect(world.router.agentCount == 1)
    #expect(world.router.arenaBytesUsed == RouterHarness.readerBytes)
  }

  @Test("another layout version is refused with both versions named")
  func layoutVersion() {
    var world = RouterHarness()
    let connection = ConnectionID(77)
    world.happen(.connected(connection, Peer(pid: 1, uid: 1000, startTime: 1)))
    let answers = world.ask(connection, .hello(HelloFrame(layoutVersion: 9, program: "old")))
    #expect(errorCode(answers) == .incompatibleVersion)
    #expect(world.dropped.contains(connection))
  }

  @Test("names below bcs, bad names and foreign users are refused")
  func badNames() {
    var world = RouterHarness()
    let connection = world.connect()
    #expect(errorCode(world.register(connection, "bcs.evil")) == .invalid)
    #expect(errorCode(world.register(connection, "no spaces")) == .invalid)
    let foreign = world.connect(uid: 2000)
    #expect(errorCode(world.register(foreign, "fine")) == .denied)
    #expect(world.open.isEmpty)
  }

  @Test("the UUID of another name is refused, whether that agent lives or not")
  func foreignUUID() {
    var world = RouterHarness()
    let guest = world.connect()
    let refusal = world.register(guest, "guest.1", as: BusUUID(agentName: "auditor"))
    #expect(errorCode(refusal) == .invalid && "\(refusal)".contains("version 4 or 7"))
    let auditor = world.agent("auditor")
    #expect(world.router.agentCount == 1)
    world.happen(.disconnected(auditor))
    #expect(
      errorCode(world.register(guest, "guest.1", as: BusUUID(agentName: "auditor"))) == .invalid)
    #expect(world.open.isEmpty)
  }

  @Test(
    "an agent may bring a random or a timed UUID, and no other kind",
    arguments: 0...15 as ClosedRange<UInt64>)
  func ownUUIDs(version: UInt64) {
    var world = RouterHarness()
    let rest: UInt64 = 0x0123_4567_89AB_0CDE
    for variant in 0...3 as ClosedRange<UInt64> {
      let uuid = BusUUID(high: rest | version << 12, low: variant << 62 | rest >> 4)
      let answer = world.register(world.connect(), "agent.\(variant)", as: uuid)
      let isAllowed = variant == 2 && (version == 4 || version == 7)
      #expect(errorCode(answer) == (isAllowed ? nil : .invalid), "\(uuid)")
    }
    let mine = world.connect()
    #expect(errorCode(world.register(mine, "me", as: BusUUID(agentName: "me"))) == nil)
  }

  @Test("a segment of another agent, or none at all, is refused and closed")
  func foreignSegment() {
    var world = RouterHarness()
    let connection = world.connect()
    let frame = RegisterFrame(name: "hub", category: "", agent: RouterHarness.uuid("hub"))
    let other = ReaderShape(
      segmentBytes: 65536, agent: RouterHarness.uuid("other"), incarnation: Incarnation(5))
    let wrong = world.segment(65536, .reader(other))
    #expect(errorCode(world.ask(connection, .register(frame), [wrong])) == .invalid)
    let broken = world.segment(10, .unusable("not sealed"))
    #expect(errorCode(world.ask(connection, .register(frame), [broken])) == .invalid)
    let full = world.segment(10, .noRoom("descriptors run out"))
    #expect(errorCode(world.ask(connection, .register(frame), [full])) == .resourceExhausted)
    #expect(world.open.isEmpty)
    #expect(!world.dropped.contains(connection))
  }

  @Test("descriptors on a frame that has none, or none where one belongs, end the connection")
  func wrongDescriptors() {
    var world = RouterHarness()
    let surplus = world.connect()
    let extra = world.segment(1, .unusable("pipe"))
    world.happen(.frame(surplus, request: 0, .goodbye, [extra]))
    #expect(world.dropped.contains(surplus))
    let missing = world.connect()
    let frame = RegisterFrame(name: "hub", category: "", agent: RouterHarness.uuid("hub"))
    #expect(errorCode(world.ask(missing, .register(frame))) == .invalid)
    #expect(world.open.isEmpty)
  }

  @Test("every frame before its time is answered with an error and changes nothing")
  func hostileBeforeRegister() {
    var world = RouterHarness()
    let connection = world.connect()
    let id = AttachmentID(5)
    let frames: [AgentFrame] = [
      .retireLog(RetireLogFrame(stream: StreamID(1), generation: 0)),
      .closeStream(CloseStreamFrame(stream: StreamID(1))),
      .subscribe(
        SubscribeFrame(subscription: 1, pattern: ">", mode: .lossy, sleeps: false, epoch: 0)),
      .attach(AttachFrame(attachment: id, slot: 0)), .detach(DetachFrame(attachment: id)),
      .evict(EvictFrame(attachment: id, reason: "")), .restoreDone,
      .unsubscribe(UnsubscribeFrame(subscription: 1)),
    ]
    for frame in frames { #expect(errorCode(world.ask(connection, frame)) == .invalid) }
    let log = world.segment(10, .unusable("x"))
    let add = AddLogFrame(
      stream: StreamID(0), channel: "a", generation: 0, capacity: 1, segmentBytes: 1)
    #expect(errorCode(world.ask(connection, .addLog(add), [log])) == .invalid)
    #expect(world.open.isEmpty)
    #expect(world.router.streamCount == 0)
  }

  @Test("quota and arena are kept, and the agent is told which of the two")
  func budget() {
    var limits = RouterLimits()
    limits.agentBytes = RouterHarness.readerBytes + 80_000
    limits.arenaBytes = 2 * RouterHarness.readerBytes + 100_000
    var world = RouterHarness(limits: limits)
    let a = world.agent("a")
    _ = world.publish(a, "a", "x")
    let refused = world.addLog(a, "a", "y").answers
    #expect(errorCode(refused) == .resourceExhausted)
    #expect("\(refused)".contains("quota"))
    let b = world.agent("b")
    #expect(errorCode(world.addLog(b, "b", "x").answers) == .resourceExhausted)
    world.happen(.disconnected(a))
    _ = world.publish(b, "b", "x")
    #expect(world.router.arenaBytesUsed == world.open.values.reduce(0, +))
  }

  @Test("logs leave a part of the arena to agents that join")
  func keptForJoins() {
    var limits = RouterLimits()
    limits.arenaBytes = 32 * RouterHarness.readerBytes
    limits.agentBytes = limits.arenaBytes
    var world = RouterHarness(limits: limits)
    let a = world.agent("a")
    var number = 0
    while errorCode(world.addLog(a, "a", "x\(number)").answers) == nil { number += 1 }
    let kept = limits.arenaBytes / 16
    #expect(number > 10)
    #expect(world.router.arenaBytesUsed <= limits.arenaBytes - kept)
    for name in ["b", "c"] {
      let newcomer = world.connect()
      #expect(errorCode(world.register(newcomer, name)) == nil)
    }
    let last = world.connect()
    while world.router.arenaBytesUsed + RouterHarness.readerBytes <= limits.arenaBytes {
      world.register(world.connect(), "n\(world.router.agentCount)")
    }
    #expect(errorCode(world.register(last, "last")) == .resourceExhausted)
  }

  @Test("connections of one user are bounded")
  func connectionsBounded() {
    var limits = RouterLimits()
    limits.connectionsPerUser = 2
    var world = RouterHarness(limits: limits)
    _ = world.connect()
    let second = world.connect()
    let third = world.connect()
    #expect(world.dropped == [third])
    #expect(errorCode(world.frames(to: third)) == .resourceExhausted)
    world.happen(.disconnected(third))
    world.happen(.disconnected(second))
    let fourth = world.connect()
    #expect(!world.dropped.contains(fourth))
  }

  @Test("users to whom the policy gives no name leave the connections to those who have one")
  func strangers() throws {
    var policy = Policy()
    try policy.add(AgentRule(name: try TopicPattern("worker.*"), users: [2000]))
    var limits = RouterLimits()
    (limits.connections, limits.connectionsPerUser, limits.connectionsOfStrangers) = (16, 8, 3)
    var world = RouterHarness(policy: policy, limits: limits)
    let early = (0..<3).map { world.connect(uid: 3000 + UInt32($0)) }
    #expect(world.dropped.isEmpty)
    for user in 3000..<3020 {
      let late = world.connect(uid: UInt32(user))
      #expect(world.dropped.contains(late) && errorCode(world.frames(to: late)) == .denied)
      world.happen(.disconnected(late))
    }
    let worker = world.connect(uid: 2000)
    #expect(world.register(worker, "worker.1").first?.kind == .registered)
    world.happen(.disconnected(early[0]))
    #expect(!world.dropped.contains(world.connect(uid: 3000)))
  }
}
