import BasicContainers
import BusLog
import BusMemory
import BusSystem
import BusWire
import Glibc

extension Reader {
  /// Waits by the reader's strategy until there may be something to poll; false at the timeout.
  ///
  /// Also false when a signal ended the sleep: a program can look at what its handler noted.
  /// Throws `closed` when the agent was closed.
  public mutating func wait(timeout: Duration) throws(BusError) -> Bool {
    guard !isClosed else { throw .closed("this reader was closed") }
    if hasNews() { return true }
    let end = Deadline(after: timeout)
    switch strategy {
    case .spin: return spin(until: end)
    case .adaptive: return yieldBriefly() || sleep(until: end)
    case .sleep: return sleep(until: end)
    }
  }

  private func spin(until end: Deadline) -> Bool {
    while true {
      for _ in 0..<max(1, Self.rounds(512, over: streams.count)) where hasNews() { return true }
      if end.isOver { return false }
    }
  }

  /// A short spin, then a few turns for whoever else wants this core.
  private func yieldBriefly() -> Bool {
    for _ in 0..<Self.rounds(64, over: streams.count) {
      if hasNews() { return true }
      relax()
    }
    for _ in 0..<Self.rounds(8, over: streams.count) {
      sched_yield()
      if hasNews() { return true }
    }
    return false
  }

  /// How many of so many rounds over all streams are worth their looks.
  ///
  /// All of them for up to eight streams, and never more looks than those: a reader of a thousand
  /// idle streams costs as little as one of a few, and sleeps at once.
  package static func rounds(_ most: Int, over streams: Int) -> Int {
    streams <= 8 ? most : most * 8 / streams
  }

  private mutating func sleep(until end: Deadline) -> Bool {
    guard let epoch = core.epoch else { return spin(until: end) }
    while !end.isOver {
      fillWatches()
      let marked = epoch.announce(ownWord: watches.count > ReaderEpoch.watchesMax)
      ReaderEpoch.barrier()
      let ended = hasNews() ? .woken : park(epoch, marked, until: end)
      epoch.awake()
      if hasNews() {
        lastNewsNs = HostClock.monotonicNs()
        return true
      }
      if ended == .interrupted { return false }
    }
    return false
  }

  /// Sleeps on under one mark for as long as only the bound of a sleep is over.
  private func park(
    _ epoch: ReaderEpoch, _ marked: UInt32, until end: Deadline
  ) -> ReaderEpoch.SleepEnd {
    while true {
      let now = HostClock.monotonicNs()
      guard now < end.ns else { return .timedOut }
      let most = min(end.ns - now, bound(now))
      let ended = epoch.sleep(marked: marked, watches: watches, timeoutNs: most)
      if ended != .timedOut || hasNews() { return ended }
    }
  }

  /// How long to sleep at most: a hostile reader of the same log can requeue our wait away.
  ///
  /// Idle readers look less and less often, so that a hundred of them cost nothing: they sleep for
  /// a quarter of the time that nothing came, up to a second.
  private func bound(_ now: UInt64) -> UInt64 {
    let idle = now > lastNewsNs ? now - lastNewsNs : 0
    return idle < 1_000_000_000 ? 50_000_000 : min(idle / 4, 1_000_000_000)
  }
}
