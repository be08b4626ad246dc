import BinaryComm
import Testing

@Suite("When a name that a router refused is asked for again")
struct NameRetryTests {
  @Test("after a second, and ever later up to half a minute")
  func pauses() {
    var nowNs: UInt64 = 5
    var pauses: [UInt64] = []
    var retry: NameRetry?
    for _ in 0..<8 {
      let next = NameRetry(after: retry, nowNs)
      pauses.append((next.atNs - nowNs) / 1_000_000_000)
      (retry, nowNs) = (next, next.atNs)
    }
    #expect(pauses == [1, 2, 4, 8, 16, 30, 30, 30])
  }
}
