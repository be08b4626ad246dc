public import BusMemory
public import BusWire
import CBusABI
public import CBusPlatform
public import Synchronization

// Readers that no publisher waits for: they copy, then look at `reserve`, and only then believe.

extension LogReader {
  // Not inlined: see ``poll(limit:_:)``.
  @inlinable @inline(never)
  mutating func pollCopies<Failure: Error>(
    limit: Int, _ body: (borrowing Record) throws(Failure) -> Void
  ) throws(Failure) -> Int {
    var taken = 0
    // Messages with a foreign source count towards the limit, too: nobody may be kept walking.
    var most = limit
    var resyncs = 0
    defer {
      count(taken)
      if position &- storedCursor >= cursorStep { storeCursor() }
    }
    while position != knownCommit, taken < most {
      let offset = (position &- basePosition) & mask
      let at = unsafe ring + Int(truncatingIfNeeded: offset)
      unsafe plat_copy_racing(lent, at, 8)
      let size = sizeOfLent
      guard unsafe lent.pointee.isValid, size <= min(knownCommit &- position, capacity &- offset)
      else {
        if skipControl(unsafe lent.pointee, offset, &resyncs) { continue }
        break
      }
      unsafe copyBody(at)
      atomicMemoryFence(ordering: .acquiring)
      if reserveWord.loadRelaxed() > position &+ capacity {  // SYNC: log.reserve
        guard resync(&resyncs) else { break }
        continue
      }
      position &+= size
      sequence &+= 1
      guard isLentByOwner() else {
        most &-= 1
        continue
      }
      taken &+= 1
      receivedBytesCount &+= lengthOfLent
      let gap = gapPending
      gapPending = 0
      try lend(sequence: sequence &- 1, gap: gap, body)
    }
    return taken
  }

  /// Copies extension and payload of the record whose header lies in `lent` into the scratch
  /// buffer, racing with the writer.
  @usableFromInline
  mutating func copyBody(_ at: UnsafeRawPointer) {
    let bytes = unsafe Int(lent.pointee.extensionLength) &+ Int(lent.pointee.length)
    let count = (bytes &+ 7) / 8
    if scratchBytes < count * 8 {
      unsafe scratch.deallocate()
      scratchBytes = max(count * 8, 2 * scratchBytes)
      unsafe scratch = .allocate(byteCount: scratchBytes, alignment: 64)
    }
    unsafe plat_copy_racing(scratch, at + 64, count)
  }

  @inlinable
  func lend<Failure: Error>(
    sequence: UInt64, gap: UInt64,
    _ body: (borrowing Record) throws(Failure) -> Void
  ) throws(Failure) {
    try body(
      unsafe Record(
        header: lent, body: UnsafeRawPointer(scratch), sequence: sequence, gapBefore: gap))
  }

  /// The window passed over this reader, or the publisher's words make no sense.
  @usableFromInline @inline(never)
  mutating func overrun(_ commit: UInt64) -> Bool {
    // A commit that goes backwards or leaves the grid is no overrun but a broken publisher.
    guard commit &- position < UInt64.max / 2, commit & 63 == 0 else {
      stop(.corrupt)
      return false
    }
    guard mode != .lossless else {
      stop(.evicted)
      return false
    }
    return resync()
  }

  /// How often one poll begins anew at a later start before it leaves the rest to the next one.
  ///
  /// Each time a whole ring may have to be walked, or a record of a quarter of it to be copied.
  @usableFromInline static var resyncsMax: Int { 4 }

  /// As ``resync()``, as often as one poll may; false: stop polling.
  @usableFromInline @inline(never)
  mutating func resync(_ resyncs: inout Int) -> Bool {
    guard resyncs < Self.resyncsMax else { return false }
    resyncs &+= 1
    return resync()
  }

  /// Goes on at the oldest start that is surely intact, and counts exactly what lies between.
  @usableFromInline @inline(never)
  mutating func resync() -> Bool {
    for attempt in 0..<8 {
      let commit = min(commitWord.loadAcquire(), final)
      let reserved = reserveWord.loadAcquire()
      // Behind a pen that moves, a start just ahead of it is overwritten before it is read. Behind
      // one that stands still it may be all there is.
      let margin = attempt < 6 ? capacity / 8 : 0
      guard let start = oldestStart(reserved: reserved, commit: commit, margin: margin) else {
        continue
      }
      guard reserveWord.loadAcquireAfterLoads() <= start.position &+ capacity else { continue }
      guard start.position > position else { continue }
      // What is committed lies within one ring of the start, whatever the publisher's words say:
      // else the same records would be walked round and round.
      guard commit & 63 == 0, commit &- start.position <= capacity else { continue }
      // No publisher fits more messages than lines into what was overwritten.
      let lost = start.sequence &- sequence
      guard lost <= (start.position - position) / 64 else { continue }
      lose(lost)
      position = start.position
      sequence = start.sequence
      knownCommit = commit
      return position != knownCommit
    }
    // The writer is a whole ring ahead each time we look: nothing is intact now, try at the next
    // poll. What is lost until then is counted then. At a known end nothing would come later, and
    // an honest writer that stands still leaves its last index entry intact, wherever it stands
    // (see `reserveStep`): without this a reader would try for ever what cannot be. Both words only
    // grow, so their sum names them.
    let words = commitWord.loadAcquire() &+ reserveWord.loadAcquire()
    if final != .max || words == wordsOfNoStart { stop(.corrupt) }
    wordsOfNoStart = words
    knownCommit = position
    return false
  }

  /// The oldest index entry that has so many bytes of the ring between itself and the pen.
  private func oldestStart(reserved: UInt64, commit: UInt64, margin: UInt64) -> (
    position: UInt64, sequence: UInt64
  )? {
    let low = reserved > capacity ? reserved - capacity + margin : 0
    var best: (position: UInt64, sequence: UInt64)?
    for slot in 0..<Int(BUS_LOG_INDEX_ENTRIES) {
      let at = Int(BUS_LOG_INDEX_OFFSET) + slot * 16
      guard let place = try? segment.word64(at: at) else { return nil }
      let found = place.loadAcquire()  // SYNC: log.index
      guard let number = (try? segment.word64(at: at + 8))?.loadRelaxed() else { return nil }
      guard place.loadAcquireAfterLoads() == found else { continue }
      guard found >= max(low, position), found <= commit, found & 63 == 0 else { continue }
      guard best.map({ found < $0.position }) ?? true else { continue }
      best = (found, number)
    }
    return best
  }
}
