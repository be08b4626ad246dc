public import BusMemory
public import BusWire
import CBusABI
public import CBusPlatform
public import Synchronization

extension LogReader {
  /// Hands at most `limit` committed messages to `body`; returns how many.
  ///
  /// A message counts as taken when `body` is entered, even when it throws. After a return of 0
  /// look at ``state``.
  @inlinable @inline(__always)
  public mutating func poll<Failure: Error>(
    limit: Int, _ body: (borrowing Record) throws(Failure) -> Void
  ) throws(Failure) -> Int {
    if position == knownCommit, !look(), !hasLeftovers { return 0 }
    switch mode {
    case .lossless: return try pollInPlace(limit: limit, body)
    case .lossy: return try pollCopies(limit: limit, body)
    case .latest: return try pollLatest(limit: limit, body)
    }
  }

  /// Looks at the publisher's commit; false when there is nothing new.
  @inlinable @inline(__always)
  mutating func look() -> Bool {
    guard state == .open else { return false }
    let commit = min(commitWord.loadAcquire(), final)  // SYNC: log.commit
    if commit == position {
      if storedCursor != position { storeCursor() }
      return lookAtEnd()
    }
    knownCommit = commit
    // Also true when the commit went backwards: the difference wraps.
    if commit &- position > capacity || commit & 63 != 0 { return overrun(commit) }
    return true
  }

  /// Looks again and again, without pausing, at most `looks` times, until there is something; true
  /// when the first look found nothing, so that the reader is faster than the publisher.
  ///
  /// No pause instruction: it costs as much as a line takes to cross, and hypervisors take many of
  /// them for a reason to give the core away. No prefetch of the record to come either: the line
  /// would be taken from a publisher that has just asked for it, and cross once more.
  @inlinable @inline(__always)
  public func linger(looks: Int) -> Bool {
    var left = looks
    while left > 0, commitWord.loadRelaxed() == position {
      plat_settle()
      left &-= 1
    }
    return left < looks
  }

  @usableFromInline
  mutating func lookAtEnd() -> Bool {
    if position >= final {
      stop(.ended)
    } else if final != .max {
      // The end was within what was committed: that was taken back, and nothing more will come.
      stop(.corrupt)
    }
    return false
  }

  /// Nothing more is read from this log.
  @usableFromInline
  mutating func stop(_ reason: ReaderState) {
    state = reason
    knownCommit = position
  }

  @inlinable @inline(__always)
  mutating func pollInPlace<Failure: Error>(
    limit: Int, _ body: (borrowing Record) throws(Failure) -> Void
  ) throws(Failure) -> Int {
    let first = position
    var taken = 0
    do throws(Failure) {
      try lendInPlace(limit: limit, taken: &taken, body)
    } catch {
      settle(from: first, taken: taken)
      throw error
    }
    settle(from: first, taken: taken)
    return state == .evicted ? 0 : taken
  }

  @inlinable @inline(__always)
  mutating func lendInPlace<Failure: Error>(
    limit: Int, taken: inout Int, _ body: (borrowing Record) throws(Failure) -> Void
  ) throws(Failure) {
    var bytes: UInt64 = 0
    // Messages with a foreign source count towards the limit, too: nobody may be kept walking. No
    // counter of its own for them in the loop: each costs its caller's closure a register.
    let forgedBefore = forgedCount
    defer {
      receivedBytesCount &+= bytes
      taken &-= Int(truncatingIfNeeded: forgedCount &- forgedBefore)
    }
    while position != knownCommit, taken < limit {
      let offset = (position &- basePosition) & mask
      let at = unsafe ring + Int(truncatingIfNeeded: offset)
      unsafe plat_copy_racing(lent, at, 8)
      let size = sizeOfLent
      guard unsafe lent.pointee.isValid, size <= min(knownCommit &- position, capacity &- offset)
      else {
        if skipControl(unsafe lent.pointee, offset) { continue }
        break
      }
      position &+= size
      sequence &+= 1
      taken &+= 1
      guard isLentByOwner() else { continue }
      bytes &+= lengthOfLent
      try body(
        unsafe Record(header: lent, body: at + 64, sequence: sequence &- 1, gapBefore: 0))
    }
  }

  /// After a batch: checks that every lent byte was intact, and shows the cursor when it is time.
  @inlinable @inline(__always)
  mutating func settle(from first: UInt64, taken: Int) {
    count(taken)
    atomicMemoryFence(ordering: .acquiring)
    if departedWord.loadRelaxed() != departed || isSuspect { checkWindow(from: first) }
    if position &- storedCursor >= cursorStep { storeCursor() }
  }

  @inlinable @inline(__always)
  mutating func count(_ taken: Int) { receivedCount &+= UInt64(truncatingIfNeeded: taken) }

  /// Finds out whether it was this reader who left the publisher's window.
  ///
  /// Once it is out it is evicted, whether or not the publisher has written into its window yet:
  /// later no sign would come.
  @usableFromInline @inline(never)
  mutating func checkWindow(from first: UInt64) {
    let most = UInt64(BUS_HOT_DEPARTED_ENTRIES)
    let now = departedWord.loadAcquire()  // SYNC: log.departed
    var mine = reserveWord.loadAcquire() > first &+ capacity
    // Below what the join said, the publisher has not yet noted departures older than this reader.
    if now > departed {
      for number in max(departed, now > most ? now - most : 0)..<now {
        let at = unsafe departedList + Int(number % most) * 8
        let name = unsafe WatchedWord64(at: at).loadRelaxed()
        mine = mine || name == attachment
        isSuspect = isSuspect || name == UInt64(BUS_HOT_DEPARTED_UNNAMED)
      }
      // Too many at once to have all their names, the oldest of which may just be written over:
      // from now on every batch looks at `reserve`.
      if departedWord.loadAcquireAfterLoads() &- departed >= most { isSuspect = true }
      departed = now
    }
    if mine { stop(.evicted) }
  }

  /// The bytes of the record whose header lies in `lent`.
  ///
  /// Read from there field by field: a header held as a value is moved by loads wider than the
  /// stores that made it, and each message would wait for them.
  @inlinable @inline(__always)
  var sizeOfLent: UInt64 {
    let sizes = unsafe lent.pointee.word1
    return (64 &+ 63 &+ (sizes &>> 48) &+ (sizes & 0xFFFF_FFFF)) & ~63
  }

  /// The payload's bytes of the record whose header lies in `lent`.
  @inlinable @inline(__always)
  var lengthOfLent: UInt64 { unsafe lent.pointee.word1 & 0xFFFF_FFFF }

  @inlinable @inline(__always)
  mutating func isLentByOwner() -> Bool {
    if unsafe lent.pointee.word3 == owner0 && lent.pointee.word4 == owner1 { return true }
    if relay { return true }
    forgedCount &+= 1
    return false
  }

  /// Handles a record of the log itself, and everything that is no record.
  ///
  /// False: stop polling.
  @usableFromInline @inline(never)
  mutating func skipControl(_ words: HeaderWords, _ offset: UInt64) -> Bool {
    // A lossless reader never begins anew.
    var resyncs = 0
    return skipControl(words, offset, &resyncs)
  }

  /// As ``skipControl(_:_:)``, for a reader that begins anew `resyncs` times in a poll.
  @usableFromInline @inline(never)
  mutating func skipControl(
    _ words: HeaderWords, _ offset: UInt64, _ resyncs: inout Int
  ) -> Bool {
    if mode != .lossless, reserveWord.loadAcquireAfterLoads() > position &+ capacity {
      return resync(&resyncs)
    }
    let left = min(knownCommit &- position, capacity &- offset)
    let size = 64 &+ UInt64(words.length)
    if words.magic == BUS_WIRE_MAGIC, UInt32(words.version) == BUS_WIRE_VERSION,
      words.extensionLength == 0, words.priorityByte == 0, size % 64 == 0, size <= left
    {
      switch Int32(words.typeBits) {
      case BUS_RECORD_PADDING where size == capacity &- offset:
        position &+= size
        return true
      case BUS_RECORD_ROTATED:
        position &+= 64
        stop(.rotated)
        return false
      case BUS_RECORD_CLOSED:
        position &+= 64
        stop(.ended)
        storeCursor()
        return false
      default: break
      }
    }
    let overwritten = reserveWord.loadAcquireAfterLoads() > position &+ capacity
    stop(overwritten ? .evicted : .corrupt)
    return false
  }
}

extension HeaderWords {
  /// The header at an address that another process may be writing.
  @inlinable @inline(__always)
  init(racing at: UnsafeRawPointer) {
    unsafe self.init(
      WatchedWord64(at: at).loadRelaxed(), WatchedWord64(at: at + 8).loadRelaxed(),
      WatchedWord64(at: at + 16).loadRelaxed(), WatchedWord64(at: at + 24).loadRelaxed(),
      WatchedWord64(at: at + 32).loadRelaxed(), WatchedWord64(at: at + 40).loadRelaxed(),
      WatchedWord64(at: at + 48).loadRelaxed(), WatchedWord64(at: at + 56).loadRelaxed())
  }
}
