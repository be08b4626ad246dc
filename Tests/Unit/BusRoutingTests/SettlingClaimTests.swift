import BusRouting
import BusWire
import RouterHarness
import Testing

/// What returning agents say of streams, thousands of them maybe.
@Suite("Claims that are settled after a grace")
struct SettlingClaimTests {
  private static let user = 1000 as UInt32
  /// What a turn does besides its work: what is logged, and that it goes on.
  private static let most = TurnAccounts.workPerTurn + 10

  /// Ends the grace and gives the router its turns; the actions of each.
  private static func turns(
    of world: inout RouterHarness, first: RouterEvent? = nil
  ) -> [[RouterAction]] {
    world.getsOn = false
    var event = first ?? .tick(nowNs: 50 + world.router.limits.graceNs)
    var turns: [[RouterAction]] = []
    repeat {
      turns.append(world.happen(event))
      event = .nextTurn
    } while turns.last?.contains(.moreToDo) ?? false
    return turns
  }

  @Test("readings of streams that nobody hands in end in turns")
  func lost() throws {
    let crowd = try ReturningCrowd(readers: 10, streams: 1)
    var world = try ReturningCrowd.world(RouterLimits(), users: [Self.user])
    let readers = (0..<10).map { number in
      crowd.readerReturns(
        number, streams: 100 * (number + 1)..<100 * (number + 2), uid: Self.user, &world)
    }
    let turns = Self.turns(of: &world)
    #expect(turns.allSatisfy { $0.count <= Self.most }, "\(turns.map(\.count))")
    for reader in readers {
      #expect(kinds(world.frames(to: reader)).count { $0 == .streamEnded } == 100)
    }
  }

  @Test("readings that are given back are told of in turns, and those that nobody comes back to")
  func matched() throws {
    let crowd = try ReturningCrowd(readers: 20, streams: 50)
    var world = try ReturningCrowd.world(RouterLimits(), users: [Self.user])
    let readers = (0..<10).map { number in
      crowd.readerReturns(number, streams: 0..<50, uid: Self.user, &world)
    }
    let publisher = crowd.publisherReturns(uid: Self.user, &world)
    world.forgetSent()
    let turns = Self.turns(of: &world)
    // One stream: an announce for each reader, and the first tells of each who did not come.
    #expect(turns.allSatisfy { $0.count <= Self.most + 20 }, "\(turns.map(\.count))")
    #expect(turns.count > 2 && world.router.attachmentCount == 500)
    #expect(
      readers.allSatisfy { kinds(world.frames(to: $0)) == .init(repeating: .announce, count: 50) })
    #expect(kinds(world.frames(to: publisher)) == .init(repeating: .agentGone, count: 10))
  }

  @Test("who did not finish handing in is told so in turns, or as soon as it says something")
  func stragglers() throws {
    let crowd = try ReturningCrowd(readers: 300, streams: 1)
    var world = try ReturningCrowd.world(RouterLimits(), users: [Self.user])
    let late = crowd.readers.map { ReattachTests.reattach($0, &world, uid: Self.user).connection }
    world.getsOn = false
    let end = world.happen(.tick(nowNs: 50 + world.router.limits.graceNs))
    #expect(end.count <= Self.most && end.contains(.moreToDo))
    let last = try #require(late.last)
    #expect(!world.dropped.contains(last))
    #expect(world.ask(last, .restoreDone).isEmpty && world.dropped.contains(last))
    let turns = Self.turns(of: &world, first: .nextTurn)
    #expect(turns.allSatisfy { $0.count <= Self.most })
    #expect(world.dropped == Set(late))
    #expect(late.allSatisfy { errorCode(world.frames(to: $0)) == .fenced })
    #expect(late.allSatisfy { kinds(world.frames(to: $0)).count { $0 == .error } == 1 })
  }

  @Test("who reads a publisher that did not finish handing in reads to the end of what there is")
  func cutShort() throws {
    let before = try ReattachTests.former()
    var world = ReattachTests.later()
    let (feed, _) = ReattachTests.reattach(before.feed, &world)
    _ = ReattachTests.restoreLog(before.log, before.stream, before.proof, feed, &world)
    let reader = ReattachTests.readerReturns(before, &world)
    world.forgetSent()
    ReattachTests.endGrace(&world)
    #expect(world.dropped == [feed] && errorCode(world.frames(to: feed)) == .fenced)
    world.happen(.disconnected(feed))
    #expect(kinds(world.frames(to: reader)) == [.announce, .streamEnded])
    world.say(reader, .detach(DetachFrame(attachment: before.attachment)))
    #expect(world.router.streamCount == 0)
  }

  /// What may happen to a reading before its stream had its turn.
  enum Meanwhile: CaseIterable {
    case evicted
    case detached
    case unsubscribed
    case readerDied
    case closed
    case publisherDied
  }

  @Test(
    "what happens to a reading before its turn happens after all", arguments: Meanwhile.allCases)
  func outOfTurn(meanwhile: Meanwhile) throws {
    let crowd = try ReturningCrowd(readers: 1, streams: 1)
    let before = try ReattachTests.former()
    var world = try ReturningCrowd.world(RouterLimits(), users: [Self.user])
    let other = crowd.readerReturns(0, streams: 100..<1000, uid: Self.user, &world)
    let feed = ReattachTests.feedReturns(before, &world)
    let reader = ReattachTests.readerReturns(before, &world)
    world.forgetSent()
    world.getsOn = false
    world.happen(.tick(nowNs: 50 + world.router.limits.graceNs))
    #expect(world.announces(to: reader).isEmpty, "its turn is still to come")
    let number = before.attachment
    switch meanwhile {
    case .evicted: world.say(feed, .evict(EvictFrame(attachment: number, reason: "slow")))
    case .detached: world.say(reader, .detach(DetachFrame(attachment: number)))
    case .unsubscribed: world.say(reader, .unsubscribe(UnsubscribeFrame(subscription: 1)))
    case .readerDied: world.happen(.disconnected(reader))
    case .closed: world.say(feed, .closeStream(CloseStreamFrame(stream: before.stream)))
    case .publisherDied: world.happen(.disconnected(feed))
    }
    _ = Self.turns(of: &world, first: .nextTurn)
    let (toReader, toFeed) = (kinds(world.frames(to: reader)), kinds(world.frames(to: feed)))
    switch meanwhile {
    case .evicted: #expect(toReader == [.announce, .evicted] && toFeed.isEmpty)
    case .detached, .unsubscribed: #expect(toReader.isEmpty && toFeed == [.leave])
    case .readerDied: #expect(toFeed == [.agentGone])
    case .closed, .publisherDied:
      #expect(toReader == [.announce, .streamEnded] && toFeed.isEmpty)
    }
    for connection in [feed, reader, other] { world.happen(.disconnected(connection)) }
    #expect(world.router.streamCount == 0 && world.router.attachmentCount == 0)
  }

  @Test("a publisher that reads itself and ends before its stream's turn leaves nothing")
  func ownReader() throws {
    let crowd = try ReturningCrowd(readers: 1, streams: 1)
    let before = try ReattachTests.former()
    var world = try ReturningCrowd.world(RouterLimits(), users: [Self.user])
    let other = crowd.readerReturns(0, streams: 100..<1000, uid: Self.user, &world)
    let (feed, _) = ReattachTests.reattach(before.feed, &world)
    ReattachTests.restoreSubscription("a", feed, &world)
    _ = ReattachTests.restoreLog(before.log, before.stream, before.proof, feed, &world)
    #expect(world.ask(feed, .restoreDone) == [.done])
    world.getsOn = false
    world.happen(.tick(nowNs: 50 + world.router.limits.graceNs))
    #expect(world.announces(to: feed).isEmpty, "its turn is still to come")
    world.happen(.disconnected(feed))
    _ = Self.turns(of: &world, first: .nextTurn)
    world.happen(.disconnected(other))
    #expect(world.router.streamCount == 0 && world.router.attachmentCount == 0)
    #expect(world.router.arenaBytesUsed == 0 && world.open.isEmpty)
  }
}
