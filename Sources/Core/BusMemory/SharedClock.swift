import CBusABI
import CBusPlatform
import Glibc
import Synchronization

/// An agent's own copy of the router's clock page, checked against the kernel.
///
/// Its publishers read the time by this copy: it outlives the router, and one thread checks it once
/// a second and makes all of them ask the kernel instead when it is off. While nothing is published
/// the cell rests: nobody need check it, the next publisher asks the kernel and says that the cell
/// is wanted again. So a copy that nobody checks is never believed.
@safe
public final class SharedClock: @unchecked Sendable {
  // @unchecked Sendable: words are atomic; one service thread writes.
  private let words: UnsafeMutableRawPointer
  private let page = Mutex<PeerSegment?>(nil)
  private let rests = Atomic<Bool>(false)
  private let onWanted: @Sendable () -> Void

  /// How far the page's time may be from the kernel's before it is not believed.
  public static let toleranceNs: UInt64 = 2_000_000

  /// A cell that makes clocks ask the kernel until a page is adopted.
  ///
  /// `onWanted` is called, on the thread that wants the time, once per rest.
  public init(onWanted: @escaping @Sendable () -> Void = {}) {
    self.onWanted = onWanted
    unsafe words = .allocate(byteCount: Int(BUS_CLOCK_BYTES), alignment: 64)
    unsafe words.initializeMemory(as: UInt8.self, repeating: 0, count: Int(BUS_CLOCK_BYTES))
  }

  deinit { unsafe words.deallocate() }

  /// Takes the page of a router, a first one or the next.
  public func adopt(_ segment: PeerSegment) {
    page.withLock { $0 = segment }
    check()
  }

  /// True from ``rest()`` until a clock of this cell was asked for the time, or the next check.
  public var isResting: Bool { rests.load(ordering: .acquiring) }

  /// Makes clocks of this cell ask the kernel until the next check.
  public func rest() {
    distrust()
    rests.store(true, ordering: .releasing)
  }

  /// A clock asked the kernel: when that is because of a rest, the checking thread is told.
  func noteWanted() {
    guard rests.load(ordering: .relaxed), rests.exchange(false, ordering: .acquiringAndReleasing)
    else { return }
    onWanted()
  }

  /// Copies the page when it agrees with the kernel; else clocks of this cell ask the kernel.
  ///
  /// Returns how far the page is off in nanoseconds, nil when there is no usable page.
  @discardableResult
  public func check() -> UInt64? {
    rests.store(false, ordering: .releasing)
    let source = page.withLock { $0 }
    guard let source else { return nil }
    var clock = HostClock(page: source)
    guard clock.mult != 0 else {
      distrust()
      return nil
    }
    let theirs = clock.now()
    let ours = HostTime.kernel()
    func off(_ clock: KeyPath<HostTime, UInt64>) -> UInt64 {
      let (theirs, ours) = (theirs[keyPath: clock], ours[keyPath: clock])
      return theirs > ours ? theirs - ours : ours - theirs
    }
    let most = max(off(\.unixNs), off(\.monotonicNs))
    if most <= Self.toleranceNs { write(clock) } else { distrust() }
    return most
  }

  /// A clock for one thread.
  public func clock() -> HostClock {
    unsafe HostClock(base: UnsafeRawPointer(words), page: nil, cell: self)
  }

  private func word(_ index: Int) -> OwnedWord64 { unsafe OwnedWord64(at: words + index * 8) }

  /// Makes clocks of this cell ask the kernel.
  private func distrust() { write(HostClock()) }

  private func write(_ clock: HostClock) {
    let fresh = [clock.ticksBase, clock.mult, clock.unixBase, clock.monotonicBase]
    guard fresh.indices.contains(where: { word(2 + $0).loadRelaxed() != fresh[$0] }) else { return }
    let version = word(1).loadRelaxed()
    word(1).storeRelaxed(version &+ 1)
    atomicMemoryFence(ordering: .releasing)
    let usable: UInt64 = clock.mult == 0 ? 0 : 1 << 48
    word(0).storeRelaxed(UInt64(BUS_CLOCK_MAGIC) | UInt64(BUS_LAYOUT_VERSION) << 32 | usable)
    for index in fresh.indices { word(2 + index).storeRelaxed(fresh[index]) }
    word(1).storeRelease(version &+ 2)  // SYNC: clock.page
  }
}
