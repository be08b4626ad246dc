import BusPorts
import BusRouting
import BusWire
import RouterHarness
import Testing

// The numbers of readings, which are no secret, in the hands of a reader and a publisher who agree.

extension ReattachTests {
  /// Two agents of a former router, the one a reader of the other's stream, that were there before
  /// those of `former()`.
  private struct Pair {
    let publisher: Veteran
    let reader: Veteran
    let stream: StreamID
    let proof: ControlTicket

    init() throws {
      var former = RouterHarness(bootNs: 500)
      let (one, other) = (former.agent("at.x"), former.agent("at.p"))
      stream = former.publish(other, "at.p", "b")
      reader = try ReattachTests.veteran("at.x", one, former)
      publisher = try ReattachTests.veteran("at.p", other, former)
      proof = try #require(former.proofs[stream])
    }

    /// Both come back and say that the one reads the other under this number; the reader's and the
    /// publisher's connection.
    func comeBack(
      _ number: AttachmentID, _ world: inout RouterHarness
    ) -> (reader: ConnectionID, publisher: ConnectionID) {
      let (one, _) = ReattachTests.reattach(reader, &world)
      ReattachTests.restoreSubscription("b", one, &world)
      let claim = RestoreAttachmentFrame(
        attachment: number, subscription: 1, stream: stream,
        publisherIncarnation: publisher.incarnation, publisherName: "at.p",
        publisher: RouterHarness.uuid("at.p"), channel: "b", slot: 0, joined: true)
      world.say(one, .restoreAttachment(claim))
      #expect(world.ask(one, .restoreDone) == [.done])
      let (other, _) = ReattachTests.reattach(publisher, &world)
      let log = LogShape(
        segmentBytes: 73728, capacity: 65536, agent: RouterHarness.uuid("at.p"),
        incarnation: publisher.incarnation, basePosition: 0, baseSequence: 0, generation: 0,
        hotOffset: 512, channel: "b")
      #expect(kinds(ReattachTests.restoreLog(log, stream, proof, other, &world)) == [.logAdded])
      let word = RestoreReaderFrame(
        stream: stream, attachment: number, readerIncarnation: reader.incarnation)
      world.say(other, .restoreReader(word))
      #expect(world.ask(other, .restoreDone) == [.done])
      return (one, other)
    }
  }

  /// Everybody is back, and two pairs call their reading the same.
  private struct Twins {
    let before: Before
    var world: RouterHarness
    let (feed, reader): (ConnectionID, ConnectionID)
    let others: (reader: ConnectionID, publisher: ConnectionID)
    var number: AttachmentID { before.attachment }

    init(publisherEnds: Bool = false) throws {
      before = try ReattachTests.former()
      world = ReattachTests.later()
      others = try Pair().comeBack(before.attachment, &world)
      feed = ReattachTests.feedReturns(before, &world)
      reader = ReattachTests.readerReturns(before, &world)
      if publisherEnds { world.happen(.disconnected(feed)) }
      world.forgetSent()
      ReattachTests.endGrace(&world)
    }

    func heard(_ connection: ConnectionID) -> [ControlKind] { kinds(world.frames(to: connection)) }

    /// The same for all four: those of the pair that was there before others, and its rivals.
    func quiet(_ connections: [ConnectionID]) -> Bool {
      let unwanted: Set<ControlKind> = [.evicted, .agentGone, .leave, .error]
      return connections.allSatisfy { unwanted.isDisjoint(with: Set(heard($0))) }
    }
  }

  @Test("a reading that its publisher confirms stays, whatever others call theirs")
  func sameNumber() throws {
    let twins = try Twins()
    #expect(twins.quiet([twins.feed, twins.reader, twins.others.reader, twins.others.publisher]))
    #expect(twins.world.router.attachmentCount == 2)
    for (connection, stream) in [(twins.reader, "a"), (twins.others.reader, "b")] {
      let told = twins.world.announces(to: connection)
      #expect(told.map(\.attachment) == [twins.number] && told.map(\.channel) == [stream])
    }
  }

  @Test("a reading stays whose publisher is gone, so that nobody confirms it any more")
  func sameNumberOfEnded() throws {
    let twins = try Twins(publisherEnds: true)
    #expect(!twins.heard(twins.reader).contains(.evicted))
    #expect(twins.heard(twins.reader).suffix(2) == [.announce, .streamEnded])
  }

  @Test("what one pair does with the number happens to its own reading", arguments: [true, false])
  func apart(firstIsOthers: Bool) throws {
    var twins = try Twins()
    let pairs = [(twins.feed, twins.reader), (twins.others.publisher, twins.others.reader)]
    let (own, other) = firstIsOthers ? (pairs[1], pairs[0]) : (pairs[0], pairs[1])
    twins.world.forgetSent()
    let number = twins.number
    for connection in [own.1, other.1] { twins.world.happen(.drained(connection)) }
    for connection in [own.1, other.1] {
      #expect(twins.world.announces(to: connection).map(\.attachment) == [number])
    }
    twins.world.forgetSent()
    twins.world.say(own.0, .evict(EvictFrame(attachment: number, reason: "slow")))
    #expect(
      twins.world.frames(to: own.1) == [.evicted(EvictedFrame(attachment: number, reason: "slow"))])
    #expect(twins.heard(other.1).isEmpty)
    twins.world.say(other.1, .detach(DetachFrame(attachment: number)))
    #expect(twins.world.frames(to: other.0) == [.leave(LeaveFrame(attachment: number))])
    #expect(twins.heard(own.0).isEmpty && twins.world.router.attachmentCount == 1)
    // Neither has anything left under that number.
    twins.world.say(other.1, .detach(DetachFrame(attachment: number)))
    twins.world.say(other.0, .evict(EvictFrame(attachment: number, reason: "slow")))
    #expect(twins.world.router.attachmentCount == 1)
    twins.world.say(own.1, .detach(DetachFrame(attachment: number)))
    #expect(twins.world.router.attachmentCount == 0)
  }

  @Test("a reader that was promised the start begins there, though others claim its number")
  func promisedAndContested() throws {
    let before = try Self.former()
    var world = Self.later()
    let thief = try Self.thief(&world, before)
    world.say(thief, Self.claim(before, joined: false))
    #expect(world.ask(thief, .restoreDone) == [.done])
    _ = Self.feedReturns(before, &world, hasReader: false)
    let (reader, _) = Self.reattach(before.reader, &world)
    let subscription = SubscribeFrame(
      subscription: 1, pattern: "a", mode: .lossy, sleeps: true, epoch: 3)
    world.ask(reader, .restoreSubscription(subscription))
    world.say(reader, Self.claim(before, joined: false, fromStart: true))
    #expect(world.ask(reader, .restoreDone) == [.done])
    Self.endGrace(&world)
    let told = world.announces(to: reader)
    #expect(told.count == 1 && told.first?.flags.contains(.fromStart) == true)
  }

  @Test("a reader of a stream that its publisher has not handed in is let go at once")
  func readerOfNothing() throws {
    let before = try Self.former()
    var world = Self.later()
    let (feed, _) = Self.reattach(before.feed, &world)
    let word = RestoreReaderFrame(
      stream: before.stream, attachment: before.attachment,
      readerIncarnation: before.reader.incarnation)
    world.say(feed, .restoreReader(word))
    #expect(world.frames(to: feed).last == .leave(LeaveFrame(attachment: before.attachment)))
    world.forgetSent()
    #expect(world.ask(feed, .restoreDone) == [.done])
    Self.endGrace(&world)
    #expect(kinds(world.frames(to: feed)) == [.done])
  }
}
