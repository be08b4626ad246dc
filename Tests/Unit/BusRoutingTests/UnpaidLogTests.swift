import BusAccess
import BusPorts
import BusRouting
import BusWire
import RouterHarness
import Testing

/// Logs of ended streams whose readers have no room to pay for them.
@Suite("Logs that nobody can pay for are taken back")
struct UnpaidLogTests {
  private static let (honest, crowd) = (1000 as UInt32, 1001 as UInt32)
  private static let logBytes: UInt64 = 65536 + 8192
  private static let secondNs: UInt64 = 1_000_000_000

  private var world: RouterHarness
  private var nowNs: UInt64 = 1

  /// A world of 24 logs, in which each of two users may have half; the router is neither's.
  init() throws {
    var policy = Policy()
    try policy.add(AgentRule.everything(">", users: [Self.honest, Self.crowd]))
    var limits = RouterLimits()
    limits.arenaBytes = 24 * Self.logBytes
    limits.agentBytes = limits.arenaBytes
    world = RouterHarness(policy: policy, limits: limits, uid: 1)
    world.happen(.tick(nowNs: 1))
  }

  private mutating func pass(_ seconds: UInt64) {
    for _ in 0..<seconds {
      nowNs += Self.secondNs
      world.happen(.tick(nowNs: nowNs))
    }
  }

  /// An agent whose own logs leave its user no room.
  private mutating func fillShare(of user: UInt32) {
    let hog = world.agent("hog.\(user)", uid: user)
    var number = 0
    while number < 24,
      errorCode(world.addLog(hog, "hog.\(user)", "own\(number)").answers) == nil
    {
      number += 1
    }
    #expect((3..<24).contains(number))
  }

  /// Publishes on a channel with an agent that ends at once; what the router said against it.
  private mutating func publishOnce(_ channel: String) -> BusErrorCode? {
    let feed = world.agent("feed", uid: Self.honest)
    let answers = world.addLog(feed, "feed", channel).answers
    world.happen(.disconnected(feed))
    return errorCode(answers)
  }

  /// The same again and again; how often it was taken.
  private mutating func publishUntilRefused() -> Int {
    var published = 0
    while published < 24, publishOnce("a") == nil { published += 1 }
    return published
  }

  private func evicted(_ reader: ConnectionID) -> [EvictedFrame] {
    world.frames(to: reader).compactMap { frame in
      if case .evicted(let evicted) = frame { evicted } else { nil }
    }
  }

  private func evictions(of reader: ConnectionID) -> [String] { evicted(reader).map(\.reason) }

  private mutating func heldBytes(of name: String) -> String? {
    let asker = world.connect(uid: 1)
    defer { world.happen(.disconnected(asker)) }
    return world.rows(asker, .agents).first { $0["name"] == name }?["held_bytes"]
  }

  @Test("a publisher whose ended logs fill its share gets them back, and readers are told")
  mutating func takenBack() {
    let reader = world.agent("reader", uid: Self.crowd)
    world.subscribe(reader, "a", mode: .lossy)
    fillShare(of: Self.crowd)
    let published = publishUntilRefused()
    #expect((6..<24).contains(published))
    pass(29)
    #expect(publishOnce("a") == .resourceExhausted)
    #expect(evictions(of: reader).isEmpty)
    pass(2)
    #expect(publishOnce("a") == nil, "for good")
    #expect((1..<published).contains(evictions(of: reader).count), "as many as it needs")
    #expect(evictions(of: reader).allSatisfy { $0.contains("nor its user has room") })
    #expect(world.router.arenaBytesUsed == world.open.values.reduce(0, +))
    // It is given no more of what it has no room for.
    #expect(world.missed(by: reader).last?.text.contains("were taken from the agent") == true)
    for _ in 0..<40 {
      #expect(publishOnce("a") == nil)
    }
    // But for a while only.
    pass(61)
    #expect(publishOnce("a") == nil)
    let last = world.announces(to: reader).last?.attachment
    pass(1)
    #expect(world.announces(to: reader).count { $0.attachment == last } == 1)
    #expect(!world.missed(by: reader).isEmpty)
    // What an evicted reader lets go of later is known no more.
    for announce in world.announces(to: reader) {
      world.say(reader, .detach(DetachFrame(attachment: announce.attachment)))
    }
    #expect(world.router.arenaBytesUsed == world.open.values.reduce(0, +))
  }

  @Test("a publisher that has enough leaves its readers the time they take")
  mutating func notWanted() {
    let reader = world.agent("reader", uid: Self.crowd)
    world.subscribe(reader, "a", mode: .lossy)
    fillShare(of: Self.crowd)
    #expect(publishOnce("a") == nil)
    pass(100)
    #expect(evictions(of: reader).isEmpty)
  }

  @Test("a reader of the publisher's own user pays though its user has no more room")
  mutating func withinOneUser() {
    let reader = world.agent("reader", uid: Self.honest)
    world.subscribe(reader, "a", mode: .lossy)
    #expect(publishOnce("a") == nil)
    fillShare(of: Self.honest)
    pass(16)
    #expect(heldBytes(of: "reader") == "\(Self.logBytes)")
    pass(100)
    #expect(evictions(of: reader).isEmpty)
  }

  @Test("nobody is evicted for a log that a reader of the publisher's own user holds as well")
  mutating func heldAtHome() {
    let stranger = world.agent("stranger", uid: Self.crowd)
    let own = world.agent("own", uid: Self.honest)
    for reader in [stranger, own] { world.subscribe(reader, "a", mode: .lossy) }
    #expect(publishOnce("a") == nil)
    fillShare(of: Self.crowd)
    fillShare(of: Self.honest)
    pass(100)
    #expect(evictions(of: stranger).isEmpty)
    #expect(heldBytes(of: "own") == "\(Self.logBytes)")
  }

  @Test("a reader whose news were dropped learns from a snapshot what was taken from it")
  mutating func told() throws {
    let reader = world.agent("reader", uid: Self.crowd)
    world.subscribe(reader, "a", mode: .lossy)
    fillShare(of: Self.crowd)
    _ = publishUntilRefused()
    pass(31)
    let taken = Set(evicted(reader).map(\.attachment))
    #expect(!taken.isEmpty)
    world.forgetSent()
    world.happen(.drained(reader))
    #expect(Set(evicted(reader).map(\.attachment)) == taken)
    let missed = world.missed(by: reader)
    #expect(missed.count { $0.code == BusErrorCode.evicted.rawValue } == taken.count)
    #expect(missed.allSatisfy { $0.publisherName == "feed" })
    // Until it lets go of it.
    for number in taken { world.say(reader, .detach(DetachFrame(attachment: number))) }
    world.forgetSent()
    world.happen(.drained(reader))
    #expect(evicted(reader).isEmpty)
  }

  @Test("who owes for streams of others is still sent messages")
  mutating func inbox() {
    let reader = world.agent("reader", uid: Self.crowd)
    let inbox = world.inbox(of: reader)
    world.subscribe(reader, "a", mode: .lossy)
    world.subscribe(reader, inbox.pattern, number: 2)
    fillShare(of: Self.crowd)
    _ = publishUntilRefused()
    pass(31)
    #expect(!evictions(of: reader).isEmpty)
    let sender = world.agent("sender", uid: Self.honest)
    #expect(kinds(world.addLog(sender, "sender", inbox.normal).answers) == [.logAdded])
  }
}
