import BusRouting
import BusWire
import RouterHarness
import Testing

// The numbers of streams, which are no secret, in the hands of other publishers.

extension ReattachTests {
  /// A publisher of a former router, and what it was given for its own stream.
  private struct Rival {
    let veteran: Veteran
    let stream: StreamID
    let proof: ControlTicket

    init() throws {
      var former = RouterHarness(bootNs: 2000)
      let connection = former.agent("rival")
      stream = former.publish(connection, "rival", "a")
      veteran = try ReattachTests.veteran("rival", connection, former)
      proof = try #require(former.proofs[stream])
    }

    func log(_ channel: String) -> LogShape {
      LogShape(
        segmentBytes: 73728, capacity: 65536, agent: RouterHarness.uuid("rival"),
        incarnation: veteran.incarnation, basePosition: 0, baseSequence: 0, generation: 0,
        hotOffset: 512, channel: channel)
    }
  }

  @Test(
    "a publisher that comes back first takes no other's stream, whatever it shows",
    arguments: [FormerRouter.killed, .stopped])
  func stolenNumber(former: FormerRouter) throws {
    let before = try Self.former()
    let rival = try Rival()
    var world = Self.later(than: former)
    let (thief, _) = Self.reattach(rival.veteran, &world)
    // Its own word, those of the owner, which are no use to others, its ticket, and nothing.
    for proof in [rival.proof, before.proof, before.feed.ticket, rival.veteran.ticket, .none] {
      let answers = Self.restoreLog(rival.log("a"), before.stream, proof, thief, &world)
      #expect(errorCode(answers) == .fenced)
    }
    #expect(world.router.streamCount == 0 && world.open.count == 1)
    // What it was given on one channel is worth nothing on another.
    let elsewhere = Self.restoreLog(rival.log("b"), rival.stream, rival.proof, thief, &world)
    #expect(errorCode(elsewhere) == .fenced)
    let own = Self.restoreLog(rival.log("a"), rival.stream, rival.proof, thief, &world)
    #expect(kinds(own) == [.logAdded])
    #expect(world.ask(thief, .restoreDone) == [.done])
    let connections = [Self.feedReturns(before, &world), Self.readerReturns(before, &world)]
    Self.endGrace(&world)
    let unwanted: Set<ControlKind> = [.evicted, .agentGone, .leave, .streamEnded, .error]
    for connection in connections {
      #expect(unwanted.isDisjoint(with: Set(kinds(world.frames(to: connection)))))
    }
    #expect(world.router.streamCount == 2)
  }
}
