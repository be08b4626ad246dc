import BusAccess
import BusPorts
import BusRouting
import BusWire
import RouterHarness
import Testing

/// What is left to do for each stream when agents have come back, thousands of them maybe.
@Suite("Streams that are settled after a grace")
struct SettlingTests {
  private static let (honest, crowd) = (1000 as UInt32, 1001 as UInt32)

  /// A world in which agents may still come back: 100 readers of everything, 50 streams of their
  /// user that wait for them, and last one of another user.
  private struct World {
    var router: RouterHarness
    var publishers: [ConnectionID] = []
    let feed: ConnectionID

    init(_ former: FormerRouter) throws {
      var policy = Policy()
      try policy.add(AgentRule.everything(">", users: [honest, crowd]))
      var router = RouterHarness(policy: policy, former: former, uid: 1)
      router.happen(.tick(nowNs: 1))
      for number in 0..<100 {
        let agent = router.agent("crowd.\(number)", uid: crowd)
        router.subscribe(agent, ">", mode: .lossy)
      }
      for number in 0..<5 {
        let publisher = router.agent("feed.\(number)", uid: crowd)
        for channel in 0..<10 {
          #expect(router.addLog(publisher, "feed.\(number)", "c\(channel)").answers.isEmpty)
        }
        publishers.append(publisher)
      }
      feed = router.agent("feed", uid: honest)
      #expect(router.addLog(feed, "feed", "a").answers.isEmpty)
      router.getsOn = false
      _ = router.router.drainEffort()
      self.router = router
    }

    /// How many requests of a connection are answered with a stream.
    func begun(_ connection: ConnectionID) -> Int {
      (router.sent[connection] ?? []).count { $0.isAnswer && $0.frame.kind == .logAdded }
    }
  }

  @Test(
    "no turn does more than a connection may and one stream costs, and every user has its turn",
    arguments: [FormerRouter.killed, .stopped])
  func turns(former: FormerRouter) throws {
    var world = try World(former)
    var efforts: [Int] = []
    var event = RouterEvent.tick(nowNs: 1 + world.router.router.limits.graceNs)
    while true {
      let actions = world.router.happen(event)
      efforts.append(actions.count)
      if efforts.count == 1 { #expect(world.begun(world.feed) == 1, "the other user's comes soon") }
      guard actions.contains(.moreToDo) else { break }
      event = .nextTurn
    }
    // One stream: its readers, each told once, and its publisher.
    let most = TurnAccounts.workPerTurn + 110
    #expect(efforts.max() ?? 0 <= most && efforts.count >= 50 * 100 / most, "\(efforts)")
    #expect(world.publishers.map { world.begun($0) } == [10, 10, 10, 10, 10])
    #expect(world.router.router.attachmentCount == 51 * 100)
  }

  @Test("a stream that waits for its turn and ends was never there, and what ends others")
  func ends() throws {
    var world = try World(.killed)
    let end = world.router.happen(.tick(nowNs: 1 + world.router.router.limits.graceNs))
    #expect(end.contains(.moreToDo))
    let before = world.router.router.streamCount
    let waiting = world.publishers.filter { world.begun($0) == 0 }
    let last = try #require(waiting.last)
    world.router.happen(.disconnected(last))
    #expect(world.router.router.streamCount == before - 10)
    while world.router.happen(.nextTurn).contains(.moreToDo) {}
    #expect(world.router.router.streamCount == 41)
    #expect(world.router.router.attachmentCount == 41 * 100)
  }

  @Test("who is owed a snapshot gets it when all is settled, and once")
  func snapshots() throws {
    var world = try World(.killed)
    world.router.happen(.drained(world.publishers[0]))
    var actions = world.router.happen(.tick(nowNs: 1 + world.router.router.limits.graceNs))
    world.router.happen(.drained(world.publishers[1]))
    var brackets: [ConnectionID: Int] = [:]
    while true {
      for case .send(let connection, _, .snapshotBegin, _) in actions {
        brackets[connection, default: 0] += 1
        #expect(world.publishers.map { world.begun($0) } == [10, 10, 10, 10, 10])
      }
      guard actions.contains(.moreToDo) else { break }
      actions = world.router.happen(.nextTurn)
    }
    #expect(brackets == [world.publishers[0]: 1, world.publishers[1]: 1])
  }
}
