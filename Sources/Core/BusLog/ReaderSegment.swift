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

  /// Dedicates the line to an attachment, before the publisher learns of it.
  public func open(attachment: UInt64) {
    ticket.storeRelease(0)
    cursor.storeRelaxed(0)
    received.storeRelaxed(0)
    gaps.storeRelaxed(0)
    ticket.storeRelease(attachment)
  }

  func close() { ticket.storeRelease(0) }

  /// The attachment that the line serves.
  var attachment: UInt64 { ticket.loadRelaxed() }

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

  /// How many threads that sleep on a cursor are woken at once.
  ///
  /// One publisher has a reason to, but whoever maps a reader's segment may have a million threads
  /// sleep there, and the reader would wake them all. A publisher that is not among those sleeps on
  /// for ``LogWriter/waitNsMax`` at most.
  static let cursorWakesMax: Int32 = 64

  private struct Free: Sendable {
    var slots: [Int]
    var epochs: [Int]
  }

  /// Makes and seals a segment.
  ///
  /// Throws when the kernel refuses the memory.
  public init(agent: BusUUID, incarnation: UInt64) throws(MemoryError) {
    let bytes = Int(BUS_READER_SEGMENT_BYTES)
    let segment = try OwnedSegment(name: "bcs:reader", bytes: bytes)
    var raw = bus_reader_identity_t()
    raw.magic = BUS_READER_MAGIC
    raw.layout_version = UInt16(BUS_LAYOUT_VERSION)
    // A reader that may not make the barrier says so, and its publishers fence.
    if plat_barrier_everywhere() < 0 { raw.flags = UInt16(BUS_READER_NO_BARRIER) }
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
    let word = unsafe OwnedWord32(at: segment.base + at)
    return ReaderEpoch(index: index, word: word, owner: self)
  }

  /// A free epoch that is given back when the last holder lets go, nil when all are in use.
  public func leaseEpoch() -> EpochLease? { takeEpoch().map(EpochLease.init) }

  /// Gives an epoch back.
  public func give(back epoch: ReaderEpoch) {
    free.withLock { $0.epochs.append(epoch.index) }
  }
}
