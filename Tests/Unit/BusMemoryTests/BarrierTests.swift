import BusTestSupport
import CBusPlatform
import Glibc
import Testing

@Suite("A barrier in all threads of a process")
struct BarrierTests {
  @Test("with membarrier, and by memory protection where a kernel has none")
  func both() async {
    await #expect(processExitsWith: .success) { barriers(by: 1) }
    await #expect(processExitsWith: .success) {
      plat_forbid(PLAT_NO_MEMBARRIER)
      barriers(by: 1)
    }
  }

  @Test("several threads may make one by memory protection at the same time")
  func atTheSameTime() async {
    await #expect(processExitsWith: .success) {
      plat_forbid(PLAT_NO_MEMBARRIER)
      barriers(by: 4)
    }
  }
}

/// Makes barriers from some threads at once; ends the process where one of them fails.
private func barriers(by threads: Int) {
  var running: [pthread_t] = []
  for _ in 0..<threads {
    var thread = pthread_t()
    let made = unsafe pthread_create(
      &thread, nil,
      { _ in
        for _ in 0..<4000 {
          guard plat_barrier_own_threads() >= 0 else { fatalError("no barrier was made") }
        }
        return nil
      }, nil)
    guard made == 0 else { fatalError("no thread was made") }
    running.append(thread)
  }
  Watchdog.bounding("barriers by \(threads) threads", seconds: 60) {
    for thread in running { pthread_join(thread, nil) }
  }
}
