import BusLog
import BusMemory
import BusSystem
import CBusPlatform
import Synchronization

/// A descriptor for event loops: readable when its reader may have something to poll.
///
/// ```swift
/// let handle = try reader.pollable()
/// // when the loop says that handle.descriptor is readable:
/// handle.clear()
/// repeat { while try reader.poll({ … }) > 0 {} } while try reader.arm(handle)
/// ```
///
/// A thread of ours sleeps in the reader's place while the handle is armed, and raises the event.
/// The descriptor never leaves this process: whoever held it could block all who write to it. Keep
/// the handle for as long as a loop has its descriptor: letting go of it closes it.
public final class PollableHandle: Sendable {
  private let sentry: ReadinessMonitor

  init(_ lease: EpochLease) throws(BusError) {
    let sentry = try ReadinessMonitor(lease)
    self.sentry = sentry
    // The thread holds the sentry only, so that a handle that nobody holds any more ends it.
    guard SystemThread.start("bcs-readiness", { sentry.keepWatch() }) else {
      throw .system("no thread for a pollable handle")
    }
  }

  deinit { sentry.close() }

  /// The descriptor for an event loop's readers.
  ///
  /// Owned by this handle.
  public var descriptor: Int32 { sentry.wakeup.descriptor.number }

  /// Makes the descriptor unreadable until the next event.
  public func clear() { sentry.wakeup.clear() }

  /// Ends the thread; the descriptor stays silent from now on.
  public func close() { sentry.close() }

  func watch(_ list: WatchList, marked: UInt32) { sentry.watch(list, marked: marked) }
}

/// Who sleeps in a reader's place: what a handle and its thread share.
private final class ReadinessMonitor: Sendable {
  private struct Watch: Sendable {
    var list: WatchList
    var marked: UInt32
  }
  private struct State: Sendable {
    var watch: Watch?
    /// The thread sleeps, or is about to, for a watch that it has taken over.
    var isWatching = false
    var isClosed = false
  }
  let wakeup: EventFD
  private let lease: EpochLease
  private var epoch: ReaderEpoch { lease.epoch }
  private let state = Mutex(State())
  private let commands = LocalWord()

  init(_ lease: EpochLease) throws(BusError) {
    wakeup = try EventFD.make()
    self.lease = lease
  }

  func close() {
    state.withLock { $0.isClosed = true }
    commands.word.add(1)
    wake(commands)
    epoch.kick()
  }

  func watch(_ list: WatchList, marked: UInt32) {
    let isRearmed = state.withLock { state in
      state.watch = Watch(list: list, marked: marked)
      return state.isWatching
    }
    commands.word.add(1)
    wake(commands)
    // It sleeps under a mark that is no more, on logs that may be others now.
    if isRearmed { epoch.nudge() }
  }

  /// Sleeps in the reader's place; ends with `close()`.
  func keepWatch() {
    while true {
      let seen = commands.word.loadAcquire()
      let (watch, closed) = state.withLock { state in
        let watch = state.watch.take()
        state.isWatching = watch != nil
        return (watch, state.isClosed)
      }
      if closed { return }
      guard let watch else {
        sleep(on: commands, seen: seen)
        continue
      }
      while !watch.list.hasChanged, epoch.isUndisturbed(since: watch.marked) {
        epoch.sleep(marked: watch.marked, watches: watch.list, timeoutNs: 1_000_000_000)
      }
      if endWatch() { wakeup.signal() }
    }
  }

  /// Takes the mark of a watch back that has seen something.
  ///
  /// False when it was given up meanwhile: then the epoch bears another sleep's mark, if any.
  private func endWatch() -> Bool {
    state.withLock { state in
      state.isWatching = false
      guard !state.isClosed, state.watch == nil else { return false }
      epoch.awake()
      return true
    }
  }
}

extension Reader {
  /// A descriptor for event loops.
  ///
  /// The reader must not be of the strategy `spin`.
  public func pollable() throws(BusError) -> PollableHandle {
    guard let lease = core.lease else {
      throw .invalid("a spinning reader has no pollable handle; take adaptive or sleep")
    }
    return try PollableHandle(lease)
  }

  /// Arms the handle after a poll that found nothing; true when there is something after all, so
  /// poll again instead of waiting for the event.
  public mutating func arm(_ handle: PollableHandle) throws(BusError) -> Bool {
    guard let epoch = core.epoch, !isClosed else { throw .closed("this reader was closed") }
    fillWatches()
    let marked = epoch.announce(ownWord: watches.count > ReaderEpoch.watchesMax)
    ReaderEpoch.barrier()
    if hasNews() {
      epoch.awake()
      return true
    }
    handle.watch(watches, marked: marked)
    return false
  }
}
