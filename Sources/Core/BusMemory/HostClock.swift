import CBusABI
public import CBusPlatform
import Glibc

/// Nanoseconds since the Unix epoch, read from the CPU's counter by the router's calibration.
///
/// The router writes slope and base into a read-only page (a seqlock) that every agent maps, so
/// that timestamps of different processes compare. Where the counter cannot serve as a clock, or
/// an agent found the page off, the kernel is asked: 22 ns instead of 10.
///
/// ```swift
/// var clock = HostClock(page: page)
/// let stamp = clock.unixNs()
/// ```
@frozen @safe
public struct HostClock: @unchecked Sendable {
  // @unchecked Sendable: a copy of plain numbers and memory that `page` or `cell` keeps alive.
  let page: PeerSegment?
  let cell: SharedClock?
  let base: UnsafeRawPointer?
  @usableFromInline let versionWord: WatchedWord64?
  @usableFromInline var version: UInt64 = 0
  @usableFromInline var ticksBase: UInt64 = 0
  @usableFromInline var mult: UInt64 = 0
  @usableFromInline var unixBase: UInt64 = 0
  @usableFromInline var monotonicBase: UInt64 = 0

  /// A clock that asks the kernel.
  public init() {
    page = nil
    cell = nil
    unsafe base = nil
    versionWord = nil
  }

  /// A clock by the router's page; asks the kernel when the page breaks the layout.
  public init(page: PeerSegment) {
    let head = (try? page.word64(at: 0))?.loadRelaxed() ?? 0
    guard UInt32(truncatingIfNeeded: head) == BUS_CLOCK_MAGIC,
      UInt16(truncatingIfNeeded: head >> 32) == UInt16(BUS_LAYOUT_VERSION)
    else {
      self.init()
      return
    }
    unsafe self.init(base: page.lentBase, page: page, cell: nil)
  }

  /// A clock by words laid out as in the router's page, which `page` or `cell` keeps alive.
  init(base: UnsafeRawPointer, page: PeerSegment?, cell: SharedClock?) {
    let offset = MemoryLayout<bus_clock_page_t>.offset(of: \.version) ?? 8
    unsafe self.base = base
    self.page = page
    self.cell = cell
    versionWord = unsafe WatchedWord64(at: base + offset)
    version = 1
    refresh()
  }

  /// Nanoseconds since the Unix epoch.
  @inlinable @inline(__always)
  public mutating func unixNs() -> UInt64 {
    guard let versionWord else { return Self.kernelUnixNs() }
    if versionWord.loadRelaxed() != version { refresh() }
    guard mult != 0 else { return askKernel() }
    return unixNs(ticks: plat_ticks())
  }

  /// Wall and monotonic time of one moment, for the price of one look.
  @inlinable @inline(__always)
  public mutating func now() -> HostTime {
    guard let versionWord else { return HostTime.kernel() }
    if versionWord.loadRelaxed() != version { refresh() }
    guard mult != 0 else { return askKernelForBoth() }
    let passed = sinceBase(ticks: plat_ticks())
    return HostTime(unixNs: unixBase &+ passed, monotonicNs: monotonicBase &+ passed)
  }

  /// As ``askKernel()``, of both clocks.
  @usableFromInline @inline(never)
  func askKernelForBoth() -> HostTime {
    cell?.noteWanted()
    return HostTime.kernel()
  }

  /// The kernel's time, for want of a better one; a cell that rests learns that it is wanted.
  @usableFromInline @inline(never)
  func askKernel() -> UInt64 {
    cell?.noteWanted()
    return Self.kernelUnixNs()
  }

  /// Converts a counter value to nanoseconds since the Unix epoch.
  @inlinable @inline(__always)
  public func unixNs(ticks: UInt64) -> UInt64 { unixBase &+ sinceBase(ticks: ticks) }

  /// Nanoseconds from the page's last correction to a counter value.
  @inlinable @inline(__always)
  func sinceBase(ticks: UInt64) -> UInt64 {
    // Two counters of one host may differ by a few ticks: before the base counts as at the base.
    let passed = ticks > ticksBase ? ticks &- ticksBase : 0
    let product = passed.multipliedFullWidth(by: mult)
    return product.high << 32 | product.low >> 32
  }

  /// Nanoseconds that a number of counter ticks lasts; nil while the kernel is asked instead.
  public func nanoseconds(ticks: UInt64) -> UInt64? {
    guard mult != 0 else { return nil }
    let product = ticks.multipliedFullWidth(by: mult)
    return product.high << 32 | product.low >> 32
  }

  /// Reads the page again, as one consistent copy.
  @usableFromInline
  mutating func refresh() {
    guard let base = unsafe base, let versionWord else { return }
    // A router that died in the middle of writing leaves the version odd: then the last good copy
    // stays, and after a hundred looks this call gives up until the next.
    for _ in 0..<100 {
      let before = versionWord.loadAcquire()  // SYNC: clock.page
      guard before & 1 == 0 else { continue }
      var words = (UInt64(0), UInt64(0), UInt64(0), UInt64(0), UInt64(0), UInt64(0), UInt64(0))
      unsafe withUnsafeMutableBytes(of: &words) { copy in
        unsafe plat_copy_racing(copy.baseAddress, base, 7)
      }
      let after = versionWord.loadAcquireAfterLoads()
      guard before == after else { continue }
      version = before
      let usable = words.0 >> 48 != 0
      (ticksBase, mult) = (words.2, usable ? words.3 : 0)
      (unixBase, monotonicBase) = (words.4, words.5)
      return
    }
  }

  /// CLOCK_REALTIME in nanoseconds.
  public static func kernelUnixNs() -> UInt64 { read(CLOCK_REALTIME) }

  /// CLOCK_MONOTONIC in nanoseconds: for timeouts and deadlines.
  public static func monotonicNs() -> UInt64 { read(CLOCK_MONOTONIC) }

  private static func read(_ clock: clockid_t) -> UInt64 {
    var time = timespec()
    unsafe clock_gettime(clock, &time)
    return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
  }
}
