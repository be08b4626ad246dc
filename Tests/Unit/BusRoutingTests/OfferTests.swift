import BusAccess
import BusRouting
import BusWire
import RouterHarness
import Testing

@Suite("What is judged before anybody looks at a descriptor")
struct OfferTests {
  private static let token = BusUUID(word0: 7, word1: 9)

  private static func log(_ channel: String = "a", stream: UInt64 = 0, bytes: UInt64 = 73728)
    -> AgentFrame
  {
    .addLog(
      AddLogFrame(
        stream: StreamID(stream), channel: channel, generation: stream == 0 ? 0 : 1,
        capacity: bytes < 8192 ? bytes : bytes - 8192, segmentBytes: bytes))
  }

  private static func blob(bytes: UInt64 = 8192, keepMs: UInt32 = 0) -> AgentFrame {
    .addBlob(
      AddBlobFrame(
        token: token, segmentBytes: bytes, payloadBytes: min(bytes, 4000), keepMs: keepMs))
  }

  private static func counters(_ part: UInt16 = 0, bytes: UInt64 = 16384) -> AgentFrame {
    .addCounters(AddCountersFrame(part: part, segmentBytes: bytes))
  }

  private static let register = AgentFrame.register(
    RegisterFrame(name: "agent", category: "", agent: RouterHarness.uuid("agent")))

  /// Every frame that hands something in, as an agent without fault would send it.
  private static let sound = [register, log(), blob(), counters()]

  /// Sends the frame with a descriptor that nobody looked at: it must be refused all the same.
  private static func expectRefusal(
    _ frame: AgentFrame, _ connection: ConnectionID, _ world: inout RouterHarness,
    _ code: BusErrorCode
  ) {
    #expect(world.router.offer(of: frame, from: connection) == nil, "\(frame)")
    let unseen = world.segment(1, .unusable("nobody looked at it"))
    let answers = world.ask(connection, frame, [unseen])
    #expect(errorCode(answers) == code, "\(frame)")
    #expect(!"\(answers)".contains("nobody looked at it"), "\(frame)")
    #expect(world.open[unseen.token] == nil)
  }

  @Test("before hello and before register nothing is looked at, but who registers")
  func standing() throws {
    var world = RouterHarness()
    let silent = world.open()
    for frame in Self.sound { Self.expectRefusal(frame, silent, &world, .invalid) }
    let greeted = world.connect()
    for frame in Self.sound.dropFirst() { Self.expectRefusal(frame, greeted, &world, .invalid) }
    let offer = try #require(world.router.offer(of: Self.register, from: greeted))
    #expect(offer.kind == .reader && offer.bytes == nil)
    let agent = world.agent("agent")
    Self.expectRefusal(Self.register, agent, &world, .invalid)
    #expect(world.router.offer(of: Self.log(), from: ConnectionID(4711)) == nil)
    #expect(world.router.offer(of: .watch, from: agent) == nil)
  }

  @Test("an agent's segments are looked at as what their frames say")
  func offers() throws {
    var world = RouterHarness()
    let agent = world.agent("agent")
    for (frame, kind, bytes) in [
      (Self.log(), .log, 73728), (Self.blob(), .blob, 8192), (Self.counters(), .counters, 16384),
    ] as [(AgentFrame, SegmentOffer.Kind, UInt64)] {
      let offer = try #require(world.router.offer(of: frame, from: agent))
      #expect(offer.kind == kind && offer.bytes == bytes)
    }
    let stream = world.publish(agent, "agent", "a")
    #expect(world.router.offer(of: Self.log(stream: stream.value), from: agent)?.kind == .log)
  }

  @Test("what is larger than its agent may have is refused by what its frame says")
  func tooLarge() {
    var limits = RouterLimits()
    limits.agentBytes = 1 << 20
    limits.logBytesMax = 256 << 10
    var world = RouterHarness(limits: limits)
    let agent = world.agent("agent")
    for bytes in [2 << 20, UInt64.max] {
      for frame in [
        Self.log(bytes: bytes), Self.blob(bytes: bytes), Self.counters(bytes: bytes),
      ] {
        Self.expectRefusal(frame, agent, &world, .resourceExhausted)
      }
    }
    Self.expectRefusal(Self.log(bytes: 520 << 10), agent, &world, .resourceExhausted)
    Self.expectRefusal(Self.blob(keepMs: .max), agent, &world, .invalid)
    Self.expectRefusal(Self.counters(1), agent, &world, .invalid)
    Self.expectRefusal(Self.log("a..b"), agent, &world, .invalid)
    Self.expectRefusal(Self.log(stream: 77), agent, &world, .invalid)
  }

  @Test("who may not write a channel, and whoever the policy gives no name, is refused before")
  func rights() throws {
    var policy = Policy()
    var rule = AgentRule(name: try TopicPattern("agent"), users: [1000])
    rule.write = [try Grant("mine")]
    try policy.add(rule)
    var world = RouterHarness(policy: policy)
    let agent = world.agent("agent")
    Self.expectRefusal(Self.log(), agent, &world, .denied)
    #expect(world.router.offer(of: Self.log("mine"), from: agent) != nil)
    let stranger = world.open(uid: 4242)
    for frame in Self.sound { Self.expectRefusal(frame, stranger, &world, .denied) }
  }

  @Test("a log of a former router is looked at with its proof, and during the hand-over alone")
  func restoredLogs() throws {
    let before = try ReattachTests.former()
    var world = ReattachTests.later()
    let (feed, _) = ReattachTests.reattach(before.feed, &world)
    func frame(_ proof: ControlTicket, stream: StreamID? = nil) -> AgentFrame {
      .restoreLog(
        RestoreLogFrame(
          stream: stream ?? before.stream, channel: "a", generation: 0, capacity: 65536,
          segmentBytes: 73728, current: true, retired: false, proof: proof))
    }
    let forged = try #require(ControlTicket([UInt8](repeating: 1, count: 32)))
    Self.expectRefusal(frame(forged), feed, &world, .fenced)
    let other = StreamID(before.stream.value + 1)
    Self.expectRefusal(frame(before.proof, stream: other), feed, &world, .fenced)
    let offer = try #require(world.router.offer(of: frame(before.proof), from: feed))
    #expect(offer.kind == .log && offer.bytes == 73728)
    #expect(world.ask(feed, .restoreDone) == [.done])
    #expect(world.router.offer(of: frame(before.proof), from: feed) == nil)
  }

  @Test("a blob that is here already is not looked at again")
  func knownBlob() {
    var world = RouterHarness()
    let agent = world.agent("agent")
    let shape = BlobShape(segmentBytes: 8192, payloadBytes: 4000, token: Self.token)
    let segment = world.segment(8192, .blob(shape))
    #expect(world.ask(agent, Self.blob(), [segment]) == [.done])
    #expect(world.router.offer(of: Self.blob(), from: agent) == nil)
    let again = world.segment(1, .unusable("nobody looked at it"))
    #expect(world.ask(agent, Self.blob(), [again]) == [.done])
    #expect(world.router.blobCount == 1 && world.open[again.token] == nil)
  }

  @Test("a segment that found no descriptor in the router is refused with that cause")
  func noDescriptor() {
    var world = RouterHarness()
    let agent = world.agent("agent")
    let lost = world.segment(1, .noDescriptor("The router is out of descriptors."))
    guard case .error(let error)? = world.ask(agent, Self.log(), [lost]).first else {
      Issue.record("not refused")
      return
    }
    #expect(error.code == BusErrorCause.descriptors.rawValue)
    #expect(!world.dropped.contains(agent) && world.open[lost.token] == nil)
    #expect(errorCode(world.addLog(agent, "agent", "a").answers) == nil)
  }
}
