import BusRouting
import BusWire
import RouterHarness
import Testing

// An agent whose connection goes while it comes back, and that comes back once more.

extension ReattachTests {
  @Test(
    "who ended in the grace does not come back a second time, and all it had is given back",
    arguments: [FormerRouter.killed, .stopped])
  func returnsTwice(former: FormerRouter) throws {
    let before = try Self.former()
    var world = Self.later(than: former)
    var nowNs: UInt64 = 50
    let (first, _) = Self.reattach(before.feed, &world)
    let answers = Self.restoreLog(before.log, before.stream, before.proof, first, &world)
    #expect(kinds(answers) == [.logAdded])
    world.happen(.disconnected(first))
    let (second, refusal) = Self.reattach(before.feed, &world)
    #expect(errorCode(refusal) == .fenced)
    world.happen(.disconnected(second))
    // After an orderly stop the grace begins with the first that comes back.
    for _ in 0..<3 {
      nowNs += world.router.limits.graceNs
      world.happen(.tick(nowNs: nowNs))
    }
    #expect(world.open.isEmpty && world.router.arenaBytesUsed == 0)
    #expect(world.router.streamCount == 0)
  }

  @Test("who had handed nothing in when its connection went may come back")
  func returnsAfterNothing() throws {
    let before = try Self.former()
    var world = Self.later()
    let (first, _) = Self.reattach(before.feed, &world)
    world.happen(.disconnected(first))
    let feed = Self.feedReturns(before, &world, hasReader: false)
    Self.endGrace(&world)
    world.happen(.disconnected(feed))
    #expect(world.open.isEmpty && world.router.arenaBytesUsed == 0)
  }
}
