public import BusMemory
public import BusWire
import CBusABI
import CBusPlatform
import Synchronization

/// One line of an agent's reader segment: how far one reader is in one stream.
@safe
public struct CursorSlot: Sendable {
  /// Which line.
  public let index: Int
  let cursor: OwnedWord64
  let ticket: OwnedWord64
  let received: OwnedWord64
  let gaps: OwnedWord64

  init(base: UnsafeMutableRawPointer, index: Int) {
    let at = unsafe base + Int(BUS_READER_SLOTS_OFFSET) + index * Int(BUS_READER_LINE)
    self.index = index
    cursor = unsafe OwnedWord64(at: at + Int(BUS_SLOT_CURSOR))
    ticket = unsafe OwnedWord64(at: at + Int(BUS_SLOT_TICKET))
    received = unsafe OwnedWord64(at: at + Int(BUS_SLOT_RECEIVED))
    gaps = unsafe OwnedWord64(at: at + Int(BUS_SLOT_GAPS))
  }

  /// Dedicates the line to an attachment, before the publisher is told of it.
  public func open(attachment: UInt64) {
    ticket.storeRelease(0)
    cursor.storeRelaxed(0)
    received.storeRelaxed(0)
    gaps.storeRelaxed(0)
    ticket.storeRelease(attachment)
  }

  func close() { ticket.storeRelease(0) }

  /// Publishes how far the reader is.
  func show(cursor position: UInt64, received taken: UInt64, gaps lost: UInt64) {
    received.storeRelaxed(taken)
    gaps.storeRelaxed(lost)
    cursor.storeRelease(position)  // SYNC: reader.cursor
  }
}

/// An agent's own segment of cursors and epochs: it alone writes, its publishers watch.
@safe
public final class ReaderSegment: @unchecked Sendable {
  // @unchecked Sendable: the allocation lists are behind the mutex; words are atomic.
  private let segment: OwnedSegment
  private let free: Mutex<Free>

  private struct Free: Sendable {
    var slots: [Int]
    var epochs: [Int]
  }

  /// Makes and seals a segment. Throws when the kernel refuses the memory.
  public init(agent: BusUUID, incarnation: UInt64) throws(MemoryError) {
    let bytes = Int(BUS_READER_SEGMENT_BYTES)
    let segment = try OwnedSegment(name: "bcs:reader", bytes: bytes)
    var raw = bus_reader_identity_t()
    raw.magic = BUS_READER_MAGIC
    raw.layout_version = UInt16(BUS_LAYOUT_VERSION)
    raw.segment_bytes = UInt64(bytes)
    raw.incarnation = incarnation
    raw.epochs = UInt32(BUS_READER_EPOCHS)
    raw.slots = UInt32(BUS_READER_SLOTS)
    unsafe withUnsafeMutableBytes(of: &raw.agent) { to in
      unsafe to.storeBytes(of: agent.word0, toByteOffset: 0, as: UInt64.self)
      unsafe to.storeBytes(of: agent.word1, toByteOffset: 8, as: UInt64.self)
    }
    unsafe segment.base.storeBytes(of: raw, as: bus_reader_identity_t.self)
    try segment.seal()
    self.segment = segment
    let slots = (0..<Int(BUS_READER_SLOTS)).reversed()
    let epochs = (0..<Int(BUS_READER_EPOCHS)).reversed()
    free = Mutex(Free(slots: Array(slots), epochs: Array(epochs)))
  }

  /// The memory file, for the router; owned by this object.
  public var descriptor: Int32 { segment.descriptor }

  /// A second descriptor of the memory file, owned by the caller.
  public func duplicateDescriptor() -> Int32 { segment.duplicateDescriptor() }

  /// A free line, nil when all of them are in use.
  public func takeSlot() -> CursorSlot? {
    guard let index = free.withLock({ $0.slots.popLast() }) else { return nil }
    return unsafe CursorSlot(base: segment.base, index: index)
  }

  /// Gives a line back: publishers see at once that the reader left.
  public func give(back slot: CursorSlot) {
    slot.close()
    free.withLock { $0.slots.append(slot.index) }
  }

  /// A free epoch for one reader thread, nil when all of them are in use.
  public func takeEpoch() -> ReaderEpoch? {
    guard let index = free.withLock({ $0.epochs.popLast() }) else { return nil }
    let at = Int(BUS_READER_EPOCHS_OFFSET) + index * Int(BUS_READER_LINE)
    return unsafe ReaderEpoch(index: index, word: OwnedWord32(at: segment.base + at))
  }

  /// Gives an epoch back.
  public func give(back epoch: ReaderEpoch) {
    free.withLock { $0.epochs.append(epoch.index) }
  }
}

/// The commit words that a sleeping reader watches, each with the value that means "nothing new".
@safe
public struct WatchList {
  var entries: [plat_watch_t]

  /// An empty list.
  public init() { unsafe entries = [] }

  /// Adds a log's commit word as it was at the reader's last look.
  public mutating func add(_ reader: borrowing LogReader) {
    let watch = unsafe reader.watch
    unsafe entries.append(plat_watch_t(word: watch.word, expected: watch.seen))
  }

  /// Forgets all words, keeping the memory.
  public mutating func removeAll() { unsafe entries.removeAll(keepingCapacity: true) }

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

  /// Most logs whose commit words one sleep can watch; beyond it the publishers wake our own word.
  public static let watchesMax = Int(PLAT_MOST_WATCHES) - 1

  /// Announces sleep; after this and ``barrier()`` the caller looks at its logs once more.
  ///
  /// `ownWord`: the logs are too many to be watched, publishers wake this word instead.
  public func announce(ownWord: Bool) -> UInt32 {
    word.set(ownWord ? EpochBits.asleep | EpochBits.onOwnWord : EpochBits.asleep)
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

  /// Sleeps until one of the words changes, this epoch is kicked, or the time is over.
  public func sleep(marked: UInt32, watches: borrowing WatchList, timeoutNs: UInt64) {
    if marked & EpochBits.onOwnWord == 0 {
      let mine = unsafe plat_watch_t(word: word.address, expected: marked)
      let all = unsafe [mine] + watches.entries
      let slept = unsafe plat_futex_wait_any(all, Int32(all.count), timeoutNs)
      if slept != -ENOSYS && slept != -EPERM { return }
    }
    _ = unsafe plat_futex_wait(word.address, marked, timeoutNs)
  }

  /// Takes the mark back; the counter moves on, so that the next sleep is a new one.
  public func awake() {
    word.clear(EpochBits.asleep | EpochBits.onOwnWord)
    word.add(EpochBits.step)
  }

  /// Ends the sleep of this epoch's thread from another thread of this process.
  public func kick() {
    word.add(EpochBits.step)
    _ = unsafe plat_futex_wake(word.address, .max)
  }

  private var ENOSYS: Int32 { 38 }
  private var EPERM: Int32 { 1 }
}
