import BusAccess
import BusRouting
import BusWire
import RouterHarness
import Testing

/// What an agent that watches was given, by the agent it is about.
private struct Shown: Hashable {
  let incarnation: Incarnation
  let part: UInt16
}

extension RouterHarness {
  /// Hands in the next segment of an agent's counters, as the agent would make it.
  @discardableResult
  mutating func addCounters(
    _ connection: ConnectionID, _ name: String, part: UInt16 = 0, bytes: UInt64? = nil,
    claimed: UInt16? = nil
  ) -> [RouterFrame] {
    let size = bytes ?? 16384 << (2 * UInt64(part))
    let shape = CountersShape(
      segmentBytes: size, agent: Self.uuid(name),
      incarnation: incarnations[connection] ?? Incarnation(0), part: part)
    let segment = segment(size, .counters(shape))
    let frame = AddCountersFrame(part: claimed ?? part, segmentBytes: size)
    return ask(connection, .addCounters(frame), [segment])
  }

  fileprivate func shown(to connection: ConnectionID) -> [Shown] {
    frames(to: connection).compactMap { frame in
      guard case .counters(let counters) = frame else { return nil }
      return Shown(incarnation: counters.incarnation, part: counters.part)
    }
  }
}

@Suite("Handing out counters")
struct CountersRoutingTests {
  @Test("who watches gets all that is there, then what comes, then who ended")
  func watching() throws {
    var world = RouterHarness()
    let feed = world.agent("feed")
    #expect(kinds(world.addCounters(feed, "feed")) == [.done])
    let top = world.agent("top")
    #expect(kinds(world.ask(top, .watch)) == [.done])
    let first = Shown(incarnation: try #require(world.incarnations[feed]), part: 0)
    #expect(world.shown(to: top) == [first])
    world.addCounters(feed, "feed", part: 1)
    let late = world.agent("late")
    world.addCounters(late, "late")
    let other = try #require(world.incarnations[late])
    #expect(
      world.shown(to: top) == [
        first, Shown(incarnation: first.incarnation, part: 1), Shown(incarnation: other, part: 0),
      ])
    #expect(world.shown(to: late).isEmpty)
    world.happen(.disconnected(late))
    #expect(
      world.frames(to: top).last == .countersGone(CountersGoneFrame(incarnation: other)))
    world.happen(.disconnected(feed))
    world.happen(.disconnected(top))
    #expect(world.open.isEmpty && world.router.arenaBytesUsed == 0)
  }

  @Test("a second watch shows nobody again, and after its end nothing more comes")
  func watchingOnce() {
    var world = RouterHarness()
    let feed = world.agent("feed")
    world.addCounters(feed, "feed")
    let top = world.agent("top")
    world.ask(top, .watch)
    #expect(world.shown(to: top).count == 1)
    for _ in 0..<100 { #expect(kinds(world.ask(top, .watch)) == [.done]) }
    #expect(world.shown(to: top).count == 1)
    #expect(kinds(world.ask(top, .unwatch)) == [.done])
    world.forgetSent()
    world.addCounters(feed, "feed", part: 1)
    world.happen(.drained(top))
    world.happen(.disconnected(feed))
    #expect(world.shown(to: top).isEmpty)
    #expect(!kinds(world.frames(to: top)).contains(.countersGone))
    #expect(kinds(world.ask(top, .unwatch)) == [.done], "without a watch")
    let other = world.agent("other")
    world.addCounters(other, "other")
    world.ask(top, .watch)
    #expect(world.shown(to: top).count == 1, "a new watch shows whoever is there")
  }

  @Test("only the agent's own next segment is taken, within its quota, and none is lost")
  func refused() {
    var limits = RouterLimits()
    limits.agentBytes = RouterHarness.readerBytes + 16384 + 65536 + 100
    var world = RouterHarness(limits: limits)
    let feed = world.agent("feed")
    #expect(errorCode(world.addCounters(feed, "other")) == .invalid)
    #expect(errorCode(world.addCounters(feed, "feed", part: 1)) == .invalid)
    #expect(errorCode(world.addCounters(feed, "feed", part: 0, claimed: 1)) == .invalid)
    let stone = world.segment(16384, .unusable("It is a stone."))
    let frame = AgentFrame.addCounters(AddCountersFrame(part: 0, segmentBytes: 16384))
    let answer = world.ask(feed, frame, [stone])
    #expect(errorCode(answer) == .invalid && "\(answer)".contains("stone"))
    world.addCounters(feed, "feed")
    #expect(errorCode(world.addCounters(feed, "feed")) == .invalid)
    #expect(kinds(world.addCounters(feed, "feed", part: 1)) == [.done])
    #expect(errorCode(world.addCounters(feed, "feed", part: 2)) == .resourceExhausted)
    #expect(world.router.arenaBytesUsed == world.open.values.reduce(0, +))
  }

  @Test("an agent has five segments at most")
  func partsMax() {
    var limits = RouterLimits()
    limits.agentBytes = 1 << 40
    limits.arenaBytes = 1 << 40
    var world = RouterHarness(limits: limits)
    let feed = world.agent("feed")
    for part in 0..<5 as Range<UInt16> {
      #expect(kinds(world.addCounters(feed, "feed", part: part)) == [.done])
    }
    #expect(errorCode(world.addCounters(feed, "feed", part: 5)) == .invalid)
  }

  @Test("with a policy nobody watches whose entry does not say so, and the refusal says what to do")
  func policy() throws {
    var policy = Policy()
    var feed = AgentRule(name: try TopicPattern("feed"), users: [1000])
    feed.read = [try Grant(">")]
    try policy.add(feed)
    var top = AgentRule(name: try TopicPattern("top"), users: [1000])
    top.watch = true
    try policy.add(top)
    var world = RouterHarness(policy: policy)
    let viewer = world.agent("top")
    let other = world.agent("feed")
    world.addCounters(viewer, "top")
    let refusal = world.ask(other, .watch)
    #expect(errorCode(refusal) == .denied && "\(refusal)".contains("watch: true"))
    #expect(world.shown(to: other).isEmpty)
    #expect(kinds(world.ask(viewer, .watch)) == [.done])
    #expect(world.shown(to: viewer).count == 1)
  }

  @Test("a viewer that lost news gets everything again, between the brackets of a snapshot")
  func snapshot() throws {
    var world = RouterHarness()
    let feed = world.agent("feed")
    world.addCounters(feed, "feed")
    let top = world.agent("top")
    world.ask(top, .watch)
    world.forgetSent()
    world.happen(.drained(top))
    #expect(kinds(world.frames(to: top)) == [.snapshotBegin, .counters, .snapshotEnd])
    world.forgetSent()
    world.happen(.drained(feed))
    #expect(kinds(world.frames(to: feed)) == [.snapshotBegin, .snapshotEnd])
  }
}
