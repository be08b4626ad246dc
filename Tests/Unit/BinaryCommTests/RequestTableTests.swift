import BinaryComm
import BusWire
import Testing

@Suite("Requests in flight")
struct RequestTableTests {
  private static func request(
    _ peer: Int? = nil, _ lane: Lane = .normal, until deadlineNs: UInt64? = nil
  ) -> PendingRequest {
    PendingRequest(to: peer, named: 0, lane, deadlineNs: deadlineNs)
  }

  private static func add(
    _ request: PendingRequest, _ table: inout RequestTable
  ) throws -> UInt32 {
    let id = table.add(request)
    return try #require(id)
  }

  @Test("an id is never 0, not given twice while it waits, and skipped where its place is taken")
  func ids() {
    var table = RequestTable(room: 1, lastId: UInt32.max - 1)
    #expect(table.capacity == 64)
    let first = table.add(Self.request())
    let second = table.add(Self.request())
    #expect(first == UInt32.max && second == 1)
    for _ in 2..<64 { _ = table.add(Self.request()) }
    #expect(table.count == 64)
    let none = table.add(Self.request())
    #expect(none == nil)
    // One place is free: its next id is the only one that fits.
    table.remove(1)
    let again = table.add(Self.request())
    #expect(again == 65)
    let (old, gone) = (table.find(UInt32.max) != nil, table.find(1) == nil)
    #expect(old && gone)
    let zero = table.find(0) == nil
    #expect(zero)
  }

  @Test("room is rounded up to a power of two")
  func rooms() {
    let capacities = [1, 64, 65, 1000, 4096].map { RequestTable(room: $0, lastId: 0).capacity }
    #expect(capacities == [64, 64, 128, 1024, 4096])
  }

  @Test("a request is known by its lane, its peer and its number once it was sent")
  func sent() throws {
    var table = RequestTable(room: 64, lastId: 0)
    let id = try Self.add(Self.request(nil, .urgent), &table)
    let header = OutboundHeader(type: .request, correlationId: id)
    let before = (table.find(id)?.peer, table.wants(header))
    #expect(before.0 == nil && before.1)
    table.sent(id, to: 3, 9)
    let known = table.find(id)
    let found = try #require(known)
    #expect(found.peer == 3 && found.number == 9 && found.recipient == 0)
    #expect(found.isIn(LaneKey(peer: 3, lane: .urgent)))
    #expect(!found.isIn(LaneKey(peer: 3, lane: .normal)))
    table.remove(id)
    // Of a request that ended meanwhile.
    table.sent(id, to: 4, 10)
    let after = (table.find(id) == nil, table.wants(header), table.count)
    #expect(after.0 && !after.1 && after.2 == 0)
    let event = table.wants(OutboundHeader(type: .event))
    #expect(event)
  }

  @Test("those whose time is over are told once it is, and the next is looked for a millisecond on")
  func expiry() throws {
    var table = RequestTable(room: 64, lastId: 0)
    let never = try Self.add(Self.request(), &table)
    let untimed = table.nextExpiryNs
    #expect(untimed == nil)
    let late = try Self.add(Self.request(until: 5000), &table)
    let soon = try Self.add(Self.request(until: 1000), &table)
    let early = (table.nextExpiryNs, table.expired(999).count)
    #expect(early.0 == 1000 && early.1 == 0)
    let over = table.expired(1000).map(\.correlationId)
    #expect(over == [soon])
    table.remove(soon)
    let paused = (table.nextExpiryNs, table.expired(6000).count)
    #expect(paused.0 == 1_001_000 && paused.1 == 0)
    let then = table.expired(1_001_000).map(\.correlationId)
    #expect(then == [late])
    table.remove(late)
    let rest = (table.nextExpiryNs, table.all { _ in true }.map(\.correlationId))
    #expect(rest.0 == nil && rest.1 == [never])
  }

  @Test("an id may be passed without a request")
  func pass() throws {
    var table = RequestTable(room: 64, lastId: 6)
    let passed = table.passId()
    let next = table.add(Self.request())
    #expect(passed == 7 && next == 8)
    for _ in 1..<64 { _ = table.add(Self.request()) }
    let full = table.passId()
    #expect(full == nil)
  }
}
