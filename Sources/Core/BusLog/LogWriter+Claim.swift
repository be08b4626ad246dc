import BusMemory
import BusWire
import CBusABI
import CBusPlatform
import Synchronization

// What happens once in a few dozen messages: the ring's end, the position index, `reserve`, a full
// window, sleeping readers.

extension LogWriter {
  /// The claim when the single compare of the fast path failed.
  @usableFromInline @inline(never)
  mutating func claimSlowly(_ bytes: UInt64, payload: Int) -> UnsafeMutableRawPointer? {
    // A record beyond `reserveStep` always comes here, so the fast path needs no such check.
    guard bytes <= view.shape.recordBytesMax, payload <= WireLimit.payloadBytesMax, !isClosed
    else { return nil }
    // The commit before the look at the limit: a joining reader closes the limit, then looks at the
    // commit, and this fence stands for the barrier that it cannot make here.
    if fencesEachClaim { atomicMemoryFence(ordering: .sequentiallyConsistent) }
    // A batch may not hide more than a quarter of the ring from readers that start now.
    if position &+ bytes &- committed > batchMax, position != committed { publish() }
    let offset = (position &- view.basePosition) & (view.shape.capacity &- 1)
    let room = view.shape.capacity &- offset
    let padding = bytes > room ? room : 0
    let end = position &+ padding &+ bytes
    if end > limit.loadRelaxed() {
      // What is appended must be visible before the publisher waits for its readers.
      if position != committed { publish() }
      lookAtGate(for: end)
      if end > limit.loadRelaxed() { return nil }
    }
    unsafe pen = unsafe view.ring + Int(offset)
    raiseReserve(to: end)
    if padding > 0 { pad(padding) }
    noteIndex()
    let start = position &- view.basePosition
    let lapEnd = view.basePosition &+ (start | (view.shape.capacity &- 1)) &+ 1
    let nextEighth = view.basePosition &+ (indexedEighth &+ 1) &* view.shape.eighth
    if fencesEachClaim { return unsafe pen }
    clearEnd = min(view.reserve.loadRelaxed(), min(lapEnd, nextEighth), committed &+ batchMax)
    return unsafe pen
  }

  /// Lets readers that copy know that bytes below `end` may be under the pen.
  ///
  /// `reserve` goes in steps, but never past the limit: a lossless reader takes it for the proof
  /// that it was evicted.
  private func raiseReserve(to end: UInt64) {
    let reserved = view.reserve.loadRelaxed()
    guard end > reserved else { return }
    let step = view.shape.reserveStep
    let stepped = (end &+ step &- 1) & ~(step &- 1)
    let limitNow = limit.loadRelaxed()
    let target = limitNow == 0 ? end : max(end, min(stepped, limitNow))
    view.reserve.storeRelaxed(target)  // SYNC: log.reserve
    atomicMemoryFence(ordering: .releasing)
  }

  /// Fills the rest of the ring with a record that readers skip.
  private mutating func pad(_ bytes: UInt64) {
    writeControl(UInt64(BUS_RECORD_PADDING), length: bytes &- 64)
    position &+= bytes
    unsafe pen = unsafe view.ring
  }

  func writeControl(_ type: UInt64, length: UInt64) {
    let identity = UInt64(BUS_WIRE_MAGIC) | UInt64(BUS_WIRE_VERSION) &<< 32 | type &<< 48
    unsafe pen.storeBytes(of: identity, as: UInt64.self)
    unsafe pen.storeBytes(of: length, toByteOffset: 8, as: UInt64.self)
  }

  private mutating func noteIndex() {
    let eighth = (position &- view.basePosition) / view.shape.eighth
    guard eighth > indexedEighth else { return }
    view.writeIndex(position: position, sequence: sequence)
    indexedEighth = eighth
  }

  /// Takes over the gate's limit and what has changed in the list of sleepers.
  ///
  /// `end` is where the record ends for which there is room or not, nil without one.
  mutating func lookAtGate(for end: UInt64? = nil) {
    let seen = gate.look(for: end)
    view.note(seen.departures)
    guard let changes = seen.sleepers else { return }
    fencesEachPublish = fencesForSelf || seen.fences
    // Nobody may be left out: one that is not woken would sleep for up to a second.
    if changes.count > sleeperRoom { makeSleeperRoom(changes.count) }
    if changes.count < sleeperCount { sleeperSegments.removeLast(sleeperCount - changes.count) }
    for (place, epoch, segment) in changes.list {
      unsafe (sleepers + place).initialize(to: ParkedReader(epoch: epoch, woken: 0))
      if place < sleeperSegments.count {
        sleeperSegments[place] = segment
      } else {
        sleeperSegments.append(segment)
      }
    }
    sleeperCount = changes.count
  }

  private mutating func makeSleeperRoom(_ count: Int) {
    let former = unsafe sleepers
    sleeperRoom = count * 2
    unsafe sleepers = UnsafeMutablePointer<ParkedReader>.allocate(capacity: sleeperRoom)
    unsafe sleepers.moveInitialize(from: former, count: sleeperCount)
    unsafe former.deallocate()
  }

  /// Wakes readers whose epoch says that they sleep, at most twice per epoch.
  @usableFromInline @inline(never)
  mutating func wakeSleepers() {
    // The commit before the epochs: the compiler by this barrier, the processor by the one that a
    // reader causes on every publisher before it sleeps (or by a fence where that is not allowed).
    if fencesEachPublish {
      atomicMemoryFence(ordering: .sequentiallyConsistent)
    } else {
      plat_compiler_barrier()
    }
    if limit.loadRelaxed() == 0 { lookAtGate() }
    for index in 0..<sleeperCount {
      let epoch = unsafe sleepers[index].epoch.loadRelaxed()  // SYNC: reader.epoch
      guard epoch & EpochBits.asleep != 0 else { continue }
      unsafe wake(&sleepers[index], epoch)
    }
  }

  private mutating func wake(_ sleeper: inout ParkedReader, _ epoch: UInt32) {
    // Whoever sleeps on commit words sleeps on its own word as well.
    let isOwnWord = epoch & EpochBits.onOwnWord != 0 || !mayWakeCommitWord()
    guard sleeper.woken != epoch else {
      guard sleeper.isOwed else { return }
      if isOwnWord {
        guard sleeper.backoff.isDue(committed: committed) else { return }
        let isFound = unsafe plat_futex_wake(sleeper.epoch.address, 1) > 0
        sleeper.isOwed = !isFound || isCommitWordCrowded
        if sleeper.isOwed { sleeper.backoff.missed(committed: committed) }
        return
      }
      // A flush of nothing is nothing that could keep the reader from its sleep.
      guard committed != sleeper.wokenAt else { return }
      wakeCommitWord()
      sleeper.isOwed = false
      return
    }
    sleeper.woken = epoch
    sleeper.wokenAt = committed
    // The reader may have taken this commit already before it marked its epoch: then this wake is
    // for nothing, and the next commit owes it another. After two the reader is awake or will not
    // sleep, because it compares the commit word with what it saw before the mark.
    sleeper.isOwed = true
    sleeper.backoff.begin(committed: committed)
    if !isOwnWord {
      wakeCommitWord()
      return
    }
    // The reader waits on its own word, whose value we cannot change: between its last look and
    // its sleep a wake may hit nobody, so try again for as long as such a step usually takes.
    for _ in 0..<64 {
      if unsafe plat_futex_wake(sleeper.epoch.address, 1) > 0 {
        // A stranger may stand before it on that word, too: then the commit word is its way.
        sleeper.isOwed = isCommitWordCrowded
        return
      }
      if sleeper.epoch.loadRelaxed() != epoch { return }
      plat_pause()
    }
  }
}

extension LogWriter {
  /// Wakes all who sleep on the commit word, and finds out whether more do than this publisher
  /// knows of.
  ///
  /// Whoever maps the log may sleep on its word, with a thousand threads and a hundred times with
  /// each, and every wake would be this publisher's work. Then all of them are woken now and then,
  /// and its readers one by one in between, on words of their own.
  private mutating func wakeCommitWord() {
    let found = unsafe plat_futex_wake(commitWord.address, .max)
    isCommitWordCrowded = found > 2 * sleeperCount + Self.unknownSleepersMax
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
