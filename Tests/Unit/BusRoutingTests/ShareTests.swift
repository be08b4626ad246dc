import BusAccess
import BusRouting
import BusWire
import RouterHarness
import Testing

@Suite("Everybody has a share")
struct ShareTests {
  private static func world(places: Int) -> RouterHarness {
    var limits = RouterLimits()
    limits.attachmentsPerAgent = places
    limits.streamsPerChannel = 4
    return RouterHarness(limits: limits)
  }

  @Test("one publisher takes half of a reader's places at most, and the others find theirs")
  func oneHog() {
    var world = Self.world(places: 32)
    let reader = world.agent("reader")
    world.subscribe(reader, ">", mode: .lossy)
    let hog = world.agent("hog")
    for number in 0..<100 { _ = world.publish(hog, "hog", "c\(number)") }
    #expect(world.announces(to: reader).count == 16)
    #expect(world.missed(by: reader).count == 84)
    #expect(world.missed(by: reader).allSatisfy { $0.text.contains("kept for other publishers") })
    for number in 0..<8 {
      let name = "honest.\(number)"
      let agent = world.agent(name)
      _ = world.publish(agent, name, "alerts")
      #expect(world.announces(to: reader).last?.publisherName == name)
    }
  }

  @Test("what was missed in a grace is given once, though its end gives it, too")
  func missedInTheGrace() throws {
    var limits = RouterLimits()
    limits.attachmentsPerAgent = 8
    var world = RouterHarness(limits: limits, bootNs: 1_000_000, former: .killed)
    world.happen(.tick(nowNs: 50))
    let before = try ReattachTests.former()
    let feed = ReattachTests.feedReturns(before, &world, hasReader: false)
    let reader = world.agent("reader")
    for number in 1...5 as ClosedRange<UInt32> { world.subscribe(reader, "a", number: number) }
    #expect(world.missed(by: reader).map(\.subscription) == [5])
    for number in 1...2 as ClosedRange<UInt32> {
      world.say(reader, .unsubscribe(UnsubscribeFrame(subscription: number)))
    }
    for round in 1...3 as ClosedRange<UInt64> {
      world.happen(.tick(nowNs: 50 + round * limits.graceNs))
    }
    #expect(world.announces(to: reader).filter { $0.subscription == 5 }.count == 1)
    #expect(!world.dropped.contains(feed))
  }

  @Test("each of many publishers has two places for as long as one is free")
  func manyHogs() {
    var world = Self.world(places: 32)
    let reader = world.agent("reader")
    world.subscribe(reader, ">", mode: .lossy)
    for number in 0..<20 {
      let name = "hog\(number)"
      let hog = world.agent(name)
      for channel in 0..<40 { _ = world.publish(hog, name, "c\(channel)") }
    }
    var byName: [String: Int] = [:]
    for announce in world.announces(to: reader) { byName[announce.publisherName, default: 0] += 1 }
    #expect(byName == ["hog0": 16, "hog1": 8, "hog2": 4, "hog3": 2, "hog4": 2])
  }

  @Test("streams of an agent on one channel are bounded, and closed ones make room")
  func streamsOnAChannel() {
    var world = Self.world(places: 100)
    let reader = world.agent("reader")
    world.subscribe(reader, "a", mode: .lossy)
    let feed = world.agent("feed")
    let streams = (0..<4).map { _ in world.publish(feed, "feed", "a") }
    let refusal = world.addLog(feed, "feed", "a").answers
    #expect(errorCode(refusal) == .resourceExhausted && "\(refusal)".contains("4 publishers"))
    _ = world.publish(feed, "feed", "b")
    world.say(feed, .closeStream(CloseStreamFrame(stream: streams[0])))
    _ = world.publish(feed, "feed", "a")
    #expect(errorCode(world.addLog(feed, "feed", "a").answers) == .resourceExhausted)
  }

  @Test("a lane of an inbox has one living stream of a peer, and one that is still being read")
  func lanes() throws {
    var world = Self.world(places: 100)
    let owner = world.agent("owner")
    let inbox = world.inbox(of: owner)
    world.subscribe(owner, inbox.pattern)
    let peer = world.agent("peer")
    let first = world.publish(peer, "peer", inbox.normal)
    _ = world.publish(peer, "peer", inbox.urgent)
    let second = world.addLog(peer, "peer", inbox.normal).answers
    #expect(errorCode(second) == .resourceExhausted && "\(second)".contains("One log stream"))
    world.say(peer, .closeStream(CloseStreamFrame(stream: first)))
    let next = world.publish(peer, "peer", inbox.normal)
    world.say(peer, .closeStream(CloseStreamFrame(stream: next)))
    let third = world.addLog(peer, "peer", inbox.normal).answers
    #expect(errorCode(third) == .resourceExhausted && "\(third)".contains("still being read"))
    for announce in world.announces(to: owner) {
      world.say(owner, .detach(DetachFrame(attachment: announce.attachment)))
    }
    _ = world.publish(peer, "peer", inbox.normal)
    world.happen(.disconnected(peer))
    world.happen(.disconnected(owner))
    #expect(world.open.isEmpty && world.router.arenaBytesUsed == 0)
  }

  @Test("what was missed is named in a snapshot, and given when a place is free")
  func missedIsGiven() {
    var world = Self.world(places: 2)
    let reader = world.agent("reader")
    world.subscribe(reader, ">", mode: .lossy)
    let feed = world.agent("feed")
    let first = world.publish(feed, "feed", "a")
    _ = world.publish(feed, "feed", "b")
    let late = world.agent("late")
    _ = world.publish(late, "late", "c")
    #expect(world.missed(by: reader).map(\.channel) == ["c"])
    world.forgetSent()
    world.happen(.drained(reader))
    #expect(world.missed(by: reader).map(\.publisherName) == ["late"])
    world.happen(.tick(nowNs: 1))
    #expect(!world.announces(to: reader).contains { $0.channel == "c" })
    let held = world.announces(to: reader).first { $0.stream == first }
    if let held { world.say(reader, .detach(DetachFrame(attachment: held.attachment))) }
    world.happen(.tick(nowNs: 2))
    #expect(world.announces(to: reader).last?.channel == "c")
    world.forgetSent()
    world.happen(.drained(reader))
    #expect(world.missed(by: reader).isEmpty)
  }

  @Test("publishers of one user take four fifths of another user's places at most")
  func users() throws {
    var policy = Policy()
    for (name, user) in [("reader", 1), ("a.*", 2), ("b", 3)] as [(String, UInt32)] {
      var rule = AgentRule(name: try TopicPattern(name), users: [user])
      rule.read = [try Grant(">")]
      rule.write = [try Grant(">")]
      try policy.add(rule)
    }
    var limits = RouterLimits()
    limits.attachmentsPerAgent = 20
    var world = RouterHarness(policy: policy, limits: limits)
    let reader = world.agent("reader", uid: 1)
    world.subscribe(reader, ">", mode: .lossy)
    for number in 0..<40 {
      let agent = world.agent("a.\(number)", uid: 2)
      _ = world.publish(agent, "a.\(number)", "x")
    }
    #expect(world.announces(to: reader).count == 16)
    #expect(world.missed(by: reader).last?.text.contains("kept for other users") == true)
    let other = world.agent("b", uid: 3)
    _ = world.publish(other, "b", "x")
    #expect(world.announces(to: reader).last?.publisherName == "b")
  }

  @Test("equal lines of the log are written once and then counted")
  func lines() {
    var lines = RepeatedLines()
    let early = lines.due(5)
    let said = ["x", "x", "y"].map { lines.isFirst("denied: \($0)") }
    for _ in 0..<30 { _ = lines.isFirst("denied: x") }
    let beforeItsTime = lines.due(6)
    for number in 0..<200 { _ = lines.isFirst("line \(number)") }
    // What is below the level of the log is not summed up in it either.
    let hidden = (0..<9).map { _ in lines.isFirst("a probe", isShown: false) }
    let due = lines.due(5 + RepeatedLines.intervalNs)
    let again = lines.isFirst("denied: x")
    #expect(!hidden.contains(true))
    #expect(early.isEmpty && beforeItsTime.isEmpty && said == [true, false, true])
    #expect(due == ["31 times more: denied: x", "138 lines of other kinds were left out"])
    #expect(again)
  }
}
