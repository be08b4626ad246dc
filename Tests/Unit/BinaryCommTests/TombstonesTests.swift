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
    stones.add(Self.stone(7, 10), seen: 0)
    stones.add(Self.stone(8, 20), seen: 0)
    let answers = [(7, 9), (8, 10), (7, 10), (7, 10), (8, 20), (8, 20)].map { id, number in
      stones.take(Self.stone(UInt32(id), UInt64(number)))
    }
    #expect(answers == [false, false, true, false, true, false])
    #expect(stones.isEmpty)
  }

  @Test("what one log is past is found in the next, whose numbers begin anew")
  func anew() {
    var stones = Tombstones()
    stones.add(Self.stone(7, 3), seen: 100)
    // The last messages of the log before.
    let before = stones.take(Self.stone(1, 100))
    let other = stones.take(Self.stone(2, 3))
    let own = stones.take(Self.stone(7, 3))
    #expect(!before && !other && own && stones.isEmpty)
  }

  @Test("of those whose place was passed the newest are kept, of the others all")
  func passed() {
    var stones = Tombstones()
    stones.add(Self.stone(1, 1 << 40), seen: 0)
    let last = UInt32(4 * Tombstones.passedMost)
    for id in 2...last { stones.add(Self.stone(id, UInt64(id)), seen: UInt64(id) + 1) }
    var all = stones
    let awaited = all.take(Self.stone(1, 1 << 40))
    stones.add(Self.stone(1, 0), seen: 1 << 41)
    let oldest = stones.take(Self.stone(2, 2))
    let newest = stones.take(Self.stone(last, UInt64(last)))
    #expect(awaited && !oldest && newest)
  }

  @Test("of too many the oldest is forgotten; the same one again takes no place")
  func bound() {
    var stones = Tombstones()
    stones.add(Self.stone(0, 1 << 40), seen: 0)
    for id in 1..<Tombstones.most { stones.add(Self.stone(UInt32(id), 1 << 50), seen: 0) }
    let before = allocation_count()
    for _ in 0..<100_000 { stones.add(Self.stone(1, 1 << 50), seen: 0) }
    #expect(allocation_count() == before)
    var full = stones
    full.add(Self.stone(1 << 20, 1 << 50), seen: 0)
    let (kept, lost) = (
      stones.take(Self.stone(0, 1 << 40)), full.take(Self.stone(0, 1 << 40))
    )
    #expect(kept && !lost)
  }
}
