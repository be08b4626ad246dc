public import BusMemory
import CBusABI
import CBusPlatform
import Synchronization

/// How far a publisher may run: the readers that hold it back, shared by the publishing thread and
/// the service thread of one process.
///
/// The publishing thread loads one word, the limit, per message. The service thread adds a reader
/// by closing that word, a barrier on the process's threads, and one look at the commit word: what
/// the publisher was writing then still fits, and everything after waits for the new window
/// (the order is the one of the Spin model `join`; other orders lose messages silently).
@safe
public final class FlowControl: @unchecked Sendable {
  // @unchecked Sendable: the limit is atomic, everything else is behind the mutex.

  /// A reader this publisher knows, in the order of joining.
  public struct Link: Sendable {
    let segment: PeerSegment
    package let cursor: WatchedWord64
    let ticket: WatchedWord64
    let received: WatchedWord64
    package let epoch: WatchedWord32?
    /// The reader makes no barrier before it sleeps: its publishers fence for it.
    let wantsFences: Bool

    /// The words of a reader in its checked segment; nil when slot or epoch lie outside.
    ///
    /// A reader that never sleeps gives no epoch.
    public init?(segment: PeerSegment, slot: Int, epoch: Int?) {
      guard segment.bytes >= Int(BUS_READER_SEGMENT_BYTES) else { return nil }
      guard slot >= 0, slot < Int(BUS_READER_SLOTS) else { return nil }
      let line = Int(BUS_READER_LINE)
      let at = Int(BUS_READER_SLOTS_OFFSET) + slot * line
      guard let cursor = try? segment.word64(at: at + Int(BUS_SLOT_CURSOR)),
        let ticket = try? segment.word64(at: at + Int(BUS_SLOT_TICKET)),
        let received = try? segment.word64(at: at + Int(BUS_SLOT_RECEIVED)),
        let head = try? segment.word64(at: 0)
      else { return nil }
      self.segment = segment
      self.cursor = cursor
      self.ticket = ticket
      self.received = received
      wantsFences = head.loadRelaxed() >> 48 & UInt64(BUS_READER_NO_BARRIER) != 0
      guard let epoch else {
        self.epoch = nil
        return
      }
      guard epoch >= 0, epoch < Int(BUS_READER_EPOCHS),
        let word = try? segment.word32(at: Int(BUS_READER_EPOCHS_OFFSET) + epoch * line)
      else { return nil }
      self.epoch = word
    }
  }

  /// Where a reader begins, decided here.
  public struct Start: Equatable, Sendable {
    /// Log in which the position lies.
    public var generation: UInt32
    /// First byte that belongs to the reader.
    public var position: UInt64
    /// Messages of the stream before it.
    public var sequence: UInt64
    /// Lossless readers that had left the window by then: a later one may be this reader.
    public var departed: UInt64

    /// A start at a position of the stream, in the log of a generation.
    public init(generation: UInt32, position: UInt64, sequence: UInt64, departed: UInt64 = 0) {
      self.departed = departed
      self.generation = generation
      self.position = position
      self.sequence = sequence
    }
  }

  struct Reader: Sendable {
    let attachment: UInt64
    let lossless: Bool
    let start: Start
    var cursor: UInt64
    var link: Link?
    var stall = StallClock()
  }

  struct State {
    var log: OwnLogView?
    var generation: UInt32 = 0
    var readers = ReaderWindow()
    /// How far the publisher may run, as of the last walk over the lossless readers.
    var open: UInt64 = 0
    /// Lossless readers came or went since, or the log is another: `open` says nothing.
    var isStale = true
    /// Where the last reader began, and how many messages are before it: one that comes next need
    /// not count them again.
    var counted: (position: UInt64, sequence: UInt64) = (0, 0)
    var work = Work()
    var isShut = false
    var departed: UInt64 = 0
    var departures = Departures()
    /// Readers that may not come back under the same attachment: their start is gone.
    var evicted = EvictedReaders()
    /// The publishing thread fences at each claim, so that a join needs no barrier on it.
    var claimsAreFenced = false
  }

  /// What looks and joins have cost so far, to be held against what they are for.
  public struct Work: Equatable, Sendable {
    /// Cursors of lossless readers that looks have loaded.
    public var cursors = 0
    /// Epochs of sleepers that looks have handed to the publishing thread.
    public var epochs = 0
    /// Records that joins have counted.
    public var records = 0
  }

  private let limitWord = LocalWord()
  /// First position the publisher may not write; 0 = closed, the publisher looks here again.
  public var limit: OwnedWord64 { limitWord.word }
  let state = Mutex(State())
  let stall: StallPolicy
  /// Called, outside the lock, with each reader this gate evicted and why.
  let onEvict: @Sendable (UInt64, String) -> Void
  /// Called, outside the lock, with each reader that a look found to have left by itself.
  let onLeave: @Sendable (UInt64) -> Void

  /// A gate that evicts by `stall` and reports to `onEvict`, and to `onLeave` who has cleared its
  /// ticket before anybody said that it leaves.
  public init(
    stall: StallPolicy, onEvict: @escaping @Sendable (UInt64, String) -> Void,
    onLeave: @escaping @Sendable (UInt64) -> Void = { _ in }
  ) {
    self.stall = stall
    self.onEvict = onEvict
    self.onLeave = onLeave
  }

  /// Adds lossless readers that subscribed before this stream existed: the window stays at the
  /// stream's start until each has named its slot.
  public func expect(_ attachments: [UInt64]) {
    state.withLock { state in
      state.expect(attachments)
      limit.storeRelaxed(0)
    }
  }

  /// The readers that are expected and have not named their slot yet.
  public var expected: [UInt64] {
    state.withLock { $0.readers.lossless.filter { $0.link == nil }.map(\.attachment) }
  }

  /// Adds readers in the place of expected ones that never heard of this stream.
  ///
  /// False when the window has left the start of the stream, so that they would miss something.
  public func expectInstead(_ attachments: [UInt64]) -> Bool {
    state.withLock { state in
      guard state.readers.lossless.contains(where: { $0.link == nil }) else { return false }
      state.expect(attachments)
      limit.storeRelaxed(0)
      return true
    }
  }

  /// Why a reader is not taken in.
  public enum JoinRefusal: Error, Equatable {
    /// The publisher is gone, and its stream with it.
    case streamEnded
    /// It was evicted before, and what it has not read since is gone.
    case evicted
  }

  /// Takes a reader in and says where it begins.
  ///
  /// Called by the service thread.
  ///
  /// `barrier` is a full barrier on every thread of this process.
  public func join(
    attachment: UInt64, link: Link, lossless: Bool, barrier: () -> Void
  ) throws(JoinRefusal) -> Start {
    try state.withLock { state throws(JoinRefusal) in
      guard let log = state.log else { throw .streamEnded }
      guard !state.evicted.contains(attachment) else { throw .evicted }
      limit.storeRelaxed(0)  // SYNC: gate.limit
      barrier()
      // What makes the pair with a publisher that fences at each claim.
      atomicMemoryFence(ordering: .sequentiallyConsistent)
      if let known = state.readers.link(link, to: attachment) {
        if known.lossless { state.isStale = true }
        // The first answer holds, however often the question comes.
        return known.start
      }
      // Acquire: the headers below it are read next, to count the messages.
      let commit = log.commit.loadAcquire()
      let start = Start(
        generation: state.generation, position: commit, sequence: state.count(log, to: commit),
        departed: state.departed)
      state.readers.insert(
        Reader(
          attachment: attachment, lossless: lossless, start: start, cursor: commit, link: link))
      // A lossy reader holds nothing back: the next look takes its epoch over and opens the limit
      // as far as it was.
      if lossless { state.isStale = true }
      return start
    }
  }

  /// Forgets a reader that left, died or was refused; a publisher that waits for it goes on.
  ///
  /// False when it was not known.
  @discardableResult
  public func leave(_ attachment: UInt64) -> Bool {
    let gone = state.withLock { state -> Reader? in
      guard let gone = state.remove(attachment) else { return nil }
      limit.storeRelaxed(0)
      return gone
    }
    if let link = gone?.link {
      _ = unsafe plat_futex_wake(link.cursor.address, ReaderSegment.cursorWakesMax)
    }
    return gone != nil
  }

  /// Whether the publishing thread fences at each claim: then a join needs no barrier on it.
  public var claimsAreFenced: Bool { state.withLock { $0.claimsAreFenced } }

  /// How many evicted readers are remembered, at most the last 1,024.
  public var evictedCount: Int { state.withLock { $0.evicted.count } }

  /// Every reader in the window or expected in it.
  public var attachments: [UInt64] { state.withLock { $0.readers.attachments } }

  /// Epochs that the publishing thread looks at after a commit, when it has looked here.
  public var sleeperCount: Int { state.withLock { $0.readers.sleepers.count } }

  /// What looks and joins have cost so far.
  public var work: Work { state.withLock { $0.work } }

  /// The lowest position that a reader still needs, nil without readers; one that is expected and
  /// has not named its slot yet needs everything.
  public var lowestCursor: UInt64? {
    state.withLock { $0.readers.lowestCursor }
  }

  /// How far the stream is committed, 0 before the first log and after the end.
  public var committed: UInt64 { state.withLock { $0.log?.commit.loadRelaxed() ?? 0 } }

  /// Lets nothing more be published: the agent was closed or fenced.
  public func shut() {
    state.withLock { state in
      state.isShut = true
      limit.storeRelaxed(0)
    }
  }
}
