public import BusMemory
public import BusWire
import CBusABI
import CBusPlatform
import Synchronization

/// How a reader treats a publisher that is faster.
public enum ReadMode: UInt8, Sendable, CaseIterable {
  /// The publisher waits: nothing is lost, until the reader is evicted.
  case lossless = 1
  /// The publisher goes on: what was overwritten is counted, exactly.
  case lossy = 2
  /// Only the newest message of each topic that is there at a poll.
  case latest = 3
}

/// What a reader can do next with its log.
public enum ReaderState: Equatable, Sendable {
  /// Go on polling.
  case open
  /// The stream goes on in the log of the next generation; see ``LogReader/move(to:)``.
  case rotated
  /// The publisher closed the stream, or died, and everything was read.
  case ended
  /// This lossless reader fell out of the window: the last batch is void.
  case evicted
  /// The log holds bytes that cannot be a record; nothing more is read from it.
  case corrupt
}

/// One reader's place in one publisher's stream.
///
/// Poll it from one thread. All bounds come from the identity that was copied and checked at the
/// start; every word read later is checked against them, whatever the publisher writes.
@safe
public struct LogReader: ~Copyable, @unchecked Sendable {
  // @unchecked Sendable: one owner at a time; the mapping is kept by `segment`.
  @usableFromInline var segment: PeerSegment
  /// The log that is read now.
  public internal(set) var identity: LogIdentity
  /// How a faster publisher is treated.
  public let mode: ReadMode
  /// What to do next.
  public internal(set) var state = ReaderState.open

  @usableFromInline var ring: UnsafeRawPointer
  @usableFromInline var mask: UInt64
  @usableFromInline var basePosition: UInt64
  @usableFromInline var commitWord: WatchedWord64
  @usableFromInline var reserveWord: WatchedWord64
  @usableFromInline var departedWord: WatchedWord64
  @usableFromInline var departed: UInt64
  @usableFromInline var isSuspect = false
  var departedList: UnsafeRawPointer
  let attachment: UInt64
  var waitingWord: WatchedWord32
  @usableFromInline var position: UInt64
  @usableFromInline var knownCommit: UInt64
  @usableFromInline var sequence: UInt64
  @usableFromInline var storedCursor: UInt64
  @usableFromInline var cursorStep: UInt64
  @usableFromInline var gapPending: UInt64 = 0
  @usableFromInline let relay: Bool
  @usableFromInline let owner0: UInt64
  @usableFromInline let owner1: UInt64
  @usableFromInline var receivedCount: UInt64 = 0
  /// Payload bytes of those.
  @usableFromInline var receivedBytesCount: UInt64 = 0
  /// Messages lost to overwriting.
  public internal(set) var gaps: UInt64 = 0
  /// How often messages were lost directly before one that was handed over.
  public internal(set) var gapEvents: UInt64 = 0
  /// Messages that carried a foreign source and were dropped.
  @usableFromInline var forgedCount: UInt64 = 0
  /// In the mode ``ReadMode/latest``: messages that a newer one of their topic replaced.
  public internal(set) var superseded: UInt64 = 0
  /// Nothing from here on is read: the stream's end in the current log, once it is known.
  @usableFromInline var final = UInt64.max
  private var announcedFinal: UInt64?
  /// In the mode ``ReadMode/latest``: what a scan found; kept apart, the other modes never look.
  @usableFromInline let newest: NewestRecords?
  /// What commit and reserve said, summed up, when no start was found among the publisher's words.
  var wordsOfNoStart = UInt64.max
  let slot: CursorSlot?
  /// The header of the record that is lent: memory of its own, stored word by word.
  ///
  /// A copy on the stack would be moved by wider loads than the stores that made it, and wait.
  @usableFromInline let lent: UnsafeMutablePointer<HeaderWords>
  @usableFromInline var scratch: UnsafeMutableRawPointer
  var scratchBytes = 4096

  /// A reader that begins where the publisher's gate said.
  ///
  /// `slot` is this reader's line in its own segment, nil for a reader that no publisher waits
  /// for and nobody watches. `relay`: the router says that this log may carry others' messages.
  /// `owner`: whose log the router says it is; nil for a log whose words are to be believed, one of
  /// this process. Throws when the log is not the one announced.
  public init(
    _ segment: PeerSegment, mode: ReadMode, start: FlowControl.Start, slot: CursorSlot?,
    relay: Bool = false, owner: StreamOwner? = nil
  ) throws(MemoryError) {
    let identity = try LogIdentity(reading: segment)
    try owner?.check(identity)
    let base = unsafe segment.lentBase
    let hot = unsafe base + Int(identity.hotOffset)
    let basePosition = unsafe WatchedWord64(at: base + LogBase.positionOffset).loadRelaxed()
    guard start.generation == identity.generation else {
      throw .layout(field: "generation", value: UInt64(identity.generation))
    }
    // Off the grid of records, a header at the ring's end would be read beyond the mapping.
    guard start.position >= basePosition, start.position % 64 == 0, basePosition % 64 == 0 else {
      throw .layout(field: "base position", value: basePosition)
    }
    guard UInt64(segment.bytes) == identity.shape.segmentBytes else {
      throw .layout(field: "mapping", value: UInt64(segment.bytes))
    }
    unsafe lent = .allocate(capacity: 1)
    unsafe scratch = .allocate(byteCount: scratchBytes, alignment: 64)
    self.segment = segment
    self.identity = identity
    self.mode = mode
    newest = mode == .latest ? NewestRecords() : nil
    self.slot = slot
    self.relay = relay
    unsafe ring = base + Int(identity.shape.ringOffset)
    mask = identity.shape.capacity - 1
    self.basePosition = basePosition
    commitWord = unsafe WatchedWord64(at: hot + Int(BUS_HOT_COMMIT))
    reserveWord = unsafe WatchedWord64(at: hot + Int(BUS_HOT_RESERVE))
    waitingWord = unsafe WatchedWord32(at: hot + Int(BUS_HOT_WAITING))
    departedWord = unsafe WatchedWord64(at: hot + Int(BUS_HOT_DEPARTED))
    unsafe departedList = hot + Int(BUS_HOT_DEPARTED_LIST)
    departed = start.departed
    attachment = slot?.attachment ?? 0
    owner0 = identity.agent.word0
    owner1 = identity.agent.word1
    position = start.position
    knownCommit = start.position
    storedCursor = start.position
    sequence = start.sequence
    cursorStep = identity.shape.eighth
  }

  deinit {
    unsafe scratch.deallocate()
    unsafe lent.deallocate()
  }

  /// Bytes of the ring.
  @inlinable var capacity: UInt64 { mask &+ 1 }
  /// First position not read yet.
  public var nextPosition: UInt64 { position }
  /// Payload bytes of the messages taken, those outside a topic filter included.
  @inlinable public var receivedBytes: UInt64 { receivedBytesCount }
  /// Messages taken, those outside a topic filter included.
  public var received: UInt64 { receivedCount }
  /// Messages dropped because they claimed another sender than the log's owner.
  public var forged: UInt64 { forgedCount }

  /// True when a poll would find something to do.
  @inlinable public var hasNews: Bool {
    // Inlined, as what it calls: a call would be lent a copy of all that a reader is.
    if hasLeftovers { return true }
    guard state == .open else { return state == .rotated }
    // At a known end there is always something to find out, if only that it cannot be reached.
    if final != .max { return true }
    return commitWord.loadAcquire() != position
  }

  /// The futex word that changes with the next commit, and its value at the last look.
  @inlinable var watch: (word: UnsafeRawPointer, seen: UInt32) {
    unsafe (commitWord.address, UInt32(truncatingIfNeeded: position))
  }

  /// The stream ends at this position: its publisher is gone.
  ///
  /// `UInt64.max` = at what is committed. What the publisher writes from now on is not read, even
  /// if it should still run. When the stream goes on in another log, the end is that log's.
  public mutating func end(at finalPosition: UInt64) {
    announcedFinal = finalPosition
    settleFinal()
  }

  /// Takes the announced end where it lies in this log; else the log's own commit as it is now.
  private mutating func settleFinal() {
    guard let announced = announcedFinal else { return }
    let commit = commitWord.loadAcquire()
    final = announced >= position && announced < commit ? announced : commit
  }

  /// In the mode ``ReadMode/latest``: messages of this log that no poll has handed over yet.
  @inlinable public var hasLeftovers: Bool { newest != nil && Self.holds(newest) }
  @usableFromInline static func holds(_ newest: NewestRecords?) -> Bool {
    newest?.isEmpty == false
  }

  /// Whether a segment begins where this log ended.
  public func isContinued(by next: PeerSegment) -> Bool {
    (try? next.word64(at: LogBase.positionOffset))?.loadAcquire() == position
  }

  /// Goes on in the log of the next generation.
  ///
  /// Throws when it is not the continuation.
  public mutating func move(to next: PeerSegment) throws(MemoryError) {
    let fresh = try LogIdentity(reading: next)
    guard state == .rotated, fresh.agent == identity.agent, fresh.channel == identity.channel,
      fresh.incarnation == identity.incarnation, fresh.generation == identity.generation &+ 1
    else { throw .layout(field: "generation", value: UInt64(fresh.generation)) }
    let base = unsafe next.lentBase
    let start = unsafe WatchedWord64(at: base + LogBase.positionOffset).loadRelaxed()
    guard start == position else { throw .layout(field: "base position", value: start) }
    guard UInt64(next.bytes) == fresh.shape.segmentBytes else {
      throw .layout(field: "mapping", value: UInt64(next.bytes))
    }
    // What a poll left behind lies in the log that is unmapped now.
    if let newest { lose(newest.removeAll()) }
    let hot = unsafe base + Int(fresh.hotOffset)
    unsafe ring = base + Int(fresh.shape.ringOffset)
    mask = fresh.shape.capacity - 1
    basePosition = position
    commitWord = unsafe WatchedWord64(at: hot + Int(BUS_HOT_COMMIT))
    reserveWord = unsafe WatchedWord64(at: hot + Int(BUS_HOT_RESERVE))
    waitingWord = unsafe WatchedWord32(at: hot + Int(BUS_HOT_WAITING))
    // The count goes on from log to log; `departed` stays what this reader has looked into.
    departedWord = unsafe WatchedWord64(at: hot + Int(BUS_HOT_DEPARTED))
    unsafe departedList = hot + Int(BUS_HOT_DEPARTED_LIST)
    knownCommit = position
    cursorStep = fresh.shape.eighth
    identity = fresh
    segment = next
    state = .open
    settleFinal()
    // Whether or not the publisher's flag in the old log says that it sleeps: it may sleep on the
    // new one by now.
    storeCursor(waking: true)
  }

  /// Shows the publisher how far this reader is, and wakes it when it waits for that.
  @usableFromInline @inline(never)
  mutating func storeCursor(waking: Bool = false) {
    storedCursor = position
    guard let slot else { return }
    slot.show(cursor: position, received: received, gaps: gaps)
    guard mode == .lossless else { return }
    atomicMemoryFence(ordering: .sequentiallyConsistent)  // SYNC: writer.waiting
    if waking || waitingWord.loadRelaxed() != 0 {
      _ = unsafe plat_futex_wake(slot.cursor.address, ReaderSegment.cursorWakesMax)
    }
  }
}
