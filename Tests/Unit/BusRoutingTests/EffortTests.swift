import BusAccess
import BusPorts
import BusRouting
import BusWire
import RouterHarness
import Testing

/// Work that is easy to ask for and hard to do: bounded, and counted for whoever caused it.
@Suite("What work costs, and whom")
struct EffortTests {
  private static let (honest, crowd) = (1000 as UInt32, 1001 as UInt32)

  private static func policy() throws -> Policy {
    var policy = Policy()
    try policy.add(AgentRule.everything(">", users: [honest, crowd]))
    return policy
  }

  /// A world in which the router belongs to neither of the two users.
  private static func world(_ limits: RouterLimits = RouterLimits()) throws -> RouterHarness {
    var world = RouterHarness(policy: try policy(), limits: limits, uid: 1)
    world.happen(.tick(nowNs: 1))
    return world
  }

  /// A world whose agents may hold five of its logs.
  private static func worldOfSmallAgents() throws -> RouterHarness {
    var limits = RouterLimits()
    limits.agentBytes = 400_000
    limits.arenaBytes = 1 << 26
    return try world(limits)
  }

  @Test("an agent reads one stream through so many subscriptions, and is told once of more")
  func manySubscriptions() throws {
    var world = try Self.world()
    let reader = world.agent("reader")
    for number in 0..<100 as Range<UInt32> {
      world.subscribe(reader, "a", number: number, mode: .lossy)
    }
    let feed = world.agent("feed")
    _ = world.publish(feed, "feed", "a")
    #expect(world.announces(to: reader).count == world.router.limits.readingsPerStreamAndAgent)
    #expect(world.missed(by: reader).map(\.subscription) == [64])
    #expect(world.missed(by: reader).first?.text.contains("times already") == true)
    // Each of those is given the stream when there is a place.
    for number in 0..<20 as Range<UInt32> {
      world.say(reader, .unsubscribe(UnsubscribeFrame(subscription: number)))
    }
    world.happen(.tick(nowNs: 2_000_000_000))
    let given = Set(world.announces(to: reader).map(\.subscription))
    #expect(given.isSuperset(of: Set(64..<84)))
  }

  @Test("the readers of one user leave places at a stream to those of others")
  func readersOfAStream() throws {
    var limits = RouterLimits()
    limits.readersPerStream = 8
    limits.readingsPerStreamAndAgent = 2
    limits.expectedMax = 8
    var world = try Self.world(limits)
    let crowd = (0..<10).map { world.agent("crowd.\($0)", uid: Self.crowd) }
    for agent in crowd { world.subscribe(agent, "a", mode: .lossy) }
    let late = (0..<6).map { world.agent("honest.\($0)", uid: Self.honest) }
    for agent in late { world.subscribe(agent, "a", mode: .lossy) }
    let feed = world.agent("feed")
    _ = world.publish(feed, "feed", "a")
    func counts(_ agents: [ConnectionID]) -> [Int] { agents.map { world.announces(to: $0).count } }
    #expect(counts(crowd).reduce(0, +) == 4 && counts(late).reduce(0, +) == 4)
    #expect(crowd.allSatisfy { world.announces(to: $0).count + world.missed(by: $0).count == 1 })
    // A place that is free again is given to who missed the stream.
    world.happen(.disconnected(late[0]))
    world.happen(.tick(nowNs: 2_000_000_000))
    #expect(counts(late)[4...].reduce(0, +) == 1)
  }

  @Test("readings of all agents are bounded, and come back with what ends")
  func readings() throws {
    var limits = RouterLimits()
    limits.attachments = 20
    limits.attachmentsPerAgent = 10
    var world = try Self.world(limits)
    let feed = world.agent("feed")
    for channel in 0..<10 { _ = world.publish(feed, "feed", "c\(channel)") }
    let crowd = (0..<3).map { world.agent("crowd.\($0)", uid: Self.crowd) }
    for agent in crowd { world.subscribe(agent, ">", mode: .lossy) }
    #expect(world.router.attachmentCount == 10)
    #expect(world.missed(by: crowd[2]).allSatisfy { $0.text.contains("readings of streams") })
    let reader = world.agent("reader", uid: Self.honest)
    world.subscribe(reader, ">", mode: .lossy)
    #expect(world.announces(to: reader).count == 5, "half of what is left of its places")
    for agent in crowd { world.happen(.disconnected(agent)) }
    let next = world.agent("next", uid: Self.crowd)
    world.subscribe(next, ">", mode: .lossy)
    #expect(world.announces(to: next).count == 5)
  }

  @Test("who publishes pays for its readers, and for all that they will say to the stream")
  func crowds() throws {
    var world = try Self.world()
    let readers = (0..<60).map { world.agent("crowd.\($0)", uid: Self.crowd) }
    for agent in readers { world.subscribe(agent, "a", mode: .lossy) }
    let feed = world.agent("feed")
    _ = world.router.drainEffort()
    let stream = world.publish(feed, "feed", "a")
    var paid = world.router.drainEffort()
    for reader in readers {
      let announce = try #require(world.announces(to: reader).first)
      world.say(reader, .attach(AttachFrame(attachment: announce.attachment, slot: 1)))
    }
    var done = world.router.drainEffort()
    let next = world.addLog(feed, "feed", "a", stream: stream, generation: 1, base: 64)
    #expect(kinds(next.answers) == [.logAdded])
    paid += world.router.drainEffort()
    for reader in readers {
      let attachment = try #require(world.announces(to: reader).first).attachment
      world.say(reader, .released(ReleasedFrame(attachment: attachment, generation: 0)))
      world.say(reader, .detach(DetachFrame(attachment: attachment)))
    }
    done += world.router.drainEffort()
    // What was sent to the readers is paid as well, once for each log.
    #expect(done >= 2 * 60 && done <= paid - 2 * 60, "\(done) actions, \(paid) paid")
  }

  @Test("readers that were evicted, and are told nothing, cost nobody anything")
  func evictedCrowd() throws {
    var world = try Self.world()
    for number in 0..<40 {
      let agent = world.agent("crowd.\(number)", uid: Self.crowd)
      world.subscribe(agent, "a", mode: .lossy)
    }
    let feed = world.agent("feed")
    let stream = world.publish(feed, "feed", "a")
    for attachment in world.attachments {
      world.say(feed, .evict(EvictFrame(attachment: attachment, reason: "slow")))
    }
    _ = world.router.drainEffort()
    let next = world.addLog(feed, "feed", "a", stream: stream, generation: 1, base: 64)
    #expect(kinds(next.answers) == [.logAdded])
    #expect(world.router.drainEffort() < 10)
  }

  @Test("a list costs what is looked at for it, though it names nothing")
  func lists() throws {
    var world = try Self.world()
    let feed = world.agent("feed")
    for channel in 0..<100 { _ = world.publish(feed, "feed", "c\(channel)") }
    for number in 0..<40 {
      let agent = world.agent("crowd.\(number)", uid: Self.crowd)
      world.subscribe(agent, ">", mode: .lossy)
    }
    #expect(world.router.attachmentCount >= 1900)
    let asker = world.agent("asker", uid: Self.honest)
    _ = world.router.drainEffort()
    world.getsOn = false
    #expect(world.ask(asker, .query(QueryFrame(subject: .attachments))).isEmpty)
    #expect(world.router.drainEffort() >= 16)
  }

  @Test("of agents that may not read a channel no subscription is looked at for a log on it")
  func judged() throws {
    var policy = Policy()
    try policy.add(AgentRule.everything(">", users: [Self.honest]))
    var rule = AgentRule(name: try TopicPattern("crowd.*"), users: [Self.crowd])
    rule.read = [Grant(channel: try Topic("b"))]
    try policy.add(rule)
    var world = RouterHarness(policy: policy, uid: 1)
    world.happen(.tick(nowNs: 1))
    for agent in (0..<4).map({ world.agent("crowd.\($0)", uid: Self.crowd) }) {
      for number in 0..<100 as Range<UInt32> {
        world.subscribe(agent, ">", number: number, mode: .lossy)
      }
    }
    let feed = world.agent("feed", uid: Self.honest)
    _ = world.router.drainEffort()
    _ = world.publish(feed, "feed", "a")
    #expect(world.router.attachmentCount == 0)
    #expect(world.router.drainEffort() < 10)
  }

  @Test("the end of a stream costs what its readings are, also of those that are told nothing")
  func endOfCrowded() throws {
    var world = try Self.world()
    let readers = (0..<8).map { world.agent("crowd.\($0)", uid: Self.crowd) }
    for reader in readers {
      for number in 0..<64 as Range<UInt32> {
        world.subscribe(reader, "a", number: number, mode: .lossy)
      }
    }
    let feed = world.agent("feed", uid: Self.honest)
    let stream = world.publish(feed, "feed", "a")
    for attachment in world.attachments {
      world.say(feed, .evict(EvictFrame(attachment: attachment, reason: "slow")))
    }
    #expect(world.router.attachmentCount == 8 * 64)
    _ = world.router.drainEffort()
    world.say(feed, .closeStream(CloseStreamFrame(stream: stream)))
    #expect(world.router.drainEffort() >= 8 + 16)
  }

  @Test("the end of an agent costs what it read, though nobody is told")
  func ends() throws {
    var world = try Self.world()
    let feed = world.agent("feed")
    for channel in 0..<100 { _ = world.publish(feed, "feed", "c\(channel)") }
    let reader = world.agent("reader", uid: Self.honest)
    world.subscribe(reader, ">", mode: .lossy)
    let readings = world.router.attachmentCount
    _ = world.router.drainEffort()
    world.happen(.disconnected(reader))
    #expect(readings >= 90 && world.router.drainEffort() >= readings)
  }

  @Test("so many readers are offered in a tick what they missed, and all in their turn")
  func offers() throws {
    var limits = RouterLimits()
    limits.attachmentsPerAgent = 2
    var world = try Self.world(limits)
    let feed = world.agent("feed")
    let first = world.publish(feed, "feed", "a0")
    for channel in 1..<4 { _ = world.publish(feed, "feed", "a\(channel)") }
    let readers = (0..<400).map { world.agent("reader.\($0)") }
    for reader in readers {
      world.subscribe(reader, "b", mode: .lossy)
      world.subscribe(reader, "b", number: 2, mode: .lossy)
    }
    let other = world.agent("other")
    let streams = (0..<3).map { _ in world.publish(other, "other", "b") }
    #expect(readers.allSatisfy { !world.missed(by: $0).isEmpty })
    world.say(feed, .closeStream(CloseStreamFrame(stream: first)))
    for reader in readers {
      for announce in world.announces(to: reader) where announce.stream == streams[0] {
        world.say(reader, .detach(DetachFrame(attachment: announce.attachment)))
      }
    }
    func given() -> Int { readers.count { world.announces(to: $0).count > 2 } }
    let before = given()
    world.happen(.tick(nowNs: 2_000_000_000))
    let once = given() - before
    #expect(once > 0 && once < 256, "a reading takes more than an action")
    for round in 3...12 as ClosedRange<UInt64> { world.happen(.tick(nowNs: round * 1_000_000_000)) }
    #expect(given() == readers.count)
  }

  @Test("ended logs that a reader does not let go of count at once towards what it may hold")
  func endedLogs() throws {
    var world = try Self.worldOfSmallAgents()
    let reader = world.agent("reader")
    world.subscribe(reader, "a", mode: .lossy)
    for number in 0..<8 {
      let feed = world.agent("feed.\(number)")
      _ = world.publish(feed, "feed.\(number)", "a")
      world.happen(.disconnected(feed))
    }
    let given = world.announces(to: reader)
    #expect(given.count == 5 && world.missed(by: reader).count == 3)
    #expect(world.missed(by: reader).allSatisfy { $0.text.contains("logs that have ended") })
    for announce in given {
      world.say(reader, .detach(DetachFrame(attachment: announce.attachment)))
    }
    let feed = world.agent("feed")
    _ = world.publish(feed, "feed", "a")
    #expect(world.announces(to: reader).count == 6)
  }

  @Test("an agent holds the bytes of an ended log once, however often it reads it")
  func heldOnce() throws {
    var world = try Self.worldOfSmallAgents()
    let reader = world.agent("reader")
    for number in 0..<10 as Range<UInt32> {
      world.subscribe(reader, "a", number: number, mode: .lossy)
    }
    let feed = world.agent("feed")
    _ = world.publish(feed, "feed", "a")
    world.happen(.disconnected(feed))
    let next = world.agent("next")
    _ = world.publish(next, "next", "a")
    #expect(world.announces(to: reader).count == 20 && world.missed(by: reader).isEmpty)
  }

  @Test("a log for an inbox that has no place for it is refused, and leaves nothing")
  func fullInbox() throws {
    var limits = RouterLimits()
    limits.attachmentsPerAgent = 4
    var world = try Self.world(limits)
    let owner = world.agent("owner")
    let inbox = world.inbox(of: owner)
    world.subscribe(owner, inbox.pattern)
    var refused = 0
    for number in 0..<6 {
      let peer = world.agent("peer.\(number)")
      let answers = world.addLog(peer, "peer.\(number)", inbox.normal).answers
      if errorCode(answers) == .resourceExhausted { refused += 1 }
      #expect(answers.count == 1)
    }
    #expect(refused == 2 && world.router.streamCount == 4 && world.missed(by: owner).isEmpty)
    #expect(world.router.arenaBytesUsed == world.open.values.reduce(0, +))
  }

  @Test(
    "a join that starts where no message of its stream can is refused",
    arguments: [(1 << 40, 0), (32, 0), (0, 1), (.max, .max), (0, .max)] as [(UInt64, UInt64)])
  func absurdJoin(position: UInt64, sequence: UInt64) throws {
    var world = try Self.world()
    let feed = world.agent("feed")
    let reader = world.agent("reader")
    world.subscribe(reader, "a", mode: .lossy)
    let log = world.addLog(feed, "feed", "a")
    world.logs.progress[log.token] = LogProgress(commit: 6400, sequence: 100)
    let announce = try #require(world.announces(to: reader).first)
    world.say(reader, .attach(AttachFrame(attachment: announce.attachment, slot: 1)))
    world.forgetSent()
    let frame = JoinedFrame(
      attachment: announce.attachment, generation: 0, startPosition: position,
      startSequence: sequence, departed: 0)
    #expect(errorCode(world.ask(feed, .joined(frame))) == .invalid)
    #expect(world.frames(to: reader).isEmpty)
  }
}
