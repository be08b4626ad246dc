import BusMemory
import CBusABI
import CBusPlatform
import Glibc
import Synchronization

/// The page by which all processes of the host turn the CPU's counter into the time of day.
///
/// Each correction starts where the former one led to, and only bends the slope so that the page
/// meets the kernel's clock again some seconds later: time never steps.
struct ClockPage: ~Copyable {
  private let segment: OwnedSegment
  private let version: OwnedWord64
  private var last: Sample
  private var nsPerTick = 0.0
  private var unixAtLast: UInt64 = 0
  private(set) var isUsable: Bool

  /// Makes the page and takes a first look at the clocks.
  static func make() throws(RouterFailure) -> ClockPage {
    do {
      let page = ClockPage(
        segment: try OwnedSegment(name: "bcs-clock", bytes: Int(BUS_CLOCK_BYTES)))
      try page.segment.seal()
      return page
    } catch {
      throw RouterFailure("No shared memory for the clock page: \(error.message).")
    }
  }

  private init(segment: consuming OwnedSegment) {
    version = unsafe OwnedWord64(at: segment.base + 8)
    self.segment = segment
    isUsable = plat_ticks_constant() == 1
    last = Sample.now()
    unixAtLast = last.unixNs
    writeHead()
  }

  /// A descriptor of the page for the table, which closes it.
  borrowing func duplicate() -> Int32 { fcntl(segment.descriptor, F_DUPFD_CLOEXEC, 0) }

  /// Looks at the clocks again and bends the slope; at the start, and then about once a second.
  mutating func calibrate() {
    guard isUsable else { return }
    let now = Sample.now()
    let ticks = now.ticks &- last.ticks
    guard ticks > 0, now.monotonicNs > last.monotonicNs else { return }
    let measured = Double(now.monotonicNs &- last.monotonicNs) / Double(ticks)
    let isFirst = nsPerTick == 0
    // The page's own time now, by the slope that readers used since the last look.
    let here =
      isFirst ? now.unixNs : unixAtLast &+ UInt64(Double(ticks) * nsPerTick)
    let error = Double(Int64(bitPattern: now.unixNs &- here))
    // Met again after four seconds, but never bent by more than 500 ppm; a clock that somebody
    // set by more than a tenth of a second is followed faster, still without a step.
    let most = abs(error) < 100_000_000 ? 0.0005 : 0.05
    let bend = max(-most, min(most, error / 4_000_000_000))
    nsPerTick = measured * (1 + bend)
    unixAtLast = here
    last = now
    publish()
  }

  private borrowing func word(_ offset: Int) -> OwnedWord64 {
    unsafe OwnedWord64(at: segment.base + offset)
  }

  private borrowing func writeHead() {
    let usable: UInt64 = isUsable ? 1 : 0
    word(0).storeRelaxed(
      UInt64(BUS_CLOCK_MAGIC) | UInt64(BUS_LAYOUT_VERSION) << 32 | usable << 48)
  }

  private borrowing func publish() {
    let before = version.loadRelaxed()
    version.storeRelaxed(before &+ 1)
    atomicMemoryFence(ordering: .releasing)
    word(16).storeRelaxed(last.ticks)
    word(24).storeRelaxed(UInt64(nsPerTick * 4_294_967_296))
    word(32).storeRelaxed(unixAtLast)
    word(40).storeRelaxed(last.monotonicNs)
    word(48).storeRelaxed(UInt64(1_000_000_000 / nsPerTick))
    version.storeRelease(before &+ 2)  // SYNC: clock.page
  }
}

/// The counter and the kernel's clocks, read as close together as they can be.
private struct Sample {
  var ticks: UInt64 = 0
  var unixNs: UInt64 = 0
  var monotonicNs: UInt64 = 0

  static func now() -> Sample {
    var best = Sample()
    var narrowest = UInt64.max
    for _ in 0..<16 {
      let before = plat_ticks()
      let unix = HostClock.kernelUnixNs()
      let monotonic = HostClock.monotonicNs()
      let after = plat_ticks()
      guard after &- before < narrowest else { continue }
      narrowest = after &- before
      best = Sample(
        ticks: before &+ narrowest / 2, unixNs: unix, monotonicNs: monotonic)
    }
    return best
  }
}
