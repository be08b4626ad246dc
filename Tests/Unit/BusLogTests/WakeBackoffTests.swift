import BusLog
import Testing

@Suite("Waking a reader that is never found asleep")
struct WakeBackoffTests {
  @Test("is tried at the next two commits, then each time the bytes have doubled")
  func doubling() {
    var backoff = WakeBackoff()
    var committed: UInt64 = 1 << 40
    backoff.begin(committed: committed)
    var tries: [UInt64] = []
    for message in 1...100_000 as ClosedRange<UInt64> {
      committed += 128
      guard backoff.isDue(committed: committed) else { continue }
      tries.append(message)
      backoff.missed(committed: committed)
    }
    #expect(tries.prefix(4) == [1, 2, 3, 5])
    #expect(tries.count < 20, "\(tries)")
  }

  @Test("begins anew with another epoch, and never goes over the largest number")
  func again() {
    var backoff = WakeBackoff()
    for _ in 0..<200 { backoff.missed(committed: 5) }
    #expect(!backoff.isDue(committed: 1 << 50))
    backoff.begin(committed: 1 << 50)
    #expect(backoff.isDue(committed: 1 << 50))
  }
}
