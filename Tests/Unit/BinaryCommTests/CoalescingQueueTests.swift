import BinaryComm
import Testing

@Suite("A queue of the newest of each key")
struct CoalescingQueueTests {
  @Test("keeps one element of a key however often it changes, behind all that came before it")
  func newest() {
    var queue = CoalescingQueue<String, Int>()
    queue.append(-1)
    for round in 0..<10_000 {
      queue.append(round, key: round % 2 == 0 ? "even" : "odd")
      if round == 5000 { queue.append(-2) }
      #expect(queue.count <= 4)
    }
    queue.append(-3)
    let all = queue.drain()
    #expect(all == [-1, -2, 9998, 9999, -3])
    let again = queue.drain()
    #expect(again.isEmpty)
  }

  @Test("a newer word of a key does not come before what was said meanwhile")
  func order() {
    var queue = CoalescingQueue<String, String>()
    queue.append("x answers", key: "answers")
    queue.append("x is gone")
    queue.append("x answers again", key: "answers")
    let all = queue.drain()
    #expect(all == ["x is gone", "x answers again"])
  }
}
