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

  /// Takes over the gate's limit and what has changed in the list of readers that may be parked.
  ///
  /// `end` is where the record ends for which there is room or not, nil without one.
  mutating func lookAtGate(for end: UInt64? = nil) {
    let seen = gate.look(for: end)
    view.note(seen.departures)
    guard let changes = seen.sleepers else { return }
    fencesEachPublish = fencesForSelf || seen.fences
    parked.take(changes)
  }

  /// Wakes parked readers; what was committed comes before the looks at their epochs.
  @usableFromInline @inline(never)
  mutating func wakeParked() {
    // The commit before the epochs: the compiler by this barrier, the processor by the one that a
    // reader causes on every publisher before it sleeps (or by a fence where that is not allowed).
    if fencesEachPublish {
      atomicMemoryFence(ordering: .sequentiallyConsistent)
    } else {
      plat_compiler_barrier()
    }
    if limit.loadRelaxed() == 0 { lookAtGate() }
    parked.wake(committed: committed)
  }
}
