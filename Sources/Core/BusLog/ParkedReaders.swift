package import BusMemory
import CBusPlatform

/// The readers of a stream that may be parked, as its publisher knows them, and when it wakes them.
///
/// A reader marks its epoch before it parks. After a commit the publisher looks at each epoch, and
/// wakes whose is marked: each mark at most twice, by way of the log's commit word or of the epoch
/// itself (the order of all this is the one of the Spin model `sleep`).
///
/// ```swift
/// parked.take(changes)
/// if parked.count != 0 { parked.wake(committed: position) }
/// ```
@usableFromInline
package struct ParkedReaders: ~Copyable {
  private struct Reader {
    let epoch: WatchedWord32
    /// The last epoch in which it was woken.
    var woken: UInt32 = 0
    /// What was committed at the first wake of that epoch.
    var wokenAt: UInt64 = 0
    /// The wake of this epoch may have come too early: the next commit wakes again.
    var isOwed = false
    /// When one that waits on its own word is tried again.
    var backoff = WakeBackoff()

    init(epoch: WatchedWord32) { self.epoch = epoch }
  }

  /// How many there are: a word of its own, which the publisher looks at after each commit.
  @usableFromInline package private(set) var count = 0
  private var readers: [Reader] = []
  /// Keep the epochs mapped.
  private var segments: [PeerSegment] = []
  /// The word of the log that is written now, on which they sleep, and maybe others.
  private var commitWord: OwnedWord64
  /// Others than its readers sleep on the commit word of the log that is written now.
  package private(set) var isCommitWordCrowded = false
  /// When all of them were woken last, and how long after that they are not woken again.
  private var crowdWokenNs: UInt64 = 0
  package var crowdPauseNs: UInt64 = 10_000_000
  /// How often the kernel was asked to wake somebody.
  package private(set) var calls = 0

  /// Nobody yet, of a stream whose log has this commit word.
  package init(commitWord: OwnedWord64) { self.commitWord = commitWord }

  /// The stream goes on in a log with this commit word.
  mutating func move(to commitWord: OwnedWord64) {
    self.commitWord = commitWord
    isCommitWordCrowded = false
  }

  /// Takes over what has changed in the list of those who may sleep.
  ///
  /// Nobody may be left out: one that is not woken would sleep for up to a second.
  package mutating func take(_ changes: SleeperList.Changes) {
    if changes.count < count {
      readers.removeLast(count - changes.count)
      segments.removeLast(count - changes.count)
    }
    for (place, epoch, segment) in changes.list {
      if place < readers.count {
        (readers[place], segments[place]) = (Reader(epoch: epoch), segment)
      } else {
        readers.append(Reader(epoch: epoch))
        segments.append(segment)
      }
    }
    count = changes.count
  }

  /// Wakes readers whose epoch says that they sleep.
  ///
  /// Whoever calls sees to it that the commit comes before the looks at the epochs.
  package mutating func wake(committed: UInt64) {
    for at in readers.indices {
      let epoch = readers[at].epoch.loadRelaxed()  // SYNC: reader.epoch
      guard epoch & EpochBits.asleep != 0 else { continue }
      wake(at, epoch, committed)
    }
  }

  private mutating func wake(_ at: Int, _ epoch: UInt32, _ committed: UInt64) {
    // Whoever sleeps on commit words sleeps on its own word as well.
    let isOwnWord = epoch & EpochBits.onOwnWord != 0 || !mayWakeCommitWord()
    guard readers[at].woken != epoch else {
      if readers[at].isOwed { wakeAgain(at, isOwnWord: isOwnWord, committed) }
      return
    }
    readers[at].woken = epoch
    readers[at].wokenAt = committed
    // The reader may have taken this commit already before it marked its epoch: then this wake is
    // for nothing, and the next commit owes it another. After two the reader is awake or will not
    // sleep, because it compares the commit word with what it saw before the mark.
    readers[at].isOwed = true
    readers[at].backoff.begin(committed: committed)
    if !isOwnWord {
      wakeCommitWord()
      return
    }
    // The reader waits on its own word, whose value we cannot change: between its last look and
    // its sleep a wake may hit nobody, so try again for as long as such a step usually takes.
    for _ in 0..<64 {
      if wakeOwnWord(at) {
        // A stranger may stand before it on that word, too: then the commit word is its way.
        readers[at].isOwed = isCommitWordCrowded
        return
      }
      if readers[at].epoch.loadRelaxed() != epoch { return }
      plat_pause()
    }
  }

  /// The second wake of an epoch.
  private mutating func wakeAgain(_ at: Int, isOwnWord: Bool, _ committed: UInt64) {
    if isOwnWord {
      guard readers[at].backoff.isDue(committed: committed) else { return }
      let isFound = wakeOwnWord(at)
      readers[at].isOwed = !isFound || isCommitWordCrowded
      if readers[at].isOwed { readers[at].backoff.missed(committed: committed) }
      return
    }
    // A flush of nothing is nothing that could keep the reader from its sleep.
    guard committed != readers[at].wokenAt else { return }
    wakeCommitWord()
    readers[at].isOwed = false
  }

  /// True when somebody slept there.
  private mutating func wakeOwnWord(_ at: Int) -> Bool {
    calls += 1
    return unsafe plat_futex_wake(readers[at].epoch.address, 1) > 0
  }

  /// Wakes all who sleep on the commit word, and finds out whether more do than this publisher
  /// knows of.
  ///
  /// Whoever maps the log may sleep on its word, with a thousand threads and a hundred times with
  /// each, and every wake would be this publisher's work. Then all of them are woken now and then,
  /// and its readers one by one in between, on words of their own.
  private mutating func wakeCommitWord() {
    calls += 1
    let found = unsafe plat_futex_wake(commitWord.address, .max)
    isCommitWordCrowded = found > 2 * count + Self.unknownSleepersMax
    if isCommitWordCrowded { crowdWokenNs = HostClock.monotonicNs() }
  }

  private func mayWakeCommitWord() -> Bool {
    guard isCommitWordCrowded else { return true }
    return HostClock.monotonicNs() &- crowdWokenNs >= crowdPauseNs
  }

  /// Sleepers beyond those that are known, which may have joined a moment ago.
  private static var unknownSleepersMax: Int { 16 }
}

/// Bits of a reader's epoch word; the rest is a counter.
enum EpochBits {
  /// The reader sleeps or is about to.
  static let asleep: UInt32 = 1
  /// It waits on the epoch word itself, not on the commit words of its logs.
  static let onOwnWord: UInt32 = 2
  /// One step of the counter.
  static let step: UInt32 = 4
}
