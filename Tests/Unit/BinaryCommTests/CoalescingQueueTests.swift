import BinaryComm
import Testing

@Suite("A queue of the newest of each key")
struct CoalescingQueueTests {
  @Test("keeps one element of a key however often it changes, in the place of the first")
  func newest() {
    var queue = CoalescingQueue<String, Int>()
    queue.append(-1)
    for round in 0..<10_000 { queue.append(round, key: round % 2 == 0 ? "even" : "odd") }
    queue.append(-2)
    let all = queue.drain()
    #expect(all == [-1, 9998, 9999, -2])
    let again = queue.drain()
    #expect(again.isEmpty)
  }

  @Test("what is sealed stays as it is, and what comes later stands behind")
  func sealed() {
    var queue = CoalescingQueue<String, String>()
    queue.append("a is at 1", key: "a")
    queue.append("a is refused")
    queue.seal("a")
    queue.append("a is at 2", key: "a")
    queue.append("a is at 3", key: "a")
    let all = queue.drain()
    #expect(all == ["a is at 1", "a is refused", "a is at 3"])
  }
}
