public import BusMemory
import CBusABI
public import CBusPlatform
import Glibc
import Synchronization

/// The commit words that a sleeping reader watches, each with the value that means "nothing new".
///
/// Keeps the logs mapped, so that another thread may sleep on behalf of the reader.
@safe
public struct WatchList: @unchecked Sendable {
  // @unchecked Sendable: addresses of atomic words whose mappings `segments` keeps.
  @usableFromInline var entries: [plat_watch_t]
  @usableFromInline var segments: [PeerSegment] = []

  /// An empty list.
  public init() { unsafe entries = [] }

  /// Adds a log's commit word as it was at the reader's last look.
  @inlinable @inline(__always)
  public mutating func add(_ reader: borrowing LogReader) {
    // Inlined: a call would be lent a copy of all that a reader is.
    let watch = unsafe reader.watch
    unsafe entries.append(plat_watch_t(word: watch.word, expected: watch.seen))
    segments.append(reader.segment)
  }

  /// True when a log has been written to since it was added.
  public var hasChanged: Bool {
    unsafe entries.contains { watch in
      guard let address = unsafe watch.word else { return false }
      return unsafe WatchedWord32(at: address).loadAcquire() != watch.expected
    }
  }

  /// Forgets all words, keeping the memory.
  public mutating func removeAll() {
    unsafe entries.removeAll(keepingCapacity: true)
    segments.removeAll(keepingCapacity: true)
  }

  /// How many words are watched.
  public var count: Int { unsafe entries.count }
}

/// One reader thread's sign of sleep.
///
/// Sleeping goes: mark, barrier on every publisher, look once more, sleep on the commit words of
/// the logs. A publisher that commits after the look either sees the mark, or was seen by the look.
@safe
public struct ReaderEpoch: Sendable {
  /// Which line of the reader segment.
  public let index: Int
  let word: OwnedWord32
  /// Keeps the word mapped for whoever still sleeps or kicks after the agent is gone.
  let owner: ReaderSegment

  /// Most logs whose commit words one sleep can watch.
  ///
  /// Beyond it the publishers wake our own word; without `futex_waitv` (before kernel 5.16, or
  /// forbidden) always.
  public static let watchesMax =
    plat_forbidden() & PLAT_NO_FUTEX_WAITV == 0 && plat_probe_futex_waitv() >= 0
    ? Int(PLAT_MOST_WATCHES) - 1 : -1

  /// Announces sleep; after this and ``barrier()`` the caller looks at its logs once more.
  ///
  /// `ownWord`: the logs are too many to be watched, publishers wake this word instead.
  public func announce(ownWord: Bool) -> UInt32 {
    // A sleep that was given up without ``awake()`` has left its mark, for which a publisher may
    // have done all its waking: this is a new one.
    if word.loadRelaxed() & EpochBits.asleep != 0 { awake() }
    let bits = ownWord ? EpochBits.asleep | EpochBits.onOwnWord : EpochBits.asleep
    return word.set(bits)  // SYNC: reader.epoch
  }

  /// Makes every publisher's earlier commits visible here, or its later look see the mark.
  ///
  /// False when the kernel offers no such barrier: then publishers must have been told to fence.
  @discardableResult
  public static func barrier() -> Bool {
    if plat_barrier_everywhere() >= 0 { return true }
    atomicMemoryFence(ordering: .sequentiallyConsistent)
    return false
  }

  /// How a sleep ended.
  public enum SleepEnd: Sendable {
    /// Something may have happened: look, and mark anew before the next sleep.
    case woken
    /// Only the time is over: after a look the next sleep may go on under the same mark.
    case timedOut
    /// A signal of this process came.
    case interrupted
  }

  /// Sleeps until one of the words changes, this epoch is kicked, or the time is over.
  ///
  /// A publisher wakes one epoch twice at most. Its wakes are never in vain for a sleeper that goes
  /// on after ``SleepEnd/timedOut``, because the kernel compares the commit words again; a sleeper
  /// on its own word has no such help, and is never told that it timed out.
  @discardableResult
  public func sleep(
    marked: UInt32, watches: borrowing WatchList, timeoutNs: UInt64
  ) -> SleepEnd {
    if marked & EpochBits.onOwnWord == 0 {
      let mine = unsafe plat_watch_t(word: word.address, expected: marked)
      let all = unsafe [mine] + watches.entries
      let slept = unsafe plat_futex_wait_any(all, Int32(all.count), timeoutNs)
      if slept == -ETIMEDOUT { return .timedOut }
      if slept != -ENOSYS && slept != -EPERM { return slept == -EINTR ? .interrupted : .woken }
    }
    let slept = unsafe plat_futex_wait(word.address, marked, timeoutNs)
    return slept == -EINTR ? .interrupted : .woken
  }

  /// True while nobody kicked this epoch since it was announced with this mark.
  public func isUndisturbed(since marked: UInt32) -> Bool { word.loadAcquire() == marked }

  /// Takes the mark back; the counter moves on, so that the next sleep is a new one.
  ///
  /// Call it when a sleep ends otherwise than by time, and before anything is read.
  public func awake() {
    word.clear(EpochBits.asleep | EpochBits.onOwnWord)
    word.add(EpochBits.step)
  }

  /// Ends the sleep of this epoch's thread from another thread of this process.
  public func kick() {
    word.add(EpochBits.step)
    nudge()
  }

  /// Has who sleeps on this epoch compare its words again.
  public func nudge() { _ = unsafe plat_futex_wake(word.address, .max) }
}

/// An epoch in use, given back when the last holder lets go.
public final class EpochLease: Sendable {
  /// The epoch, this reader thread's alone for as long as this object lives.
  public let epoch: ReaderEpoch

  init(_ epoch: ReaderEpoch) { self.epoch = epoch }

  deinit { epoch.owner.give(back: epoch) }
}
