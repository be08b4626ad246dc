import BusRouting
import BusWire
import RouterHarness
import Testing

/// What is read again after a restart is within the limits of what is read anew, whoever confirms
/// it.
@Suite("Limits of what comes back")
struct ReattachLimitTests {
  private static let (honest, crowd) = (1000 as UInt32, 1001 as UInt32)

  private static func count(
    _ kind: ControlKind, _ connections: [ConnectionID], _ world: RouterHarness
  ) -> Int {
    connections.reduce(0) { $0 + kinds(world.frames(to: $1)).count { $0 == kind } }
  }

  @Test("agents of one user read no more than its share, and others find theirs")
  func shares() throws {
    var limits = RouterLimits()
    limits.attachments = 8
    let others = try ReturningCrowd(readers: 2, streams: 3)
    let before = try ReattachTests.former()
    var world = try ReturningCrowd.world(limits, users: [Self.honest, Self.crowd])
    let readers = (0..<2).map { number in
      others.readerReturns(number, streams: 0..<3, uid: Self.crowd, &world)
    }
    let publisher = others.publisherReturns(uid: Self.crowd, &world)
    let feed = ReattachTests.feedReturns(before, &world)
    let reader = ReattachTests.readerReturns(before, &world)
    ReattachTests.endGrace(&world)
    #expect(Self.count(.evicted, readers, world) == 2)
    #expect(Self.count(.leave, [publisher], world) == 2)
    #expect(Self.count(.evicted, [reader], world) + Self.count(.leave, [feed], world) == 0)
    #expect(world.router.attachmentCount == 5)
    #expect(world.announces(to: reader).contains { $0.attachment == before.attachment })
    // All that is counted is given back, so that there is room for as much again.
    for connection in readers + [publisher] { world.happen(.disconnected(connection)) }
    let other = world.agent("crowd.other", uid: Self.crowd)
    for number in 1...4 as ClosedRange<UInt32> {
      world.subscribe(other, "a", number: number, mode: .lossy)
    }
    #expect(world.announces(to: other).count == 4)
  }

  @Test("claims that are dropped before the grace is over count no more", arguments: [0, 1, 2])
  func givenBack(way: Int) throws {
    var limits = RouterLimits()
    limits.attachments = 8
    let others = try ReturningCrowd(readers: 2, streams: 1)
    let before = try ReattachTests.former()
    var world = try ReturningCrowd.world(limits, users: [Self.honest, Self.crowd])
    _ = ReattachTests.feedReturns(before, &world)
    let reader = others.readerReturns(0, streams: 0..<6, uid: Self.crowd, &world)
    #expect(Self.count(.evicted, [reader], world) == 2)
    switch way {
    case 0: world.happen(.disconnected(reader))
    case 1: world.say(reader, .unsubscribe(UnsubscribeFrame(subscription: 1)))
    default:
      for place in 0..<6 {
        let number = ReturningCrowd.number(0, place)
        world.say(reader, .detach(DetachFrame(attachment: number)))
      }
    }
    let other = others.readerReturns(1, streams: 0..<4, uid: Self.crowd, &world)
    #expect(Self.count(.evicted, [other], world) == 0)
  }

  @Test("what is handed in and dropped again counts until the grace is over, whatever drops it")
  func droppedClaims() throws {
    var limits = RouterLimits()
    limits.attachmentsPerAgent = 8
    let crowd = try ReturningCrowd(readers: 1, streams: 1)
    var world = try ReturningCrowd.world(limits, users: [Self.crowd])
    let (reader, _) = ReattachTests.reattach(crowd.readers[0], &world, uid: Self.crowd)
    for round in 0..<3 {
      ReattachTests.restoreSubscription(">", reader, &world)
      for place in 1...6 { world.say(reader, .restoreAttachment(crowd.claim(0, place, 1))) }
      guard round < 2 else { continue }
      world.say(reader, .unsubscribe(UnsubscribeFrame(subscription: 1)))
    }
    #expect(world.ask(reader, .restoreDone) == [.done])
    ReattachTests.endGrace(&world)
    #expect(Self.count(.streamEnded, [reader], world) == 0, "six, then two, then none")
  }

  @Test("an agent reads a stream as often as it may, though more is confirmed")
  func readingsOfAStream() throws {
    var limits = RouterLimits()
    limits.readingsPerStreamAndAgent = 2
    let crowd = try ReturningCrowd(readers: 1, streams: 1)
    var world = try ReturningCrowd.world(limits, users: [Self.crowd])
    let reader = crowd.readerReturns(
      0, streams: 0..<1, subscriptions: 4, uid: Self.crowd, &world)
    let publisher = crowd.publisherReturns(subscriptions: 4, uid: Self.crowd, &world)
    ReattachTests.endGrace(&world)
    #expect(world.router.attachmentCount == 2)
    #expect(Self.count(.evicted, [reader], world) == 2)
    #expect(Self.count(.leave, [publisher], world) == 2)
  }

  @Test("a stream has as many readers as it may, though its publisher confirms more")
  func readersOfAStream() throws {
    var limits = RouterLimits()
    limits.readersPerStream = 2
    let crowd = try ReturningCrowd(readers: 3, streams: 1)
    // Agents of the router's own user, which has no share.
    var world = try ReturningCrowd.world(limits, users: [1])
    let readers = (0..<3).map { number in
      crowd.readerReturns(number, streams: 0..<1, uid: 1, &world)
    }
    let publisher = crowd.publisherReturns(uid: 1, &world)
    ReattachTests.endGrace(&world)
    #expect(world.router.attachmentCount == 2)
    #expect(Self.count(.evicted, readers, world) == 1)
    #expect(Self.count(.leave, [publisher], world) == 1)
  }

  @Test("what a reader had keeps its places, whatever it subscribes to meanwhile")
  func places() throws {
    var limits = RouterLimits()
    limits.attachmentsPerAgent = 3
    let crowd = try ReturningCrowd(readers: 1, streams: 2)
    var world = try ReturningCrowd.world(limits, users: [Self.crowd])
    _ = crowd.publisherReturns(uid: Self.crowd, &world)
    let reader = crowd.readerReturns(0, streams: 0..<2, uid: Self.crowd, &world)
    #expect(kinds(world.subscribe(reader, ">", number: 2)) == [.subscribed])
    #expect(world.missed(by: reader).count == 1)
    ReattachTests.endGrace(&world)
    #expect(world.router.attachmentCount == 3)
    #expect(Self.count(.evicted, [reader], world) == 0)
  }
}
