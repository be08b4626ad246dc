import BusAccess
import BusPorts
import BusRouting
import BusWire
import RouterHarness
import Testing

/// Streams for which a reader has no place: told, kept in mind for each user's, and given later.
@Suite("Missed streams of one user stand in nobody's way")
struct MissedStreamTests {
  private static let (honest, crowd) = (1000 as UInt32, 1001 as UInt32)

  /// A router that belongs to neither of two users.
  private static func world(places: Int, kept: Int = 256) throws -> RouterHarness {
    var policy = Policy()
    try policy.add(AgentRule.everything(">", users: [honest, crowd]))
    var limits = RouterLimits()
    (limits.attachmentsPerAgent, limits.missedKeptPerAgent) = (places, kept)
    var world = RouterHarness(policy: policy, limits: limits, uid: 1)
    world.happen(.tick(nowNs: 1))
    return world
  }

  /// So many agents of the crowd, each with a stream.
  private static func publish(_ count: Int, _ world: inout RouterHarness) -> [ConnectionID] {
    (0..<count).map { number in
      let agent = world.agent("crowd.\(number)", uid: crowd)
      _ = world.publish(agent, "crowd.\(number)", "a")
      return agent
    }
  }

  /// What a snapshot says that an agent misses.
  private static func missed(_ world: inout RouterHarness, by reader: ConnectionID) -> [String] {
    world.forgetSent()
    world.happen(.drained(reader))
    return world.missed(by: reader).map(\.publisherName).filter { !$0.isEmpty }
  }

  @Test("who subscribes late has places for others, however many streams one user has")
  func subscribesLate() throws {
    var world = try Self.world(places: 20)
    _ = Self.publish(40, &world)
    let feed = world.agent("feed", uid: Self.honest)
    _ = world.publish(feed, "feed", "a")
    let reader = world.agent("reader", uid: Self.honest)
    #expect(kinds(world.subscribe(reader, "a", mode: .lossy)) == [.subscribed])
    let given = world.announces(to: reader)
    #expect(given.count == 17 && given.last?.publisherName == "feed")
    #expect(world.missed(by: reader).count == 24)
  }

  @Test("what is missed of one user's streams does not drive another's from what is kept in mind")
  func shareOfMemory() throws {
    var world = try Self.world(places: 2, kept: 8)
    let reader = world.agent("reader", uid: Self.honest)
    world.subscribe(reader, "a", mode: .lossy)
    let many = Self.publish(30, &world)
    let feed = world.agent("feed", uid: Self.honest)
    // Its other stream takes the last place, so that this one is missed, too.
    for channel in ["a", "a"] { _ = world.publish(feed, "feed", channel) }
    let missed = Self.missed(&world, by: reader)
    #expect(missed.count { $0 == "feed" } > 0 && missed.count { $0 != "feed" } == 6)
    for agent in many { world.happen(.disconnected(agent)) }
    #expect(Self.missed(&world, by: reader).allSatisfy { $0 == "feed" }, "the others have ended")
    for announce in world.announces(to: reader) where announce.publisherName != "feed" {
      world.say(reader, .detach(DetachFrame(attachment: announce.attachment)))
    }
    world.happen(.tick(nowNs: 2_000_000_000))
    #expect(Self.missed(&world, by: reader).isEmpty)
    #expect(world.announces(to: reader).count { $0.publisherName == "feed" } == 2)
  }

  @Test("of thousands of streams that are missed those that are not kept in mind are told as one")
  func many() throws {
    var world = try Self.world(places: 2, kept: 8)
    let feeds = Self.publish(60, &world)
    let reader = world.agent("reader", uid: Self.honest)
    _ = world.router.drainEffort()
    world.subscribe(reader, "a", mode: .lossy)
    #expect(world.missed(by: reader).map(\.publisherName).suffix(2) == ["crowd.7", ""])
    #expect(world.missed(by: reader).last?.text.contains("not given later") == true)
    #expect(world.router.drainEffort() < feeds.count / 2, "of most of them nobody is told")
    world.forgetSent()
    world.happen(.drained(reader))
    #expect(world.missed(by: reader).last?.publisherName == "")
  }

  @Test("whatever else misses more than is kept in mind is told, and all anew when that is over")
  func toldAgain() throws {
    var world = try Self.world(places: 2, kept: 4)
    let reader = world.agent("reader", uid: Self.honest)
    world.subscribe(reader, "a", mode: .lossy)
    world.subscribe(reader, "*", number: 2, mode: .lossy)
    func overflowing() -> [UInt32] {
      world.missed(by: reader).filter { $0.stream == StreamID(0) }.map(\.subscription)
    }
    let many = Self.publish(12, &world)
    #expect(overflowing() == [1, 2])
    // One that comes later, for what nobody misses so far.
    world.subscribe(reader, "b", number: 3, mode: .lossy)
    _ = world.publish(many[0], "crowd.0", "b")
    #expect(overflowing() == [1, 2, 3])
    _ = world.publish(many[1], "crowd.1", "b")
    #expect(overflowing() == [1, 2, 3])
    for agent in many { world.happen(.disconnected(agent)) }
    for announce in world.announces(to: reader) {
      world.say(reader, .detach(DetachFrame(attachment: announce.attachment)))
    }
    world.happen(.drained(reader))
    #expect(overflowing() == [1, 2, 3], "nothing is missed any more")
    _ = Self.publish(12, &world)
    #expect(overflowing() == [1, 2, 3, 1, 2])
  }

  @Test("a reader has its turn at once, however many of another user wait for what they miss")
  func offered() throws {
    var world = try Self.world(places: 1)
    let blocks = world.agent("blocks", uid: Self.honest)
    let block = world.publish(blocks, "blocks", "a")
    let readers = (0..<400).map { number in
      let reader = world.agent("crowd.\(number)", uid: Self.crowd)
      world.subscribe(reader, "a", mode: .lossy)
      return reader
    }
    let late = world.agent("late", uid: Self.honest)
    world.subscribe(late, "a", mode: .lossy)
    let feed = world.agent("feed", uid: Self.honest)
    let stream = world.publish(feed, "feed", "a")
    world.say(blocks, .closeStream(CloseStreamFrame(stream: block)))
    for reader in readers + [late] {
      for announce in world.announces(to: reader) {
        world.say(reader, .detach(DetachFrame(attachment: announce.attachment)))
      }
    }
    func has(_ reader: ConnectionID) -> Bool {
      world.announces(to: reader).last?.stream == stream
    }
    world.happen(.tick(nowNs: 2_000_000_000))
    #expect(has(late))
    #expect(!readers.allSatisfy(has), "so many in a tick")
    for round in 3...6 as ClosedRange<UInt64> { world.happen(.tick(nowNs: round * 1_000_000_000)) }
    #expect(readers.allSatisfy(has))
  }
}
