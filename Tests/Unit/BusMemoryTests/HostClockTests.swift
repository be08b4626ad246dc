import BusMemory
import CBusPlatform
import Glibc
import Testing

/// A clock page under the test's own pen, in place of the router's.
struct ClockPage: ~Copyable {
  let segment: OwnedSegment

  init(magic: UInt32 = 0x4B43_4C43, layout: UInt16 = 2, usable: UInt16 = 1) throws {
    let segment = try OwnedSegment(name: "clock", bytes: 4096)
    unsafe segment.base.storeBytes(of: magic, as: UInt32.self)
    unsafe segment.base.storeBytes(of: layout, toByteOffset: 4, as: UInt16.self)
    unsafe segment.base.storeBytes(of: usable, toByteOffset: 6, as: UInt16.self)
    try segment.seal()
    self.segment = segment
  }

  func word(_ index: Int) -> OwnedWord64 {
    unsafe OwnedWord64(at: segment.base + index * 8)
  }

  /// Writes slope and base as the router does: the version is odd in between.
  func set(ticksBase: UInt64, mult: UInt64, unixBase: UInt64, monotonicBase: UInt64 = 0) {
    let version = word(1).loadRelaxed()
    word(1).storeRelease(version + 1)
    word(2).storeRelease(ticksBase)
    word(3).storeRelease(mult)
    word(4).storeRelease(unixBase)
    word(5).storeRelease(monotonicBase)
    word(1).storeRelease(version + 2)  // SYNC: clock.page
  }

  func peer() throws -> PeerSegment {
    try PeerSegment(consuming: dup(segment.descriptor), announced: 4096)
  }
}

@Suite("The host's clock")
struct HostClockTests {
  private let half: UInt64 = 1 << 31

  @Test("ticks become nanoseconds by slope and base")
  func conversion() throws {
    let page = try ClockPage()
    page.set(ticksBase: 1000, mult: half, unixBase: 5_000_000)
    let clock = HostClock(page: try page.peer())
    #expect(clock.unixNs(ticks: 1000) == 5_000_000)
    #expect(clock.unixNs(ticks: 3000) == 5_001_000)
    #expect(clock.unixNs(ticks: 999) == 5_000_000, "before the base counts as at the base")
    #expect(clock.unixNs(ticks: 1000 + 1 << 62) == 5_000_000 + 1 << 61)
    #expect(clock.nanoseconds(ticks: 10) == 5)
  }

  @Test("both clocks go on from their bases by as much")
  func both() throws {
    let page = try ClockPage()
    page.set(
      ticksBase: plat_ticks(), mult: half, unixBase: 5_000_000_000, monotonicBase: 7_000)
    var clock = HostClock(page: try page.peer())
    let (before, now, after) = (clock.unixNs(), clock.now(), clock.unixNs())
    #expect(now.unixNs &- now.monotonicNs == 5_000_000_000 - 7_000)
    #expect(before <= now.unixNs && now.unixNs <= after)
    page.set(ticksBase: 0, mult: 0, unixBase: 0)
    let kernel = HostClock.monotonicNs()
    #expect(clock.now().monotonicNs >= kernel, "a page that says nothing: the kernel is asked")
  }

  @Test("a new calibration is taken over at the next look")
  func change() throws {
    let page = try ClockPage()
    page.set(ticksBase: 0, mult: half, unixBase: 1)
    var clock = HostClock(page: try page.peer())
    page.set(ticksBase: 0, mult: half * 2, unixBase: 7)
    #expect(clock.unixNs(ticks: 100) == 51, "not before it was looked at")
    _ = clock.unixNs()
    #expect(clock.unixNs(ticks: 100) == 107)
  }

  @Test("an odd version keeps the last good copy; without one the kernel is asked")
  func odd() throws {
    let page = try ClockPage()
    page.set(ticksBase: 0, mult: half, unixBase: 1)
    var clock = HostClock(page: try page.peer())
    page.word(1).storeRelease(3)
    page.word(4).storeRelease(999)
    _ = clock.unixNs()
    #expect(clock.unixNs(ticks: 100) == 51)
    var fresh = HostClock(page: try page.peer())
    #expect(fresh.nanoseconds(ticks: 1) == nil)
    #expect(isKernels { fresh.unixNs() })
  }

  @Test("a page that is marked unusable, or breaks the layout, leads to the kernel's clock")
  func unusable() throws {
    for page in [
      try ClockPage(usable: 0).filled(), try ClockPage(magic: 0).filled(),
      try ClockPage(layout: 3).filled(), try ClockPage(layout: 0).filled(),
    ] {
      var clock = HostClock(page: page)
      #expect(clock.nanoseconds(ticks: 1) == nil)
      #expect(isKernels { clock.unixNs() })
    }
  }

  @Test("a page that turns unusable sends its readers to the kernel")
  func turns() throws {
    let page = try ClockPage()
    page.set(ticksBase: 0, mult: half, unixBase: 1)
    var clock = HostClock(page: try page.peer())
    #expect(clock.nanoseconds(ticks: 2) == 1)
    page.word(0).storeRelease(page.word(0).loadRelaxed() & 0xFFFF_FFFF_FFFF)
    page.set(ticksBase: 0, mult: half, unixBase: 1)
    #expect(isKernels { clock.unixNs() })
  }

  @Test("the kernel's clocks are the kernel's")
  func kernel() {
    var clock = HostClock()
    #expect(isKernels { clock.unixNs() })
    let first = HostClock.monotonicNs()
    #expect(HostClock.monotonicNs() >= first && first > 0)
  }

  private func isKernels(_ read: () -> UInt64) -> Bool {
    let before = HostClock.kernelUnixNs()
    let value = read()
    return before <= value && value <= HostClock.kernelUnixNs()
  }
}

extension ClockPage {
  fileprivate consuming func filled() throws -> PeerSegment {
    set(ticksBase: 0, mult: 1 << 32, unixBase: 0)
    return try peer()
  }
}
