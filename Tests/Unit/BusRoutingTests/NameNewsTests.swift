import BusAccess
import BusRouting
import BusWire
import RouterHarness
import Testing

@Suite("Changes of who answers are told in turns")
struct NameNewsTests {
  private static let names = 30
  private static let watchers = 20

  /// An agent that answers many names, and many that watch each of them; nothing goes on by itself.
  private struct World {
    var router: RouterHarness
    let server: ConnectionID
    let watchers: [ConnectionID]

    init(policy: Policy = .sameUser(1000)) {
      var router = RouterHarness(policy: policy)
      let server = router.agent("server")
      for number in 0..<NameNewsTests.names {
        let answer = AnswerFrame(name: "n\(number)", group: .service, answers: true)
        router.ask(server, .answer(answer))
      }
      watchers = (0..<NameNewsTests.watchers).map { number in
        let watcher = router.agent("w\(number)")
        for name in 0..<NameNewsTests.names {
          router.ask(watcher, .resolve(NameFrame(name: "n\(name)", group: .service)))
        }
        return watcher
      }
      router.getsOn = false
      router.forgetSent()
      self.router = router
      self.server = server
    }

    mutating func openInbox() -> [RouterAction] {
      let pattern = router.inbox(of: server).pattern
      let frame = SubscribeFrame(
        subscription: 1, pattern: pattern, mode: .lossless, sleeps: true, epoch: 0)
      return router.happen(.frame(server, request: 9, .subscribe(frame), []))
    }

    mutating func closeInbox() -> [RouterAction] {
      router.say(server, .unsubscribe(UnsubscribeFrame(subscription: 1)))
    }

    /// Lets all of it be told; returns how much was told in each turn.
    mutating func goOn() -> [Int] {
      var turns: [Int] = []
      var actions: [RouterAction]
      repeat {
        actions = router.happen(.nextTurn)
        turns.append(kinds(actions).count { $0 == .responders })
      } while actions.contains(.moreToDo)
      return turns
    }

    /// Who answers each name, as a watcher was told last.
    func told(_ watcher: ConnectionID) -> [String: [String]] {
      var told: [String: [String]] = [:]
      for case .responders(let frame) in router.frames(to: watcher) {
        told[frame.name] = frame.responders.map(\.name)
      }
      return told
    }
  }

  @Test("no turn tells more than 256, and all hear of it in the end")
  func turns() {
    var world = World()
    let first = world.openInbox()
    #expect(kinds(first).count { $0 == .responders } == 256 && first.contains(.moreToDo))
    let later = world.goOn()
    #expect(later == [256, 600 - 2 * 256])
    for watcher in world.watchers {
      let told = world.told(watcher)
      #expect(told.count == Self.names && told.values.allSatisfy { $0 == ["server"] })
      #expect(world.router.frames(to: watcher).count == Self.names, "each name once")
    }
    #expect(world.goOn() == [0])
  }

  @Test("an inbox that opens and closes again and again is told of as it is in the end")
  func coalesced() {
    var world = World()
    var told = 0
    for _ in 0..<50 {
      for actions in [world.openInbox(), world.closeInbox()] {
        told += kinds(actions).count { $0 == .responders }
      }
    }
    // The first turn is at once; the others wait for everybody's.
    #expect(told == 256)
    told += world.goOn().reduce(0, +)
    #expect(told <= 256 + 620, "\(told) frames for a hundred changes")
    for watcher in world.watchers {
      #expect(world.told(watcher).values.allSatisfy { $0 == [] })
      #expect(world.told(watcher).count == Self.names)
    }
    _ = world.openInbox()
    _ = world.goOn()
    for watcher in world.watchers {
      #expect(world.told(watcher).values.allSatisfy { $0 == ["server"] })
    }
  }

  @Test("an agent with many names that dies, and a watcher that leaves meanwhile")
  func death() {
    var world = World()
    _ = world.openInbox()
    _ = world.goOn()
    let actions = world.router.happen(.disconnected(world.server))
    #expect(kinds(actions).count { $0 == .responders } == 256)
    world.router.happen(.disconnected(world.watchers[19]))
    _ = world.goOn()
    for watcher in world.watchers.dropLast() {
      #expect(world.told(watcher).values.allSatisfy { $0 == [] })
    }
  }

  @Test("what waits of one user keeps no other user's news waiting")
  func users() throws {
    var policy = Policy()
    try policy.add(try .everything(">", users: [1000, 2000]))
    var world = World(policy: policy)
    let other = world.router.agent("other", uid: 2000)
    let friend = world.router.agent("friend", uid: 2000)
    let name = NameFrame(name: "other", group: .service)
    #expect(kinds(world.router.ask(friend, .resolve(name))) == [.responders])
    #expect(world.openInbox().contains(.moreToDo))
    let inbox = world.router.inbox(of: other).pattern
    world.router.subscribe(other, inbox)
    #expect(world.told(friend)["other"] == ["other"])
    #expect(world.goOn().reduce(0, +) == 600 - 256)
  }

  @Test("to say who answers a name costs as much as there are who answer it")
  func crowdedName() {
    var world = RouterHarness()
    let name = NameFrame(name: "work", group: .team)
    let answer = AgentFrame.answer(AnswerFrame(name: "work", group: .team, answers: true))
    let members = (0..<128).map { world.agent("member.\($0)") }
    for member in members { world.ask(member, answer) }
    let asker = world.agent("asker")
    _ = world.router.drainEffort()
    for _ in 0..<4 { world.ask(asker, .resolve(name)) }
    #expect(world.router.drainEffort() >= 4 * 8)
  }

  @Test("an agent takes messages from its subscription to its inbox on, until it takes that back")
  func inboxComesAndGoes() {
    var world = RouterHarness()
    let asker = world.agent("asker")
    let server = world.agent("server")
    let pattern = world.inbox(of: server).pattern
    func isThere() -> Bool {
      let frame = NameFrame(name: "server", group: .service)
      return world.ask(asker, .resolve(frame)).contains { answer in
        guard case .responders(let list) = answer else { return false }
        return list.responders.map(\.name) == ["server"]
      }
    }
    #expect(!isThere())
    world.subscribe(server, "a", number: 1, mode: .lossy)
    world.subscribe(server, pattern, number: 2)
    let here = isThere()
    world.say(server, .unsubscribe(UnsubscribeFrame(subscription: 1)))
    let still = isThere()
    world.say(server, .unsubscribe(UnsubscribeFrame(subscription: 2)))
    #expect(here && still && !isThere())
    world.subscribe(server, pattern, number: 3)
    let again = isThere()
    world.happen(.disconnected(server))
    #expect(again && !isThere())
  }

  @Test("lists that were told while agents came back are told again in turns, and all of them")
  func provisional() {
    var router = RouterHarness(former: .killed)
    router.happen(.tick(nowNs: 1))
    let asker = router.agent("asker")
    for number in 0..<600 {
      router.ask(asker, .resolve(NameFrame(name: "n\(number)", group: .service)))
    }
    router.forgetSent()
    router.getsOn = false
    var actions = router.happen(.tick(nowNs: 1 + router.router.limits.graceNs))
    var turns = [kinds(actions).count { $0 == .responders }]
    while actions.contains(.moreToDo) {
      actions = router.happen(.nextTurn)
      turns.append(kinds(actions).count { $0 == .responders })
    }
    #expect(turns.reduce(0, +) == 600 && turns.allSatisfy { $0 <= 256 }, "\(turns)")
    let told = router.frames(to: asker).compactMap { frame in
      if case .responders(let found) = frame { found } else { nil }
    }
    #expect(Set(told.map(\.name)).count == 600 && told.allSatisfy { !$0.isProvisional })
  }

  @Test("names that are asked for and forgotten while agents come back are not kept")
  func forgotten() {
    var router = RouterHarness(former: .killed)
    router.happen(.tick(nowNs: 1))
    let asker = router.agent("asker")
    for number in 0..<600 {
      let name = NameFrame(name: "n\(number)", group: .service)
      router.ask(asker, .resolve(name))
      router.say(asker, .forget(name))
    }
    router.getsOn = false
    let actions = router.happen(.tick(nowNs: 1 + router.router.limits.graceNs))
    #expect(!actions.contains(.moreToDo))
  }

  @Test("a name that another agent bears now is given back to who answered it before a restart")
  func givenBack() throws {
    let before = try ReattachTests.former()
    var router = ReattachTests.later()
    let target = router.agent("target")
    router.subscribe(target, router.inbox(of: target).pattern)
    let server = ReattachTests.reattach(before.reader, &router).connection
    let name = AnswerFrame(name: "target", group: .service, answers: true)
    #expect(kinds(router.ask(server, .answer(name))) == [.done])
    let inbox = InboxChannel.pattern(of: before.reader.incarnation)
    ReattachTests.restoreSubscription(inbox, server, &router)
    #expect(router.ask(server, .restoreDone) == [.done])
    ReattachTests.endGrace(&router)
    let asker = router.agent("asker")
    func told() -> [String] {
      for case .responders(let found) in router.frames(to: asker).reversed() {
        return found.responders.map(\.name)
      }
      return []
    }
    router.ask(asker, .resolve(NameFrame(name: "target", group: .service)))
    #expect(told() == ["target"], "its own name is its own")
    router.happen(.disconnected(target))
    #expect(told() == ["reader"])
    // Nobody takes it anew while it lives.
    let another = router.agent("target")
    #expect(errorCode(router.ask(asker, .answer(name))) == .nameInUse)
    router.happen(.disconnected(another))
  }
}
