import BusAccess
import BusPorts
import BusRouting
import BusWire
import RouterHarness
import Testing

@Suite("Inboxes: logs for one incarnation")
struct InboxTests {
  /// `caller` may call what lies in `math`, and `adder` answers it; `stranger` may do nothing.
  private static func policy() throws -> Policy {
    var policy = Policy()
    var caller = AgentRule(name: try TopicPattern("caller"), users: [1000])
    caller.call = [try TopicPattern("math.>")]
    try policy.add(caller)
    var adder = AgentRule(name: try TopicPattern("adder"), users: [1000])
    adder.answer = [try TopicPattern("math.>")]
    try policy.add(adder)
    try policy.add(AgentRule(name: try TopicPattern("stranger"), users: [1000]))
    return policy
  }

  @Test("nobody reads another's inbox, nor its own twice, nor with loss")
  func whoReads() {
    var world = RouterHarness()
    let owner = world.agent("owner")
    let other = world.agent("other")
    let inbox = world.inbox(of: owner)
    #expect(errorCode(world.subscribe(other, inbox.pattern)) == .denied)
    #expect(errorCode(world.subscribe(owner, inbox.pattern, mode: .lossy)) == .invalid)
    #expect(kinds(world.subscribe(owner, inbox.pattern)) == [.subscribed])
    #expect(errorCode(world.subscribe(owner, inbox.pattern, number: 2)) == .invalid)
  }

  @Test("a log in an inbox is announced to its owner alone, whatever others subscribe to")
  func whoHears() throws {
    var world = RouterHarness()
    let owner = world.agent("owner")
    let curious = world.agent("curious")
    let writer = world.agent("writer")
    let inbox = world.inbox(of: owner)
    world.subscribe(owner, inbox.pattern)
    world.subscribe(curious, ">")
    #expect(errorCode(world.subscribe(curious, "bcs.>", number: 2)) == .denied)
    _ = world.publish(writer, "writer", inbox.normal)
    _ = world.publish(writer, "writer", inbox.urgent)
    #expect(world.announces(to: owner).map(\.channel) == [inbox.normal, inbox.urgent])
    #expect(world.announces(to: curious).isEmpty)
  }

  @Test("a log for an incarnation that ended, or that takes no messages, is refused and closed")
  func nobodyThere() {
    var world = RouterHarness()
    let owner = world.agent("owner")
    let writer = world.agent("writer")
    let inbox = world.inbox(of: owner)
    let held = world.open.count
    #expect(errorCode(world.addLog(writer, "writer", inbox.normal).answers) == .peerDied)
    world.subscribe(owner, inbox.pattern)
    world.happen(.disconnected(owner))
    #expect(errorCode(world.addLog(writer, "writer", inbox.normal).answers) == .peerDied)
    let successor = world.agent("owner")
    world.subscribe(successor, world.inbox(of: successor).pattern)
    #expect(errorCode(world.addLog(writer, "writer", inbox.normal).answers) == .peerDied)
    #expect(world.open.count == held && world.router.streamCount == 0)
  }

  @Test("the router lets go of a log once its one reader has it, and still charges for it")
  func letGo() throws {
    var world = RouterHarness()
    let owner = world.agent("owner")
    let writer = world.agent("writer")
    let inbox = world.inbox(of: owner)
    world.subscribe(owner, inbox.pattern)
    let (_, token) = world.addLog(writer, "writer", inbox.normal)
    let heard = try #require(world.announces(to: owner).first)
    let charged = world.router.arenaBytesUsed
    #expect(world.open[token] != nil)
    world.join(owner, heard, publisher: writer)
    #expect(world.open[token] == nil)
    #expect(world.router.arenaBytesUsed == charged)
    world.happen(.disconnected(writer))
    world.say(owner, .detach(DetachFrame(attachment: heard.attachment)))
    #expect(world.router.streamCount == 0)
    #expect(world.router.arenaBytesUsed == world.open.values.reduce(0, +))
  }

  @Test("a topic's log stays with the router, which hands it to whoever comes later")
  func topicsAreKept() throws {
    var world = RouterHarness()
    let reader = world.agent("reader")
    let writer = world.agent("writer")
    world.subscribe(reader, "a")
    let (_, token) = world.addLog(writer, "writer", "a")
    world.join(reader, try #require(world.announces(to: reader).first), publisher: writer)
    #expect(world.open[token] != nil)
  }

  @Test("who may not call anything of an agent has no log to it; who is asked may answer")
  func rights() throws {
    var world = RouterHarness(policy: try Self.policy())
    let caller = world.agent("caller")
    let adder = world.agent("adder")
    let stranger = world.agent("stranger")
    for agent in [caller, adder, stranger] {
      world.subscribe(agent, world.inbox(of: agent).pattern)
    }
    let toAdder = world.inbox(of: adder).normal
    let toCaller = world.inbox(of: caller).normal
    // It answers nothing yet that the caller may call.
    #expect(errorCode(world.addLog(caller, "caller", toAdder).answers) == .denied)
    #expect(world.answer(adder, "math.add") == [.done])
    #expect(errorCode(world.addLog(stranger, "stranger", toAdder).answers) == .denied)
    // Before it is asked the responder has nothing to say to the caller.
    #expect(errorCode(world.addLog(adder, "adder", toCaller).answers) == .denied)
    _ = world.publish(caller, "caller", toAdder)
    _ = world.publish(adder, "adder", toCaller)
    #expect(world.announces(to: adder).map(\.mayCall) == [["math.>"]])
    // What the answering log may ask for: nothing.
    #expect(world.announces(to: caller).map(\.mayCall) == [[]])
  }
}

@Suite("Names that agents answer to")
struct ServiceNameTests {
  @Test("who asked is told who answers, and of each change until it leaves")
  func changes() {
    var world = RouterHarness()
    let asker = world.agent("asker")
    let first = world.receiver("first")
    let second = world.receiver("second")
    #expect(world.resolve(asker, "sum") == [])
    #expect(world.answer(first, "sum") == [.done])
    #expect(world.told(asker) == ["first"])
    #expect(world.answer(second, "sum") == [.done])
    #expect(world.told(asker) == ["first", "second"])
    #expect(world.answer(first, "sum", false) == [.done])
    #expect(world.told(asker) == ["second"])
    world.happen(.disconnected(second))
    #expect(world.told(asker) == [])
    world.happen(.disconnected(asker))
    world.forgetSent()
    #expect(world.answer(first, "sum") == [.done])
    #expect(world.frames(to: asker).isEmpty)
  }

  @Test("whoever says again that it answers, or does not, has nobody told")
  func saidAgain() {
    var world = RouterHarness()
    let asker = world.agent("asker")
    let server = world.agent("server")
    world.subscribe(server, world.inbox(of: server).pattern)
    _ = world.resolve(asker, "add")
    for answers in [true, false] {
      #expect(kinds(world.answer(server, "add", answers)) == [.done])
      #expect(world.told(asker) == (answers ? ["server"] : []))
      world.forgetSent()
      for _ in 0..<3 { #expect(kinds(world.answer(server, "add", answers)) == [.done]) }
      #expect(world.frames(to: asker).isEmpty)
    }
  }

  @Test("an agent without an inbox is named to nobody until it opens one")
  func withoutInbox() {
    var world = RouterHarness()
    let asker = world.agent("asker")
    let shy = world.agent("shy")
    #expect(world.answer(shy, "sum") == [.done])
    #expect(world.resolve(asker, "sum") == [] && world.resolve(asker, "shy") == [])
    world.subscribe(shy, world.inbox(of: shy).pattern)
    #expect(world.told(asker) == ["shy"])
    #expect(world.resolve(asker, "shy") == ["shy"])
  }

  @Test("an agent's name is answered by it alone: nobody takes it, and it wins over who had it")
  func ownNames() {
    var world = RouterHarness()
    let asker = world.agent("asker")
    let early = world.receiver("early")
    #expect(world.answer(early, "target") == [.done])
    #expect(world.resolve(asker, "target") == ["early"])
    let target = world.receiver("target")
    #expect(world.told(asker) == ["target"])
    #expect(errorCode(world.answer(world.receiver("late"), "target")) == .nameInUse)
    #expect(world.answer(target, "target") == [.done])
    world.happen(.disconnected(target))
    #expect(world.told(asker) == ["early"])
  }

  @Test("a name is told as it is when an agent that bears it and takes no messages comes and goes")
  func ownNameWithoutInbox() {
    var world = RouterHarness()
    let asker = world.agent("asker")
    let early = world.receiver("early")
    #expect(world.answer(early, "target") == [.done])
    #expect(world.resolve(asker, "target") == ["early"])
    let target = world.agent("target")
    #expect(world.told(asker) == [])
    world.happen(.disconnected(target))
    #expect(world.told(asker) == ["early"])
  }

  @Test("teams and services of one name are two things")
  func groups() {
    var world = RouterHarness()
    let asker = world.agent("asker")
    let member = world.receiver("member")
    #expect(world.answer(member, "review", group: .team) == [.done])
    #expect(world.resolve(asker, "review") == [])
    #expect(world.resolve(asker, "review", group: .team) == ["member"])
  }

  @Test("more names than allowed, and names that are none, are refused with a reason")
  func limits() {
    var limits = RouterLimits()
    limits.answersPerAgent = 2
    limits.interestsPerAgent = 2
    var world = RouterHarness(limits: limits)
    let agent = world.receiver("agent")
    #expect(world.answer(agent, "a") == [.done] && world.answer(agent, "b") == [.done])
    #expect(errorCode(world.answer(agent, "c")) == .resourceExhausted)
    #expect(world.answer(agent, "a") == [.done])
    #expect(world.answer(agent, "a", false) == [.done])
    #expect(world.answer(agent, "c") == [.done])
    _ = (world.resolve(agent, "a"), world.resolve(agent, "b"))
    let frame = NameFrame(name: "c", group: .service)
    #expect(errorCode(world.ask(agent, .resolve(frame))) == .resourceExhausted)
    for bad in ["", "a..b", "*", ">", "a b"] {
      #expect(errorCode(world.answer(agent, bad)) == .invalid, "\(bad)")
      let frame = NameFrame(name: bad, group: .service)
      #expect(errorCode(world.ask(agent, .resolve(frame))) == .invalid, "\(bad)")
    }
  }

  @Test("a name that is forgotten gives its place back, and nothing more is told of it")
  func forgetting() {
    var limits = RouterLimits()
    limits.interestsPerAgent = 2
    var world = RouterHarness(limits: limits)
    let asker = world.agent("asker")
    for number in 0..<50 {
      #expect(world.resolve(asker, "cli-\(number)") == [])
      #expect(world.say(asker, .forget(NameFrame(name: "cli-\(number)", group: .team))) == [])
      #expect(world.say(asker, .forget(NameFrame(name: "cli-\(number)", group: .service))) == [])
    }
    world.forgetSent()
    _ = world.answer(world.receiver("r"), "cli-7")
    world.happen(.drained(asker))
    #expect(!kinds(world.frames(to: asker)).contains(.responders))
    #expect(world.resolve(asker, "cli-7") == ["r"])
    let bad = NameFrame(name: "a b", group: .service)
    #expect(errorCode(world.ask(asker, .forget(bad))) == .invalid)
  }

  @Test("the policy decides who answers and who asks")
  func rights() throws {
    var policy = Policy()
    var adder = AgentRule(name: try TopicPattern("adder"), users: [1000])
    adder.answer = [try TopicPattern("math.>")]
    try policy.add(adder)
    var world = RouterHarness(policy: policy)
    let agent = world.receiver("adder")
    #expect(world.answer(agent, "math.add") == [.done])
    #expect(errorCode(world.answer(agent, "other")) == .denied)
    let frame = NameFrame(name: "math.add", group: .service)
    #expect(errorCode(world.ask(agent, .resolve(frame))) == .denied)
  }

  @Test("more responders than a frame holds are named in several, of which the answer is the last")
  func many() {
    var world = RouterHarness()
    let asker = world.agent("asker")
    let most = RespondersFrame.respondersMax
    let members = (0..<2 * most).map { world.receiver("r\($0)") }
    for member in members { _ = world.answer(member, "sum") }
    func parts() -> [RespondersFrame] {
      world.frames(to: asker).compactMap { frame in
        if case .responders(let part) = frame { part } else { nil }
      }
    }
    #expect(world.resolve(asker, "sum").count == most)
    #expect(parts().map(\.before) == [0, UInt16(most)])
    #expect(parts().allSatisfy { $0.total == UInt16(2 * most) })
    #expect(Set(parts().flatMap(\.responders).map(\.name)).count == 2 * most)
    // One more is told as a list of three frames, and so is all of it in a snapshot.
    for event in [RouterEvent?.none, .drained(asker)] {
      world.forgetSent()
      if let event { world.happen(event) } else { _ = world.answer(world.receiver("late"), "sum") }
      #expect(parts().map(\.before) == [0, UInt16(most), UInt16(2 * most)])
      #expect(parts().last?.responders.map(\.name) == ["late"])
    }
    for member in members { world.happen(.disconnected(member)) }
    #expect(parts().last?.responders.map(\.name) == ["late"])
    #expect(parts().last?.before == 0 && parts().last?.total == 1)
  }
}

extension RouterHarness {
  /// The channels of an agent's inbox, and the pattern that reads both.
  func inbox(of agent: ConnectionID) -> (normal: String, urgent: String, pattern: String) {
    let owner = incarnations[agent] ?? Incarnation(0)
    return (
      InboxChannel(owner: owner, lane: .normal).name,
      InboxChannel(owner: owner, lane: .urgent).name, InboxChannel.pattern(of: owner)
    )
  }

  /// Registers an agent that takes messages.
  fileprivate mutating func receiver(_ name: String) -> ConnectionID {
    let agent = agent(name)
    subscribe(agent, inbox(of: agent).pattern)
    return agent
  }

  /// Lets an announced reader in.
  fileprivate mutating func join(
    _ reader: ConnectionID, _ heard: AnnounceFrame, publisher: ConnectionID
  ) {
    say(reader, .attach(AttachFrame(attachment: heard.attachment, slot: 1)))
    let joined = JoinedFrame(
      attachment: heard.attachment, generation: 0, startPosition: 0, startSequence: 0, departed: 0)
    say(publisher, .joined(joined))
  }

  fileprivate mutating func answer(
    _ agent: ConnectionID, _ name: String, _ answers: Bool = true, group: ServiceGroup = .service
  ) -> [RouterFrame] {
    ask(agent, .answer(AnswerFrame(name: name, group: group, answers: answers)))
  }

  /// Who answers a name, as the router answers.
  fileprivate mutating func resolve(
    _ agent: ConnectionID, _ name: String, group: ServiceGroup = .service
  ) -> [String] {
    for case .responders(let frame) in ask(agent, .resolve(NameFrame(name: name, group: group))) {
      return frame.responders.map(\.name)
    }
    Issue.record("no answer for \(name)")
    return []
  }

  /// Who answers, as the agent was told last.
  fileprivate func told(_ agent: ConnectionID) -> [String] {
    for case .responders(let frame) in frames(to: agent).reversed() {
      return frame.responders.map(\.name)
    }
    return []
  }
}
