import BusAccess
import BusPorts
import BusRouting
import BusWire
import RouterHarness
import Testing

/// Logs that are over and that somebody still holds: whose they are, and what they cost.
@Suite("Who lets go of logs, and who does not")
struct DrainTests {
  private static let secondNs: UInt64 = 1_000_000_000
  private static let logBytes: UInt64 = 65536 + 8192

  /// A world in which an agent may have so many logs.
  private static func world(logsPerAgent: UInt64 = 3000) -> RouterHarness {
    var limits = RouterLimits()
    limits.agentBytes = RouterHarness.readerBytes + logsPerAgent * logBytes
    var world = RouterHarness(limits: limits)
    world.happen(.tick(nowNs: 1))
    return world
  }

  /// Bytes that are charged to an agent, and those of them that are logs of others.
  private static func use(_ world: inout RouterHarness, of name: String) -> (
    all: UInt64, held: UInt64
  ) {
    let asker = world.connect()
    defer { world.happen(.disconnected(asker)) }
    let row = world.rows(asker, .agents).first { $0["name"] == name } ?? [:]
    func bytes(_ key: String) -> UInt64 { row[key].flatMap { UInt64($0) } ?? .max }
    return (bytes("bytes"), bytes("held_bytes"))
  }

  private static func held(_ world: inout RouterHarness, by name: String) -> UInt64 {
    use(&world, of: name).held
  }

  /// Adds logs to a stream, and says of each but the last that it is over.
  private static func retire(
    _ world: inout RouterHarness, _ connection: ConnectionID, _ name: String, _ stream: StreamID,
    generations: ClosedRange<UInt32>
  ) -> BusErrorCode? {
    for generation in generations {
      let next = world.addLog(
        connection, name, "a", stream: stream, generation: generation, base: 64)
      if let code = errorCode(next.answers) { return code }
      world.say(
        connection, .retireLog(RetireLogFrame(stream: stream, generation: generation - 1)))
    }
    return nil
  }

  private static func detachAll(_ world: inout RouterHarness, _ reader: ConnectionID) {
    for attachment in Set(world.announces(to: reader).map(\.attachment)).sorted() {
      world.say(reader, .detach(DetachFrame(attachment: attachment)))
    }
  }

  @Test("a log of which only its publisher says that it is over stays its publisher's")
  func livingStream() {
    var world = Self.world(logsPerAgent: 20)
    let reader = world.agent("reader")
    world.subscribe(reader, "a", mode: .lossy)
    var feeds: [(connection: ConnectionID, stream: StreamID)] = []
    for name in ["feed.0", "feed.1"] {
      let feed = world.agent(name)
      let stream = world.publish(feed, name, "a")
      #expect(Self.retire(&world, feed, name, stream, generations: 1...14) == nil)
      feeds.append((feed, stream))
    }
    for second in [16, 32, 48] as [UInt64] { world.happen(.tick(nowNs: second * Self.secondNs)) }
    #expect(Self.use(&world, of: "reader") == (RouterHarness.readerBytes, 0))
    let other = world.agent("other")
    let given = world.publish(other, "other", "a")
    #expect(world.announces(to: reader).last?.stream == given)
    #expect(world.missed(by: reader).isEmpty)
    // Its publisher cannot go on so.
    let (feed, stream) = feeds[0]
    let refusal = Self.retire(&world, feed, "feed.0", stream, generations: 15...16)
    #expect(refusal == .resourceExhausted)
    #expect(Self.use(&world, of: "feed.0").all == RouterHarness.readerBytes + 16 * Self.logBytes)
  }

  @Test("when the stream has ended they are its readers', who can leave then")
  func endedStream() {
    var world = Self.world(logsPerAgent: 20)
    let reader = world.agent("reader")
    world.subscribe(reader, "a", mode: .lossy)
    let feed = world.agent("feed")
    let stream = world.publish(feed, "feed", "a")
    _ = Self.retire(&world, feed, "feed", stream, generations: 1...14)
    world.say(feed, .closeStream(CloseStreamFrame(stream: stream)))
    world.happen(.tick(nowNs: 16 * Self.secondNs))
    #expect(Self.held(&world, by: "reader") == 15 * Self.logBytes)
    Self.detachAll(&world, reader)
    #expect(Self.held(&world, by: "reader") == 0)
    #expect(world.router.streamCount == 0)
    #expect(world.router.arenaBytesUsed == world.open.values.reduce(0, +))
  }

  @Test("a reader is charged with logs of others up to its quota, not beyond")
  func withinQuota() {
    var world = Self.world(logsPerAgent: 3)
    let reader = world.agent("reader")
    world.subscribe(reader, ">", mode: .lossy)
    let feeds = ["feed.0", "feed.1"].map { (name: $0, connection: world.agent($0)) }
    for feed in feeds {
      for channel in 0..<3 { _ = world.publish(feed.connection, feed.name, "c\(channel)") }
    }
    for feed in feeds { world.happen(.disconnected(feed.connection)) }
    for second in [16, 17] as [UInt64] { world.happen(.tick(nowNs: second * Self.secondNs)) }
    #expect(world.announces(to: reader).count == 6)
    #expect(Self.held(&world, by: "reader") == 3 * Self.logBytes)
    #expect(world.router.arenaBytesUsed == world.open.values.reduce(0, +))
    Self.detachAll(&world, reader)
    #expect(world.router.arenaBytesUsed == world.open.values.reduce(0, +))
    #expect(world.router.streamCount == 0)
  }

  @Test("a log that a reader lets go of is charged to one that has room, else to its publisher")
  func nobodyHasRoom() {
    var world = Self.world(logsPerAgent: 3)
    let readers = ["r0", "r1"].map { world.agent($0) }
    for reader in readers { world.subscribe(reader, "a", mode: .lossy) }
    for channel in 0..<3 { _ = world.publish(readers[1], "r1", "own\(channel)") }
    let feed = world.agent("feed")
    _ = world.publish(feed, "feed", "a")
    world.happen(.disconnected(feed))
    world.happen(.tick(nowNs: 16 * Self.secondNs))
    #expect(Self.held(&world, by: "r0") == Self.logBytes)
    Self.detachAll(&world, readers[0])
    #expect(Self.held(&world, by: "r0") == 0 && Self.held(&world, by: "r1") == 0)
    #expect(world.router.arenaBytesUsed == world.open.values.reduce(0, +))
    Self.detachAll(&world, readers[1])
    #expect(world.router.streamCount == 3)
    #expect(world.router.arenaBytesUsed == world.open.values.reduce(0, +))
  }

  @Test("what it takes to find the next payer, and to end a reading of many logs, is counted")
  func counted() throws {
    var world = Self.world()
    let readers = (0..<100).map { world.agent("reader.\($0)") }
    for reader in readers { world.subscribe(reader, "a", mode: .lossy) }
    let feed = world.agent("feed")
    let stream = world.publish(feed, "feed", "a")
    _ = Self.retire(&world, feed, "feed", stream, generations: 1...14)
    world.happen(.disconnected(feed))
    world.happen(.tick(nowNs: 16 * Self.secondNs))
    #expect(Self.held(&world, by: "reader.0") == 15 * Self.logBytes)
    let attachment = try #require(world.announces(to: readers[0]).first?.attachment)
    let released = AgentFrame.released(ReleasedFrame(attachment: attachment, generation: 0))
    _ = world.router.drainEffort()
    for _ in 0..<10 { world.say(readers[0], released) }
    let once = world.router.drainEffort()
    #expect(once >= 2 && once <= 4, "99 other holders were looked at, once")
    world.happen(.disconnected(readers[0]))
    #expect(world.router.drainEffort() >= 14 * 2)
    #expect(Self.held(&world, by: "reader.1") == 15 * Self.logBytes)
  }

  @Test("of many ended streams so many are charged in a tick, and all in their turn")
  func manyStreams() {
    var world = Self.world()
    let reader = world.agent("reader")
    world.subscribe(reader, ">", mode: .lossy)
    let feed = world.agent("feed")
    for channel in 0..<300 { _ = world.publish(feed, "feed", "c\(channel)") }
    world.happen(.disconnected(feed))
    world.happen(.tick(nowNs: 16 * Self.secondNs))
    #expect(Self.held(&world, by: "reader") == 256 * Self.logBytes)
    world.happen(.tick(nowNs: 17 * Self.secondNs))
    #expect(Self.held(&world, by: "reader") == 300 * Self.logBytes)
  }

  @Test("of many readings of ended streams so many are looked at in a tick, and all in their turn")
  func manyReadings() {
    var world = Self.world()
    let readers = (0..<5).map { world.agent("reader.\($0)") }
    for reader in readers {
      for number in 0..<64 as Range<UInt32> {
        world.subscribe(reader, "a", number: number, mode: .lossy)
      }
    }
    let feed = world.agent("feed")
    _ = world.publish(feed, "feed", "a")
    for reader in readers {
      for (slot, announce) in world.announces(to: reader).enumerated() {
        let frame = AttachFrame(attachment: announce.attachment, slot: UInt16(slot))
        world.say(reader, .attach(frame))
      }
    }
    world.happen(.disconnected(feed))
    for tick in 1...4 as ClosedRange<UInt64> {
      let before = world.logs.slotLooks
      world.happen(.tick(nowNs: tick * Self.secondNs))
      #expect(world.logs.slotLooks - before == 256)
    }
    #expect(world.router.attachmentCount == 320)
    for tick in 1...3 as ClosedRange<UInt64> {
      world.happen(.tick(nowNs: (700 + tick) * Self.secondNs))
    }
    for reader in readers {
      #expect(kinds(world.frames(to: reader)).filter { $0 == .evicted }.count == 64)
    }
    let before = world.logs.slotLooks
    world.happen(.tick(nowNs: 800 * Self.secondNs))
    #expect(world.logs.slotLooks == before, "who was evicted is not looked at any more")
  }
}
