import BusAccess
import BusPorts
import BusRouting
import BusWire
import RouterHarness
import Testing

/// What is left to do when agents have come back is done first for whom least was done, however
/// much another user has made of it.
@Suite("Turns of users at the end of a grace")
struct FairTurnTests {
  private static let (honest, crowd) = (1000 as UInt32, 1001 as UInt32)

  /// A router to which agents may come back, and whose agents of the crowd keep to `zz`.
  private static func world() throws -> RouterHarness {
    var policy = Policy()
    try policy.add(AgentRule.everything("honest.>", users: [honest]))
    var own = AgentRule(name: try TopicPattern("crowd.>"), users: [crowd])
    own.read = [try Grant("zz")]
    own.write = [try Grant("zz")]
    own.answer = [try TopicPattern("crowd.>")]
    own.call = [try TopicPattern("crowd.>")]
    try policy.add(own)
    var world = RouterHarness(policy: policy, former: .killed, uid: 1)
    world.happen(.tick(nowNs: 1))
    return world
  }

  /// Ends the grace; the actions of each turn.
  private static func turns(of world: inout RouterHarness) -> [[RouterAction]] {
    world.getsOn = false
    var turns = [world.happen(.tick(nowNs: 1 + world.router.limits.graceNs))]
    while turns.last?.contains(.moreToDo) ?? false { turns.append(world.happen(.nextTurn)) }
    return turns
  }

  /// To whom a frame of this kind was sent, in order.
  private static func receivers(
    of kind: ControlKind, in turns: some Sequence<[RouterAction]>
  ) -> [ConnectionID] {
    turns.joined().compactMap { action in
      guard case .send(let connection, _, let frame, _) = action, frame.kind == kind else {
        return nil
      }
      return connection
    }
  }

  @Test("twenty cheap streams are settled before the second dear one of another user")
  func streams() throws {
    var world = try Self.world()
    for number in 0..<100 {
      let reader = world.agent("crowd.r\(number)", uid: Self.crowd)
      world.subscribe(reader, "zz", mode: .lossy)
    }
    let dear = (0..<5).map { world.agent("crowd.p\($0)", uid: Self.crowd) }
    for (number, agent) in dear.enumerated() { world.addLog(agent, "crowd.p\(number)", "zz") }
    let cheap = (0..<20).map { world.agent("honest.p\($0)", uid: Self.honest) }
    for (number, agent) in cheap.enumerated() { world.addLog(agent, "honest.p\(number)", "hh") }
    let order = Self.receivers(of: .logAdded, in: Self.turns(of: &world))
    #expect(order.count == 25)
    let last = try #require(order.lastIndex { cheap.contains($0) })
    #expect(order[...last].count { dear.contains($0) } <= 1)
  }

  @Test("a small snapshot comes before the second large one of another user")
  func snapshots() throws {
    var world = try Self.world()
    let feeds = (0..<30).map { world.agent("crowd.p\($0)", uid: Self.crowd) }
    for (number, agent) in feeds.enumerated() { world.addLog(agent, "crowd.p\(number)", "zz") }
    let large = (0..<5).map { number in
      let reader = world.agent("crowd.r\(number)", uid: Self.crowd)
      world.subscribe(reader, "zz", mode: .lossy)
      return reader
    }
    let small = world.agent("honest.a", uid: Self.honest)
    for connection in large + [small] { world.happen(.drained(connection)) }
    let order = Self.receivers(of: .snapshotBegin, in: Self.turns(of: &world))
    #expect(order.count == 6)
    #expect(try #require(order.firstIndex(of: small)) <= 1)
  }

  @Test("who answers a name is told in the turns of the user whose name it is")
  func names() throws {
    var world = try Self.world()
    let servers = (0..<40).map { world.agent("crowd.s\($0)", uid: Self.crowd) }
    for number in 0..<20 {
      let watcher = world.agent("crowd.w\(number)", uid: Self.crowd)
      for name in servers.indices {
        world.ask(watcher, .resolve(NameFrame(name: "crowd.s\(name)", group: .service)))
      }
    }
    _ = world.agent("honest.z", uid: Self.honest)
    let asker = world.agent("honest.a", uid: Self.honest)
    world.ask(asker, .resolve(NameFrame(name: "honest.z", group: .service)))
    let turns = Self.turns(of: &world)
    #expect(turns.count > 2, "the crowd's take several")
    let told = Self.receivers(of: .responders, in: turns.prefix(2))
    #expect(told.contains(asker))
    #expect(Self.receivers(of: .responders, in: turns).count == 40 * 20 + 1)
  }

  @Test("of an agent without a place for a stream one subscription is looked at, and told")
  func refused() throws {
    var limits = RouterLimits()
    limits.readersPerStream = 8
    var policy = Policy()
    try policy.add(AgentRule.everything(">", users: [Self.honest, Self.crowd]))
    var world = RouterHarness(policy: policy, limits: limits, uid: 1)
    world.happen(.tick(nowNs: 1))
    let readers = (0..<10).map { number in
      let reader = world.agent("crowd.\(number)", uid: Self.crowd)
      for subscription in 0..<100 as Range<UInt32> {
        world.subscribe(reader, "a", number: subscription, mode: .lossy)
      }
      return reader
    }
    let feed = world.agent("honest.feed", uid: Self.honest)
    _ = world.router.drainEffort()
    world.forgetSent()
    _ = world.publish(feed, "honest.feed", "a")
    #expect(readers.allSatisfy { world.missed(by: $0).count == 1 })
    // Four readings, each with what it will say, a word to each agent, and the answer; and what it
    // walks through.
    #expect(world.router.drainEffort() < 4 * 4 + 10 + 40)
  }

  @Test("agents that did not finish handing in end one in a turn, and what that takes is counted")
  func stragglers() throws {
    let crowd = try ReturningCrowd(readers: 41, streams: 20)
    var world = try ReturningCrowd.world(RouterLimits(), users: [Self.crowd])
    for number in 0..<40 {
      _ = crowd.readerReturns(number, streams: 0..<20, uid: Self.crowd, &world)
    }
    let publisher = crowd.publisherReturns(uid: Self.crowd, isDone: false, &world)
    // One more, which waits until what the end of the first has taken is paid.
    let next = ReattachTests.reattach(crowd.readers[40], &world, uid: Self.crowd).connection
    world.forgetSent()
    world.getsOn = false
    _ = world.router.drainEffort()
    var actions = world.happen(.tick(nowNs: 50 + world.router.limits.graceNs))
    var (paused, ended) = (0, false)
    while true {
      if world.dropped.contains(publisher), !ended {
        // As the shell does: the end is part of the turn that caused it.
        ended = true
        actions += world.happen(.disconnected(publisher))
        #expect(kinds(actions).count { $0 == .streamEnded } == 40 * 20)
      } else if ended, actions == [.moreToDo] {
        paused += 1
      } else {
        #expect(actions.count <= TurnAccounts.workPerTurn + 100)
      }
      _ = world.router.drainEffort()
      guard actions.contains(.moreToDo) else { break }
      actions = world.happen(.nextTurn)
    }
    #expect(ended && world.router.streamCount == 20, "their readers still read them")
    #expect(paused >= 2 && world.dropped == [publisher, next])
  }
}
