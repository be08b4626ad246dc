import BusAccess
import BusPorts
import BusRouting
import BusWire
import RouterHarness
import Testing

@Suite("Whoever spends is charged")
struct ChargeTests {
  private static let secondNs: UInt64 = 1_000_000_000
  private static let logBytes: UInt64 = 65536 + 8192

  private static func bytes(_ world: inout RouterHarness, of name: String, held: Bool = false)
    -> UInt64?
  {
    let asker = world.connect()
    defer { world.happen(.disconnected(asker)) }
    let row = world.rows(asker, .agents).first { $0["name"] == name }
    return row?[held ? "held_bytes" : "bytes"].flatMap { UInt64($0) }
  }

  /// A reader that stands still and a publisher that ends, so that a log is left over.
  private static func leftOver(
    _ world: inout RouterHarness, reader: ConnectionID, publisher: String
  ) throws -> AttachmentID {
    let feed = world.agent(publisher)
    _ = world.publish(feed, publisher, "a")
    let announce = try #require(world.announces(to: reader).last)
    world.say(reader, .attach(AttachFrame(attachment: announce.attachment, slot: 1)))
    let joined = JoinedFrame(
      attachment: announce.attachment, generation: 0, startPosition: 0, startSequence: 0,
      departed: 0)
    world.say(feed, .joined(joined))
    world.happen(.disconnected(feed))
    return announce.attachment
  }

  @Test("a log that nobody but a reader needs is charged to that reader after a while")
  func heldLogs() throws {
    var world = RouterHarness()
    world.happen(.tick(nowNs: 1))
    let reader = world.agent("reader")
    world.subscribe(reader, "a", mode: .lossy)
    let attachment = try Self.leftOver(&world, reader: reader, publisher: "feed")
    world.happen(.tick(nowNs: 14 * Self.secondNs))
    #expect(Self.bytes(&world, of: "reader") == RouterHarness.readerBytes)
    world.happen(.tick(nowNs: 16 * Self.secondNs))
    #expect(Self.bytes(&world, of: "reader") == RouterHarness.readerBytes + Self.logBytes)
    #expect(Self.bytes(&world, of: "reader", held: true) == Self.logBytes)
    world.say(reader, .detach(DetachFrame(attachment: attachment)))
    #expect(Self.bytes(&world, of: "reader") == RouterHarness.readerBytes)
    #expect(world.router.arenaBytesUsed == world.open.values.reduce(0, +))
    #expect(world.router.streamCount == 0)
  }

  @Test("of several readers that hold a log one pays, the next when that one lets go or dies")
  func payersChange() throws {
    var world = RouterHarness()
    world.happen(.tick(nowNs: 1))
    let names = ["r0", "r1", "r2"]
    let readers = names.map { world.agent($0) }
    for reader in readers { world.subscribe(reader, "a", mode: .lossy) }
    let feed = world.agent("feed")
    _ = world.publish(feed, "feed", "a")
    world.happen(.disconnected(feed))
    world.happen(.tick(nowNs: 16 * Self.secondNs))
    func payers(_ world: inout RouterHarness) -> [String] {
      var payers: [String] = []
      for name in names where Self.bytes(&world, of: name, held: true) == Self.logBytes {
        payers.append(name)
      }
      return payers
    }
    #expect(payers(&world) == ["r0"])
    let held = try #require(world.announces(to: readers[0]).first)
    world.say(readers[0], .released(ReleasedFrame(attachment: held.attachment, generation: 0)))
    #expect(payers(&world) == ["r1"])
    world.happen(.disconnected(readers[1]))
    #expect(payers(&world) == ["r2"])
    #expect(world.router.arenaBytesUsed == world.open.values.reduce(0, +))
    world.happen(.disconnected(readers[2]))
    #expect(Self.bytes(&world, of: "r0", held: true) == 0)
    #expect(world.router.arenaBytesUsed == RouterHarness.readerBytes)
  }

  @Test("a reader that stands still pins no more than its quota: further streams are missed")
  func pinnedIsBounded() throws {
    var limits = RouterLimits()
    limits.agentBytes = RouterHarness.readerBytes + 3 * Self.logBytes
    var world = RouterHarness(limits: limits)
    world.happen(.tick(nowNs: 1))
    let reader = world.agent("reader")
    world.subscribe(reader, "a", mode: .lossy)
    for number in 0..<12 as Range<UInt64> {
      let name = "feed\(number)"
      let feed = world.agent(name)
      _ = world.publish(feed, name, "a")
      world.happen(.disconnected(feed))
      world.happen(.tick(nowNs: (number + 1) * 16 * Self.secondNs))
    }
    #expect(world.announces(to: reader).count <= 5)
    #expect(world.missed(by: reader).last?.text.contains("have ended") == true)
    let held = try #require(Self.bytes(&world, of: "reader", held: true))
    #expect(held <= 4 * Self.logBytes)
    #expect(world.router.arenaBytesUsed <= RouterHarness.readerBytes + 5 * Self.logBytes)
  }

  @Test("who reads an ended stream on keeps it, who stands still for ten minutes is evicted")
  func standstill() throws {
    var world = RouterHarness()
    world.happen(.tick(nowNs: 1))
    let reader = world.agent("reader")
    world.subscribe(reader, "a")
    let attachment = try Self.leftOver(&world, reader: reader, publisher: "feed")
    for minute in 1...30 as ClosedRange<UInt64> {
      let progress = SlotProgress(
        attachment: attachment.value, cursor: minute * 64, received: minute, gaps: 0)
      world.logs.slots[1] = progress
      world.happen(.tick(nowNs: minute * 60 * Self.secondNs))
    }
    #expect(!kinds(world.frames(to: reader)).contains(.evicted))
    for minute in 31...42 as ClosedRange<UInt64> {
      world.happen(.tick(nowNs: minute * 60 * Self.secondNs))
    }
    #expect(kinds(world.frames(to: reader)).filter { $0 == .evicted }.count == 1)
    world.say(reader, .detach(DetachFrame(attachment: attachment)))
    #expect(world.router.streamCount == 0)
  }

  @Test("who names its cursor after the stream has ended is not taken for one that stands still")
  func lateAttach() throws {
    var world = RouterHarness()
    world.happen(.tick(nowNs: 1))
    let (reader, feed) = (world.agent("reader"), world.agent("feed"))
    world.subscribe(reader, "a")
    let stream = world.publish(feed, "feed", "a")
    let attachment = try #require(world.announces(to: reader).first?.attachment)
    world.say(feed, .closeStream(CloseStreamFrame(stream: stream)))
    world.say(reader, .attach(AttachFrame(attachment: attachment, slot: 7)))
    #expect(!kinds(world.frames(to: feed)).contains(.join))
    for minute in 1...30 as ClosedRange<UInt64> {
      world.logs.slots[7] = SlotProgress(
        attachment: attachment.value, cursor: minute * 64, received: minute, gaps: 0)
      world.happen(.tick(nowNs: minute * 60 * Self.secondNs))
    }
    #expect(!kinds(world.frames(to: reader)).contains(.evicted))
  }

  private static func twoUsers(_ limits: RouterLimits) throws -> RouterHarness {
    var policy = Policy()
    for (name, user) in [("guest.*", 2), ("host.*", 1000), ("other", 3)] as [(String, UInt32)] {
      try policy.add(.everything(name, users: [user]))
    }
    return RouterHarness(policy: policy, limits: limits)
  }

  @Test("agents of one user take half of the arena at most, the router's own user all of it")
  func arenaOfUser() throws {
    var limits = RouterLimits()
    limits.arenaBytes = 40 * Self.logBytes
    limits.agentBytes = limits.arenaBytes
    var world = try Self.twoUsers(limits)
    var text = ""
    for number in 0..<8 {
      let guest = world.agent("guest.\(number)", uid: 2)
      for channel in 0..<40 {
        let answer = world.addLog(guest, "guest.\(number)", "c\(channel)").answers
        if errorCode(answer) == .resourceExhausted { text = "\(answer)" }
      }
    }
    #expect(text.contains("those of one user may take"))
    #expect(world.router.arenaBytesUsed <= limits.arenaBytes / 2)
    let other = world.agent("other", uid: 3)
    _ = world.publish(other, "other", "x")
    let host = world.agent("host.a")
    let before = world.router.arenaBytesUsed
    for channel in 0..<12 { _ = world.publish(host, "host.a", "c\(channel)") }
    #expect(world.router.arenaBytesUsed == before + 12 * Self.logBytes)
  }

  @Test("names, subscriptions, blobs and descriptors of one user are bounded as well")
  func countsOfUser() throws {
    var limits = RouterLimits()
    (limits.names, limits.subscriptions, limits.blobs, limits.descriptors) = (8, 6, 4, 24)
    var world = try Self.twoUsers(limits)
    let first = world.agent("guest.1", uid: 2)
    let second = world.agent("guest.2", uid: 2)
    var codes: [BusErrorCode?] = []
    for number in 0..<3 as Range<UInt32> {
      for guest in [first, second] {
        let name = "n\(number)"
        let answers = AnswerFrame(name: name, group: .service, answers: true)
        codes.append(errorCode(world.ask(guest, .answer(answers))))
        codes.append(errorCode(world.subscribe(guest, "s", number: number, mode: .lossy)))
      }
    }
    #expect(codes.filter { $0 == .resourceExhausted }.count == 2 + 3)
    for number in 0..<3 as Range<UInt32> {
      world.ask(first, .answer(AnswerFrame(name: "n\(number)", group: .service, answers: false)))
      world.say(first, .unsubscribe(UnsubscribeFrame(subscription: number)))
    }
    world.happen(.disconnected(second))
    let resolve = AgentFrame.resolve(NameFrame(name: "x", group: .service))
    #expect(errorCode(world.ask(first, resolve)) == nil)
    #expect(errorCode(world.subscribe(first, "s", number: 9, mode: .lossy)) == nil)
    var logs = 0
    while errorCode(world.addLog(first, "guest.1", "c\(logs)").answers) == nil { logs += 1 }
    #expect(logs == 11, "twelve descriptors, one of them the reader segment's")
  }

  @Test("the limits do not contradict each other")
  func contradictions() {
    #expect(RouterLimits().contradictions == [])
    var limits = RouterLimits()
    limits.connectionsPerUser = limits.connections
    limits.streamsPerAgent = 1
    #expect(limits.contradictions.count == 2)
  }

  @Test("who may not register for his user alone is told both users, not of rules that are none")
  func otherUser() {
    var world = RouterHarness()
    let answer = world.register(world.connect(uid: 77), "fine")
    #expect(errorCode(answer) == .denied)
    #expect("\(answer)".contains("user 77") && "\(answer)".contains("user 1000"))
  }
}
