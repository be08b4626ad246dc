import BusAccess
import BusRouting
import BusWire
import RouterHarness
import Testing

@Suite("What the policy gives")
struct RoutingAccessTests {
  private func policy() throws -> Policy {
    var policy = Policy()
    var feed = AgentRule(name: try TopicPattern("feed"), users: [1000])
    feed.write = [try Grant("open"), try Grant("secret")]
    try policy.add(feed)
    var reader = AgentRule(name: try TopicPattern("reader"), users: [2000])
    reader.read = [try Grant("open")]
    try policy.add(reader)
    return policy
  }

  @Test("a wildcard reads the channels one may read, and no other log goes out")
  func narrowed() throws {
    var world = RouterHarness(policy: try policy())
    let feed = world.agent("feed")
    let reader = world.agent("reader", uid: 2000)
    world.subscribe(reader, ">", mode: .lossy)
    _ = world.publish(feed, "feed", "open")
    _ = world.publish(feed, "feed", "secret")
    #expect(world.announces(to: reader).map(\.channel) == ["open"])
    let answer = world.subscribe(reader, "secret.>", number: 2, mode: .lossy)
    #expect(errorCode(answer) == .denied)
    let absent = world.subscribe(reader, "nowhere", number: 3, mode: .lossy)
    #expect(answer == absent)
  }

  @Test("lossless needs the right to hold back, and the refusal names the way out")
  func holdBack() throws {
    var world = RouterHarness(policy: try policy())
    let reader = world.agent("reader", uid: 2000)
    let answer = world.subscribe(reader, "open", mode: .lossless)
    #expect(errorCode(answer) == .denied)
    #expect("\(answer)".contains("lossy"))
    #expect(kinds(world.subscribe(reader, "open", mode: .lossy)) == [.subscribed])
  }

  @Test("nobody publishes where the policy does not say so")
  func write() throws {
    var world = RouterHarness(policy: try policy())
    let feed = world.agent("feed")
    #expect(errorCode(world.addLog(feed, "feed", "other").answers) == .denied)
    #expect(errorCode(world.addLog(feed, "feed", "bcs").answers) == .denied)
    #expect(world.router.streamCount == 0)
  }

  @Test("bcs.broadcast is everybody's, the rest of bcs nobody's, and > never reaches it")
  func reserved() throws {
    var world = RouterHarness()
    let feed = world.agent("feed")
    let reader = world.agent("reader")
    world.subscribe(reader, ">")
    _ = world.publish(feed, "feed", "bcs.broadcast")
    #expect(world.announces(to: reader).isEmpty)
    world.subscribe(reader, "bcs.broadcast", number: 2)
    #expect(world.announces(to: reader).map(\.channel) == ["bcs.broadcast"])
    #expect(errorCode(world.addLog(feed, "feed", "bcs.state").answers) == .denied)
    #expect(errorCode(world.subscribe(reader, "bcs.>", number: 3)) == .denied)
  }

  @Test("queries show everything to the router's user, to others what is theirs")
  func queries() throws {
    var world = RouterHarness(policy: try policy())
    let feed = world.agent("feed")
    _ = world.publish(feed, "feed", "open")
    let reader = world.agent("reader", uid: 2000)
    func rows(_ connection: ConnectionID, _ subject: QuerySubject) -> Int {
      world.ask(connection, .query(QueryFrame(subject: subject))).count { $0.kind == .row }
    }
    #expect(rows(feed, .agents) == 2)
    #expect(rows(reader, .agents) == 1)
    #expect(rows(feed, .streams) == 1)
    #expect(rows(reader, .streams) == 0)
    #expect(rows(feed, .router) == 1)
    let stranger = world.connect(uid: 3000)
    #expect(errorCode(world.ask(stranger, .query(QueryFrame(subject: .agents)))) == .denied)
  }

  @Test("a publisher of another user sees who reads it, and nobody else's readers")
  func publisherSeesItsReaders() throws {
    var policy = Policy()
    var writer = AgentRule(name: try TopicPattern("writer.*"), users: [2000])
    writer.write = [try Grant("open")]
    try policy.add(writer)
    var rule = AgentRule(name: try TopicPattern("reader"), users: [1000])
    rule.read = [try Grant("open")]
    try policy.add(rule)
    var world = RouterHarness(policy: policy)
    let reader = world.agent("reader")
    world.subscribe(reader, "open", mode: .lossy)
    let mine = world.agent("writer.a", uid: 2000)
    let other = world.agent("writer.b", uid: 2000)
    #expect(world.rows(mine, .attachments).isEmpty)
    _ = world.publish(mine, "writer.a", "open")
    #expect(world.rows(mine, .attachments).map { $0["reader"] } == ["reader"])
    #expect(world.rows(other, .attachments).isEmpty)
  }

  @Test("subscriptions and what an agent reads are bounded")
  func bounds() {
    var limits = RouterLimits()
    limits.subscriptionsPerAgent = 2
    limits.attachmentsPerAgent = 1
    limits.streamsPerAgent = 2
    var world = RouterHarness(limits: limits)
    let feed = world.agent("feed")
    let reader = world.agent("reader")
    world.subscribe(reader, ">", number: 1)
    _ = world.publish(feed, "feed", "a")
    _ = world.publish(feed, "feed", "b")
    #expect(errorCode(world.addLog(feed, "feed", "c").answers) == .resourceExhausted)
    #expect(world.announces(to: reader).count == 1)
    let missed = world.frames(to: reader).compactMap { frame in
      if case .missed(let missed) = frame { missed } else { nil }
    }
    #expect(missed.map(\.channel) == ["b"] && missed.map(\.publisherName) == ["feed"])
    #expect(missed.map(\.subscription) == [1])
    #expect(missed.first?.code == BusErrorCode.resourceExhausted.rawValue)
    #expect(kinds(world.subscribe(reader, "b", number: 2)) == [.subscribed])
    #expect(world.missed(by: reader).map(\.subscription) == [1, 2])
    #expect(errorCode(world.subscribe(reader, "y", number: 3)) == .resourceExhausted)
    #expect(errorCode(world.subscribe(reader, "y", number: 2)) == .invalid)
  }
}
