import BinaryComm
import BusCounters
import BusMemory
import BusWire
import Testing

@Suite("Whose counters are watched")
struct WatchedAgentsTests {
  private static let id = BusUUID(word0: 1, word1: 2)
  private static let keptNs: UInt64 = 1000
  /// What the smallest agent holds.
  private static let least = CounterShape(part: 0).bytes

  private static func frame(
    _ incarnation: UInt64, user: UInt32 = 1, part: Int = 0
  ) -> CountersFrame {
    CountersFrame(
      incarnation: Incarnation(incarnation), agent: id, name: "agent", category: "", pid: 1,
      uid: user, part: UInt16(part), segmentBytes: UInt64(CounterShape(part: part).bytes))
  }

  private static func comes(
    _ incarnation: UInt64, user: UInt32 = 1, at nowNs: UInt64 = 0, _ agents: inout WatchedAgents
  ) {
    _ = agents.tell(frame(incarnation, user: user), nowNs: nowNs) { _ in nil }
  }

  /// An agent with all parts of a table.
  private static func show(
    _ table: CounterTable, of incarnation: UInt64, _ agents: inout WatchedAgents
  ) throws {
    for part in table.parts {
      let segment = try PeerSegment(
        consuming: table.duplicateDescriptor(of: part.number), announced: UInt64(part.bytes))
      _ = agents.tell(frame(incarnation, part: part.number), nowNs: 0) { view in
        do {
          try view.add(segment, part: part.number)
          return nil
        } catch {
          return "\(error)"
        }
      }
    }
  }

  private static func look(_ agents: inout WatchedAgents, at nowNs: UInt64 = 0) -> CounterLook {
    let look = CounterLook(at: agents.show(nowNs: nowNs).shown, nowNs: nowNs)
    agents.note(look.left)
    return look
  }

  @Test("beyond the room for ends the oldest of the user with most bytes go, and are counted")
  func room() {
    var agents = WatchedAgents(keptNs: Self.keptNs, bytesMax: 10 * Self.least)
    for incarnation in 1...5 as ClosedRange<UInt64> {
      Self.comes(incarnation, user: 2, &agents)
      _ = agents.end(Incarnation(incarnation), nowNs: 1)
    }
    var most = 0
    for incarnation in 100..<1100 as Range<UInt64> {
      Self.comes(incarnation, &agents)
      _ = agents.end(Incarnation(incarnation), nowNs: 2)
      most = max(most, agents.count)
    }
    #expect(most == 10 && agents.unseen == 995)
    let kept = Set(agents.show(nowNs: 3).shown.map(\.incarnation.value))
    #expect(kept == Set(1...5).union(1095..<1100))
  }

  @Test("those that live need none of that room, however many they are")
  func living() {
    var agents = WatchedAgents(keptNs: Self.keptNs, bytesMax: 10 * Self.least)
    for incarnation in 1...100 as ClosedRange<UInt64> { Self.comes(incarnation, &agents) }
    _ = agents.end(Incarnation(1), nowNs: 1)
    #expect(agents.count == 100 && agents.unseen == 0)
  }

  @Test("what has ended is forgotten in time by whatever happens next, without a look")
  func time() throws {
    var agents = WatchedAgents(keptNs: Self.keptNs)
    weak var mapped: PeerSegment?
    do {
      let table = CounterTable(agent: Self.id)
      table.begin(incarnation: 5)
      _ = table.open(.sent("ticks", stream: 3))
      let part = try #require(table.parts.first)
      let segment = try PeerSegment(
        consuming: table.duplicateDescriptor(of: 0), announced: UInt64(part.bytes))
      mapped = segment
      _ = agents.tell(Self.frame(5), nowNs: 0) { view in
        (try? view.add(segment, part: 0)) == nil ? "refused" : nil
      }
    }
    _ = agents.end(Incarnation(5), nowNs: 10)
    Self.comes(6, at: 1009, &agents)
    #expect(mapped != nil && agents.count == 2)
    Self.comes(7, at: 1010, &agents)
    #expect(mapped == nil && agents.count == 2 && agents.unseen == 1)
  }

  @Test("what a look has shown is not counted as unseen, nor who comes back")
  func seen() {
    var agents = WatchedAgents(keptNs: Self.keptNs)
    for incarnation in 1...3 as ClosedRange<UInt64> { Self.comes(incarnation, &agents) }
    _ = agents.end(Incarnation(1), nowNs: 10)
    let look = Self.look(&agents, at: 20)
    #expect(look.agents.count(where: \.hasEnded) == 1)
    _ = agents.end(Incarnation(2), nowNs: 30)
    Self.comes(2, at: 40, &agents)
    Self.comes(3, at: 5000, &agents)
    #expect(agents.count == 2 && agents.unseen == 0)
    let later = Self.look(&agents, at: 5000)
    #expect(later.agents.count(where: \.hasEnded) == 0)
  }

  @Test("who is not named has ended when the grace is over, and is forgotten in time")
  func listing() {
    var agents = WatchedAgents(keptNs: Self.keptNs)
    for incarnation in 1...2 as ClosedRange<UInt64> { Self.comes(incarnation, &agents) }
    agents.beginListing()
    Self.comes(1, at: 5, &agents)
    _ = agents.endListing(nowNs: 10, graceNs: 100)
    let during = Self.look(&agents, at: 109)
    #expect(during.agents.count(where: \.hasEnded) == 0)
    let after = Self.look(&agents, at: 110)
    #expect(after.agents.count(where: \.hasEnded) == 1)
    Self.comes(1, at: 1110, &agents)
    #expect(agents.count == 1)
  }

  @Test("those whom a listing does not name take room, too, once nobody waits for them")
  func listingRoom() {
    var agents = WatchedAgents(keptNs: Self.keptNs, bytesMax: 10 * Self.least)
    for incarnation in 1...100 as ClosedRange<UInt64> { Self.comes(incarnation, &agents) }
    agents.beginListing()
    for incarnation in 81...100 as ClosedRange<UInt64> { Self.comes(incarnation, &agents) }
    _ = agents.endListing(nowNs: 10, graceNs: 0)
    #expect(agents.count == 30 && agents.unseen == 70)
    agents.beginListing()
    _ = agents.endListing(nowNs: 20, graceNs: 100)
    #expect(agents.count == 30, "they may come back")
    Self.comes(81, at: 60, &agents)
    _ = agents.end(Incarnation(500), nowNs: 120)
    #expect(agents.count == 11 && agents.unseen == 89)
  }

  @Test("what readers that have ended left is found by reading each row once, whoever reads whom")
  func left() throws {
    let streams: UInt64 = 200
    let table = CounterTable(agent: Self.id)
    table.begin(incarnation: 5)
    var sent: [CounterRow] = []
    for stream in 1...streams {
      sent.append(table.open(.sent("ticks", stream: stream)))
      _ = table.open(
        .received(
          "ticks", mode: .lossless, from: "agent", peerIncarnation: 5, stream: stream,
          attachment: stream), start: 4)
    }
    for row in sent { row.show(messages: 10, bytes: 10) }
    var agents = WatchedAgents(keptNs: Self.keptNs)
    try Self.show(table, of: 5, &agents)
    _ = agents.end(Incarnation(5), nowNs: 1)
    let first = Self.look(&agents, at: 2)
    // Once for each direction; one row more of each for the channel's past.
    #expect(first.tries == 2 * (2 * Int(streams) + 2))
    #expect(first.left[Incarnation(5)]?.count == Int(streams))
    for row in sent { row.show(messages: 50, bytes: 50) }
    let second = Self.look(&agents, at: 3)
    #expect(second.left.isEmpty)
    for look in [first, second] {
      let rows = look.agents[0].rows.filter {
        $0.identity.direction == .received && $0.state == .live
      }
      #expect(rows.count == Int(streams) && look.agents[0].rows.count == 2 * Int(streams) + 2)
      #expect(rows.allSatisfy { $0.counts.dropped(.left) == 6 })
    }
  }
}
