import BusRouting
import BusWire
import RouterHarness
import Testing

// What returning readers claim against what publishers hand in.

extension ReattachTests {
  /// A third agent of the former router, which comes back first and claims what is not its own.
  static func thief(_ world: inout RouterHarness, _ before: Before) throws -> ConnectionID {
    var former = RouterHarness(bootNs: 2000)
    let connection = former.agent("thief")
    let (back, answers) = reattach(try veteran("thief", connection, former), &world)
    #expect(kinds(answers) == [.registered])
    restoreSubscription("a", back, &world)
    restoreSubscription("b", number: 2, back, &world)
    return back
  }

  static func claim(
    _ before: Before, channel: String = "a", attachment: AttachmentID? = nil, joined: Bool = true,
    fromStart: Bool = false
  ) -> AgentFrame {
    .restoreAttachment(
      RestoreAttachmentFrame(
        attachment: attachment ?? before.attachment, subscription: channel == "a" ? 1 : 2,
        stream: before.stream, publisherIncarnation: before.feed.incarnation,
        publisherName: "feed", publisher: RouterHarness.uuid("feed"), channel: channel, slot: 9,
        joined: joined, fromStart: fromStart))
  }

  /// Where a reader begins whom its publisher lets in at its eleventh message; nil: it is not told.
  private static func startAfterLateJoin(
    _ before: Before, _ feed: ConnectionID, _ reader: ConnectionID, _ world: inout RouterHarness
  ) -> JoinedFrame? {
    let answer = JoinedFrame(
      attachment: before.attachment, generation: 0, startPosition: 640, startSequence: 10,
      departed: 0)
    world.say(feed, .joined(answer))
    guard case .joined(let start)? = world.frames(to: reader).last else { return nil }
    return start
  }

  /// A reader comes back that was promised the start of the stream and not let in.
  private static func promisedReturns(
    _ before: Before, _ mode: SubscribeMode, _ world: inout RouterHarness
  ) -> ConnectionID {
    let (reader, _) = reattach(before.reader, &world)
    let subscription = SubscribeFrame(
      subscription: 1, pattern: "a", mode: mode, sleeps: true, epoch: 3)
    world.ask(reader, .restoreSubscription(subscription))
    world.say(reader, claim(before, joined: false, fromStart: true))
    #expect(world.ask(reader, .restoreDone) == [.done])
    return reader
  }

  @Test(
    "who was promised the start has it, though the publisher ends before the grace is over",
    arguments: [SubscribeMode.lossy, .lossless])
  func promisedOfEnded(mode: SubscribeMode) throws {
    let before = try Self.former()
    var world = Self.later()
    let feed = Self.feedReturns(before, &world, expects: Incarnation(0))
    world.happen(.disconnected(feed))
    let reader = Self.promisedReturns(before, mode, &world)
    Self.endGrace(&world)
    let joins = world.frames(to: reader).compactMap { frame in
      if case .joined(let joined) = frame { joined } else { nil }
    }
    #expect(joins.map(\.startPosition) == [0] && joins.map(\.attachment) == [before.attachment])
  }

  @Test("a lossy reader that was promised the start counts what it missed of it")
  func promisedLossy() throws {
    let before = try Self.former()
    var world = Self.later()
    let feed = Self.feedReturns(before, &world, hasReader: false)
    let reader = Self.promisedReturns(before, .lossy, &world)
    Self.endGrace(&world)
    let given = Self.startAfterLateJoin(before, feed, reader, &world)
    let start = try #require(given, "not joined")
    #expect(start.startPosition == 0 && start.startSequence == 0)
  }

  @Test("a reading is claimed once, under whatever numbers")
  func claimedTwice() throws {
    let before = try Self.former()
    var world = Self.later()
    let (reader, _) = Self.reattach(before.reader, &world)
    Self.restoreSubscription("a", reader, &world)
    for number in 0..<3 as Range<UInt64> {
      let attachment = AttachmentID(before.attachment.value + number)
      world.say(reader, Self.claim(before, attachment: attachment, joined: false))
    }
    #expect(kinds(world.frames(to: reader)).filter { $0 == .error }.count == 2)
    #expect(world.ask(reader, .restoreDone) == [.done])
    _ = Self.feedReturns(before, &world, hasReader: false)
    Self.endGrace(&world)
    #expect(world.router.attachmentCount == 1)
  }

  @Test("a claim that the publisher confirms comes before one that it does not, and that is told")
  func confirmedFirst() throws {
    let before = try Self.former()
    var world = Self.later()
    let thief = try Self.thief(&world, before)
    world.say(thief, Self.claim(before))
    #expect(world.ask(thief, .restoreDone) == [.done])
    let feed = Self.feedReturns(before, &world)
    let reader = Self.readerReturns(before, &world)
    let stream = try #require(world.router.streamCount == 1 ? before.stream : nil)
    world.say(feed, .closeStream(CloseStreamFrame(stream: stream)))
    world.forgetSent()
    Self.endGrace(&world)
    #expect(kinds(world.frames(to: reader)).contains(.streamEnded))
    #expect(!kinds(world.frames(to: reader)).contains(.evicted))
    #expect(kinds(world.frames(to: thief)).contains(.evicted))
  }

  @Test(
    "a reader that comes back first takes neither a stream nor a reading of others",
    arguments: [("b", true), ("b", false), ("a", true)])
  func poisoned(channel: String, isOwnNumber: Bool) throws {
    let before = try Self.former()
    var world = Self.later()
    let thief = try Self.thief(&world, before)
    let number = isOwnNumber ? AttachmentID(before.attachment.value + 50) : before.attachment
    world.say(thief, Self.claim(before, channel: channel, attachment: number))
    world.say(thief, Self.claim(before))
    #expect(world.ask(thief, .restoreDone) == [.done])
    let feed = Self.feedReturns(before, &world)
    let reader = Self.readerReturns(before, &world)
    world.forgetSent()
    Self.endGrace(&world)
    #expect(world.announces(to: reader).map(\.attachment) == [before.attachment])
    let unwanted: Set<ControlKind> = [.evicted, .agentGone, .leave, .streamEnded, .error]
    let heard = kinds(world.frames(to: reader) + world.frames(to: feed))
    #expect(unwanted.isDisjoint(with: Set(heard)))
    #expect(!world.announces(to: thief).contains { $0.attachment <= before.attachment })
    for connection in [thief, reader, feed] { world.happen(.disconnected(connection)) }
    #expect(world.open.isEmpty && world.router.streamCount == 0)
  }

  @Test("of two that claim a reading which the publisher never let in, neither keeps the number")
  func contested() throws {
    let before = try Self.former()
    var world = Self.later()
    let thief = try Self.thief(&world, before)
    world.say(thief, Self.claim(before, joined: false))
    #expect(world.ask(thief, .restoreDone) == [.done])
    let reader = Self.readerReturns(before, &world, claims: false)
    _ = Self.feedReturns(before, &world, hasReader: false)
    Self.endGrace(&world)
    for connection in [thief, reader] {
      #expect(kinds(world.frames(to: connection)).contains(.evicted))
      let given = world.announces(to: connection).map(\.attachment)
      #expect(given.count == 1 && given.first != before.attachment)
    }
  }

  @Test("a reading that is ended in the grace does not begin anew when that is over")
  func endedMeanwhile() throws {
    let before = try Self.former()
    var world = Self.later()
    let feed = Self.feedReturns(before, &world)
    let reader = Self.readerReturns(before, &world)
    world.say(reader, .detach(DetachFrame(attachment: before.attachment)))
    world.forgetSent()
    Self.endGrace(&world)
    #expect(world.announces(to: reader).isEmpty && world.router.attachmentCount == 0)
    let leave = LeaveFrame(attachment: before.attachment)
    #expect(world.frames(to: feed) == [.leave(leave)])
  }

  @Test("claims that are made and ended over and over count towards the limit")
  func claimedAndEnded() throws {
    let before = try Self.former()
    var world = Self.later()
    let (reader, _) = Self.reattach(before.reader, &world)
    Self.restoreSubscription("a", reader, &world)
    let most = UInt64(world.router.limits.attachmentsPerAgent)
    for number in 1...most + 1 {
      let frame = RestoreAttachmentFrame(
        attachment: AttachmentID(number), subscription: 1, stream: StreamID(number),
        publisherIncarnation: before.feed.incarnation, publisherName: "feed",
        publisher: RouterHarness.uuid("feed"), channel: "a", slot: 0, joined: true)
      world.say(reader, .restoreAttachment(frame))
      world.say(reader, .detach(DetachFrame(attachment: AttachmentID(number))))
    }
    #expect(kinds(world.frames(to: reader)).filter { $0 == .error }.count == 1)
  }

  @Test("a reader that was expected at the start, and waits for its publisher, begins there")
  func expectedComesBack() throws {
    let before = try Self.former()
    var world = Self.later()
    let reader = Self.readerReturns(before, &world, claims: false)
    let feed = Self.feedReturns(before, &world, expects: Incarnation(0))
    Self.endGrace(&world)
    #expect(kinds(world.frames(to: feed)).suffix(1) == [.join])
    let given = Self.startAfterLateJoin(before, feed, reader, &world)
    let start = try #require(given, "not joined")
    #expect(start.startPosition == 0 && start.attachment == before.attachment)
  }

  @Test("who was promised the start and never heard of the stream reads it from there")
  func expectedNeverHeard() throws {
    let before = try Self.former()
    var world = Self.later()
    let reader = Self.readerReturns(before, &world, claims: nil)
    let feed = Self.feedReturns(before, &world, expects: Incarnation(0))
    world.forgetSent()
    Self.endGrace(&world)
    let announce = try #require(world.announces(to: reader).first)
    #expect(announce.flags.contains(.fromStart) && announce.attachment != before.attachment)
    let added = LogAddedFrame(
      stream: before.stream, generation: 0, expected: [announce.attachment],
      proof: before.proof)
    let leave = LeaveFrame(attachment: before.attachment)
    #expect(world.frames(to: feed) == [.logAdded(added), .leave(leave)])
    #expect(world.announces(to: reader).count == 1)
  }

  @Test("a claim for the start that was promised to another takes nothing from it")
  func expectedIsClaimedByAnother() throws {
    let before = try Self.former()
    var world = Self.later()
    let thief = try Self.thief(&world, before)
    world.say(thief, Self.claim(before, joined: false))
    #expect(world.ask(thief, .restoreDone) == [.done])
    let reader = Self.readerReturns(before, &world, claims: nil)
    let feed = Self.feedReturns(before, &world, expects: Incarnation(0))
    world.forgetSent()
    Self.endGrace(&world)
    let announce = try #require(world.announces(to: reader).first)
    #expect(announce.flags.contains(.fromStart) && announce.attachment != before.attachment)
    #expect(world.announces(to: reader).count == 1)
    // Its publisher hears of it before it lets anybody in, so that its window still stands there.
    #expect(kinds(world.frames(to: feed)) == [.logAdded, .join])
    guard case .logAdded(let added)? = world.frames(to: feed).first else { return }
    #expect(added.expected == [announce.attachment])
    #expect(world.announces(to: thief).map(\.attachment) == [before.attachment])
  }

  @Test("an eviction in the grace stands, and nobody who left comes back by his publisher's word")
  func evictedInGrace() throws {
    let before = try Self.former()
    var world = Self.later()
    let feed = Self.feedReturns(before, &world)
    let reader = Self.readerReturns(before, &world)
    world.say(feed, .evict(EvictFrame(attachment: before.attachment, reason: "too slow")))
    Self.endGrace(&world)
    let told = world.frames(to: reader).compactMap { frame in
      if case .evicted(let evicted) = frame { evicted.attachment } else { nil }
    }
    #expect(told == [before.attachment] && world.router.attachmentCount == 0)
    var other = Self.later()
    let publisher = Self.feedReturns(before, &other)
    let leaver = Self.readerReturns(before, &other)
    other.say(leaver, .detach(DetachFrame(attachment: before.attachment)))
    other.say(leaver, .unsubscribe(UnsubscribeFrame(subscription: 1)))
    Self.endGrace(&other)
    #expect(other.frames(to: publisher).last == .leave(LeaveFrame(attachment: before.attachment)))
  }

  @Test("a publisher that closes in the grace ends its stream for readers that come back later")
  func closedInGrace() throws {
    let before = try Self.former()
    var world = Self.later()
    let feed = Self.feedReturns(before, &world)
    world.say(feed, .closeStream(CloseStreamFrame(stream: before.stream)))
    world.happen(.disconnected(feed))
    let reader = Self.readerReturns(before, &world)
    Self.endGrace(&world)
    #expect(kinds(world.frames(to: reader)).suffix(2) == [.announce, .streamEnded])
    world.say(reader, .detach(DetachFrame(attachment: before.attachment)))
    #expect(world.router.streamCount == 0)
    #expect(world.router.arenaBytesUsed == RouterHarness.readerBytes)
  }
}
