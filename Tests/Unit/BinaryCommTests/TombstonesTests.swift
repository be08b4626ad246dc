import BinaryComm
import CAllocationCount
import Testing

@Suite("Cancels that come before their requests")
struct TombstonesTests {
  private static func stone(_ id: UInt32, _ number: UInt64) -> Tombstone {
    Tombstone(correlationId: id, number: number)
  }

  @Test("a request is cancelled once, by its own id and place alone")
  func once() {
    var stones = Tombstones()
    stones.add(Self.stone(7, 10))
    stones.add(Self.stone(8, 20))
    let answers = [(7, 9), (8, 10), (7, 10), (7, 10), (8, 20), (8, 20)].map { id, number in
      stones.take(Self.stone(UInt32(id), UInt64(number)))
    }
    #expect(answers == [false, false, true, false, true, false])
    #expect(stones.isEmpty)
  }

  @Test("what lies before a request is not awaited when nothing behind it is")
  func passed() {
    var stones = Tombstones()
    for number in 0..<10 { stones.add(Self.stone(1, UInt64(number))) }
    _ = stones.take(Self.stone(2, 8))
    #expect(!stones.isEmpty)
    _ = stones.take(Self.stone(2, 9))
    #expect(stones.isEmpty)
  }

  @Test("of too many the oldest is forgotten; the same one again takes no place")
  func bound() {
    var stones = Tombstones()
    stones.add(Self.stone(0, 1 << 40))
    for id in 1..<Tombstones.most { stones.add(Self.stone(UInt32(id), 1 << 50)) }
    let before = allocation_count()
    for _ in 0..<100_000 { stones.add(Self.stone(1, 1 << 50)) }
    #expect(allocation_count() == before)
    var full = stones
    full.add(Self.stone(1 << 20, 1 << 50))
    let (kept, lost) = (
      stones.take(Self.stone(0, 1 << 40)), full.take(Self.stone(0, 1 << 40))
    )
    #expect(kept && !lost)
  }
}
