import BinaryComm
import BusLog
import BusTestSupport
import BusWire
import CBusPlatform
import ProcessSupport
import Testing

@Suite("A publisher that loses its barrier", .serialized)
struct LostBarrierTests {
  @Test("lets no lossless reader in, and says what to do")
  func lostAfterwards() async {
    await #expect(processExitsWith: .success) { try join(barrierLost: .afterPublisher) }
  }

  @Test("while one that never had it fences each claim and lets readers in")
  func neverHad() async {
    await #expect(processExitsWith: .success) { try join(barrierLost: .beforePublisher) }
  }
}

private enum BarrierLost { case beforePublisher, afterPublisher }

/// A lossless and a lossy reader join a publisher whose process may not call membarrier any more,
/// as under a filter of system calls that came with a library.
private func join(barrierLost moment: BarrierLost) throws {
  try Watchdog.bounding("a reader joins without barrier", seconds: 60) {
    let bus = try ClientBus()
    let writer = try bus.agent("writer")
    let listener = try bus.agent("listener")
    if moment == .beforePublisher { plat_forbid(PLAT_NO_MEMBARRIER) }
    var publisher = try writer.publisher(on: "ticks")
    if moment == .afterPublisher { plat_forbid(PLAT_NO_MEMBARRIER) }
    var lossy = try listener.reader("ticks", mode: .lossy)
    var lossless = try listener.reader("ticks", mode: .lossless)
    try publisher.publish("ticks", numbered(7))
    guard try lossy.take(1) == [7] else { fatalError("a lossy reader needs no barrier") }
    switch moment {
    case .beforePublisher:
      guard try lossless.take(1) == [7] else { fatalError("a fenced claim needs no barrier") }
    case .afterPublisher:
      var error: BusError?
      while error == nil {
        error = failure { () throws(BusError) in
          _ = try lossless.poll { _ in fatalError("a reader without its publisher's barrier") }
        }
      }
      guard error?.code == .evicted, error?.detail.contains("membarrier") == true else {
        fatalError("unclear: \(String(describing: error))")
      }
    }
  }
}
