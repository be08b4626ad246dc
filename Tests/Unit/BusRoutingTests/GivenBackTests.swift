import BusAccess
import BusPorts
import BusRouting
import BusWire
import RouterHarness
import Testing

/// What is counted for a user is given back, whichever way it ends, and what an agent may say when
/// it comes back is bounded.
@Suite("Counts that go down again, and bounds of what comes back")
struct GivenBackTests {
  /// A router with little room, in which agents `guest.*` of user 2 may do everything.
  private static func guests(_ limits: RouterLimits) throws -> RouterHarness {
    var policy = Policy()
    try policy.add(.everything("guest.*", users: [2]))
    return RouterHarness(policy: policy, limits: limits)
  }

  private static func resolve(
    _ world: inout RouterHarness, _ guest: ConnectionID, _ name: String
  ) -> BusErrorCode? {
    errorCode(world.ask(guest, .resolve(NameFrame(name: name, group: .service))))
  }

  @Test("names that are asked for count for their user until they are forgotten")
  func forgotten() throws {
    var limits = RouterLimits()
    limits.names = 4
    var world = try Self.guests(limits)
    let guest = world.agent("guest.1", uid: 2)
    let codes = (0..<3).map { Self.resolve(&world, guest, "n\($0)") }
    #expect(codes == [nil, nil, .resourceExhausted], "two are half of all names")
    world.say(guest, .forget(NameFrame(name: "n1", group: .service)))
    for number in 0..<10 {
      #expect(Self.resolve(&world, guest, "later.\(number)") == nil)
      world.say(guest, .forget(NameFrame(name: "later.\(number)", group: .service)))
    }
  }

  @Test("names of an agent that ends count for its user no more, asked for and answered")
  func ended() throws {
    var limits = RouterLimits()
    limits.names = 4
    var world = try Self.guests(limits)
    for number in 0..<5 {
      let guest = world.agent("guest.\(number)", uid: 2)
      let answers = AnswerFrame(name: "a\(number)", group: .service, answers: true)
      #expect(errorCode(world.ask(guest, .answer(answers))) == nil)
      #expect(Self.resolve(&world, guest, "n\(number)") == nil)
      world.happen(.disconnected(guest))
    }
  }

  @Test("blobs that an agent leaves behind count for its user no more")
  func blobs() throws {
    var limits = RouterLimits()
    limits.blobs = 4
    var world = try Self.guests(limits)
    for number in 0..<5 as Range<UInt64> {
      let guest = world.agent("guest.\(number)", uid: 2)
      var codes: [BusErrorCode?] = []
      for place in 0..<3 as Range<UInt64> {
        let token = BusUUID(word0: number + 1, word1: place)
        let shape = BlobShape(segmentBytes: 8192, payloadBytes: 4000, token: token)
        let frame = AddBlobFrame(
          token: token, segmentBytes: 8192, payloadBytes: 4000, keepMs: 60_000)
        codes.append(
          errorCode(world.ask(guest, .addBlob(frame), [world.segment(8192, .blob(shape))])))
      }
      #expect(codes == [nil, nil, .resourceExhausted], "agent \(number)")
      world.happen(.disconnected(guest))
    }
  }

  @Test("of the streams that a reader misses so many are kept in mind as the limit says")
  func missed() {
    var limits = RouterLimits()
    (limits.attachmentsPerAgent, limits.missedKeptPerAgent) = (2, 3)
    var world = RouterHarness(limits: limits)
    let reader = world.agent("reader")
    world.subscribe(reader, ">", mode: .lossy)
    let feed = world.agent("feed")
    for number in 0..<9 { _ = world.publish(feed, "feed", "c\(number)") }
    #expect(world.missed(by: reader).map(\.channel) == ["c2", "c3", "c4", ""], "the rest once")
    world.forgetSent()
    world.happen(.drained(reader))
    #expect(world.missed(by: reader).map(\.channel) == ["c2", "c3", "c4", ""])
    world.forgetSent()
    world.say(reader, .unsubscribe(UnsubscribeFrame(subscription: 1)))
    world.happen(.drained(reader))
    #expect(world.missed(by: reader).isEmpty)
  }

  // MARK: Coming back

  private static func later(_ limits: RouterLimits) -> RouterHarness {
    var world = RouterHarness(limits: limits, bootNs: 1_000_000, former: .killed)
    world.happen(.tick(nowNs: 50))
    return world
  }

  @Test("a publisher that comes back names no more readers than the limit says")
  func handedInReaders() throws {
    let before = try ReattachTests.former()
    var limits = RouterLimits()
    limits.handedInReadersPerAgent = 3
    var world = Self.later(limits)
    let (feed, _) = ReattachTests.reattach(before.feed, &world)
    let codes = (0..<5 as Range<UInt64>).map { number in
      let frame = RestoreReaderFrame(
        stream: before.stream, attachment: AttachmentID(before.attachment.value + number),
        readerIncarnation: before.reader.incarnation)
      return errorCode(world.ask(feed, .restoreReader(frame)))
    }
    #expect(codes == [nil, nil, nil, .resourceExhausted, .resourceExhausted])
  }

  @Test("a reader that comes back claims no more than it has places for")
  func claims() throws {
    let before = try ReattachTests.former()
    var limits = RouterLimits()
    limits.attachmentsPerAgent = 3
    var world = Self.later(limits)
    let thief = try ReattachTests.thief(&world, before)
    let codes = (0..<5 as Range<UInt64>).map { number in
      let frame = RestoreAttachmentFrame(
        attachment: AttachmentID(before.attachment.value + number), subscription: 1,
        stream: StreamID(before.stream.value - number),
        publisherIncarnation: before.feed.incarnation,
        publisherName: "feed", publisher: RouterHarness.uuid("feed"), channel: "a", slot: 1,
        joined: true)
      return errorCode(world.ask(thief, .restoreAttachment(frame)))
    }
    #expect(codes == [nil, nil, nil, .invalid, .invalid])
  }

  @Test("the reading of one who does not come back is given to nobody who claims it")
  func claimOfTheAbsent() throws {
    let before = try ReattachTests.former()
    var world = ReattachTests.later()
    let thief = try ReattachTests.thief(&world, before)
    world.say(thief, ReattachTests.claim(before))
    #expect(world.ask(thief, .restoreDone) == [.done])
    let feed = ReattachTests.feedReturns(before, &world)
    world.forgetSent()
    ReattachTests.endGrace(&world)
    #expect(kinds(world.frames(to: thief)).contains(.evicted))
    #expect(!world.announces(to: thief).contains { $0.attachment == before.attachment })
    // Its publisher waits for the one whose reading it was no longer.
    let gone = AgentGoneFrame(incarnation: before.reader.incarnation)
    #expect(world.frames(to: feed).contains(.agentGone(gone)))
  }

  /// A reader with more subscriptions to one stream than places.
  private static func crowded(
    places: Int, subscriptions: UInt32
  ) -> (world: RouterHarness, reader: ConnectionID) {
    var limits = RouterLimits()
    (limits.attachmentsPerAgent, limits.attachmentsKeptPerPublisher) = (places, 8)
    var world = RouterHarness(limits: limits)
    world.happen(.tick(nowNs: 1))
    let (reader, feed) = (world.agent("reader"), world.agent("feed"))
    for number in 1...subscriptions {
      world.subscribe(reader, "a", number: number, mode: .lossy)
    }
    _ = world.publish(feed, "feed", "a")
    return (world, reader)
  }

  @Test("for whom another subscription was told gets the stream in its turn, not who had it before")
  func others() throws {
    var (world, reader) = Self.crowded(places: 4, subscriptions: 6)
    func given() -> [UInt32] { world.announces(to: reader).map(\.subscription) }
    #expect(given() == [1, 2, 3, 4] && world.missed(by: reader).map(\.subscription) == [5])
    func detach(_ number: UInt32) throws {
      let reading = try #require(world.announces(to: reader).last { $0.subscription == number })
      world.say(reader, .detach(DetachFrame(attachment: reading.attachment)))
    }
    // One place: the first who misses it has it, and the next one is told.
    try detach(1)
    world.happen(.tick(nowNs: 2_000_000_000))
    #expect(given() == [1, 2, 3, 4, 5])
    #expect(world.missed(by: reader).map(\.subscription) == [5, 6])
    try detach(2)
    world.happen(.tick(nowNs: 3_000_000_000))
    #expect(given() == [1, 2, 3, 4, 5, 6])
    // There is a place, and nobody misses the stream.
    try detach(3)
    world.happen(.tick(nowNs: 4_000_000_000))
    #expect(given() == [1, 2, 3, 4, 5, 6])
  }

  @Test("who was told for others and unsubscribes leaves the stream to them")
  func unsubscribed() {
    var (world, reader) = Self.crowded(places: 2, subscriptions: 4)
    #expect(world.missed(by: reader).map(\.subscription) == [3])
    world.say(reader, .unsubscribe(UnsubscribeFrame(subscription: 3)))
    world.say(reader, .unsubscribe(UnsubscribeFrame(subscription: 1)))
    world.happen(.tick(nowNs: 2_000_000_000))
    #expect(world.announces(to: reader).map(\.subscription) == [1, 2, 4])
  }
}
