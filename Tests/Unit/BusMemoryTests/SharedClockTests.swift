import BusMemory
import CBusPlatform
import Glibc
import Synchronization
import Testing

@Suite("An agent's copy of the clock page")
struct ClockCellTests {
  /// A page by this machine's counter that is ahead of the kernel: its wall clock by `offNs`, its
  /// monotonic one by `monotonicOffNs`.
  private func page(offNs: UInt64, monotonicOffNs: UInt64 = 0) throws -> ClockPage {
    let page = try ClockPage()
    let (ticks, ns) = (plat_ticks(), HostClock.monotonicNs())
    usleep(20_000)
    let (passedNs, passed) = (HostClock.monotonicNs() - ns, plat_ticks() - ticks)
    let mult = UInt64(Double(passedNs) / Double(passed) * 4_294_967_296)
    let now = HostTime.kernel()
    page.set(
      ticksBase: plat_ticks(), mult: mult, unixBase: now.unixNs + offNs,
      monotonicBase: now.monotonicNs + monotonicOffNs)
    return page
  }

  private func isKernels(_ clock: inout HostClock) -> Bool {
    let before = HostClock.kernelUnixNs()
    let value = clock.unixNs()
    return before <= value && value <= HostClock.kernelUnixNs()
  }

  /// A page that is a millisecond ahead is told from the kernel, unless this thread pauses for that
  /// long in the middle: then the next try tells.
  private func isPages(_ clock: inout HostClock) -> Bool {
    for _ in 0..<100 where !isKernels(&clock) { return true }
    return false
  }

  @Test("a page that is a little off is believed, one that is far off is not")
  func tolerance() throws {
    let near = SharedClock()
    near.adopt(try page(offNs: 1_000_000).peer())
    var clock = near.clock()
    #expect(isPages(&clock))
    let far = SharedClock()
    far.adopt(try page(offNs: 1_000_000_000).peer())
    clock = far.clock()
    #expect(isKernels(&clock))
    #expect((far.check() ?? 0) > SharedClock.toleranceNs)
  }

  @Test("a page whose monotonic clock is far off is not believed")
  func monotonic() throws {
    let cell = SharedClock()
    cell.adopt(try page(offNs: 0, monotonicOffNs: 1_000_000_000).peer())
    var clock = cell.clock()
    #expect((cell.check() ?? 0) > SharedClock.toleranceNs)
    let now = clock.now()
    #expect(now.monotonicNs <= HostClock.monotonicNs())
    cell.adopt(try page(offNs: 0).peer())
    #expect((cell.check() ?? .max) <= SharedClock.toleranceNs)
  }

  @Test("a cell that rests sends its clocks to the kernel, and says once that it is wanted")
  func rest() throws {
    let told = Told()
    let cell = SharedClock { told.note() }
    cell.adopt(try page(offNs: 1_000_000).peer())
    var clock = cell.clock()
    #expect(isPages(&clock) && !cell.isResting)
    for rest in 1...2 {
      cell.rest()
      #expect(cell.isResting && told.times == rest - 1, "nobody asked yet")
      #expect(isKernels(&clock))
      #expect(!cell.isResting && told.times == rest)
      #expect(isKernels(&clock), "not checked yet")
      #expect(told.times == rest, "once")
      #expect(cell.check() != nil)
      #expect(isPages(&clock) && told.times == rest)
    }
  }
}

private final class Told: Sendable {
  private let calls = Mutex(0)
  func note() { calls.withLock { $0 += 1 } }
  var times: Int { calls.withLock { $0 } }
}
