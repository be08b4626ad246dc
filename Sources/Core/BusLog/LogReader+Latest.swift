public import BusMemory
public import BusWire
import CBusABI
public import CBusPlatform
public import Synchronization

// The mode in which only the newest message of each destination counts.

extension LogReader {
  /// Hands over the newest message of each topic among all that are committed, oldest first.
  // Not inlined: see ``poll(limit:_:)``.
  @inlinable @inline(never)
  mutating func pollLatest<Failure: Error>(
    limit: Int, _ body: (borrowing Record) throws(Failure) -> Void
  ) throws(Failure) -> Int {
    scanNewest()
    var taken = 0
    defer { count(taken) }
    for place in newest.oldest(limit) {
      newest.remove(place)
      let offset = (place.position &- basePosition) & mask
      let at = unsafe ring + Int(truncatingIfNeeded: offset)
      unsafe plat_copy_racing(lent, at, 8)
      let isWhole = unsafe lent.pointee.isValid && sizeOfLent <= capacity &- offset
      if isWhole { unsafe copyBody(at) }
      atomicMemoryFence(ordering: .acquiring)
      // Overwritten since the scan, and whether the topic has a newer message is not known.
      guard isWhole, reserveWord.loadRelaxed() <= place.position &+ capacity else {
        lose(1)
        continue
      }
      taken &+= 1
      receivedBytesCount &+= lengthOfLent
      let gap = gapPending
      gapPending = 0
      try lend(sequence: place.sequence, gap: gap, body)
    }
    return taken
  }

  @usableFromInline
  mutating func lose(_ count: UInt64) {
    if count > 0, gapPending == 0 { gapEvents &+= 1 }
    gaps &+= count
    gapPending &+= count
  }

  /// Walks the headers up to the commit and keeps the last record of each destination.
  @usableFromInline
  mutating func scanNewest() {
    while position != knownCommit {
      let offset = (position &- basePosition) & mask
      let at = unsafe ring + Int(truncatingIfNeeded: offset)
      unsafe plat_copy_racing(lent, at, 8)
      let size = sizeOfLent
      guard unsafe lent.pointee.isValid, size <= min(knownCommit &- position, capacity &- offset)
      else {
        if skipControl(unsafe lent.pointee, offset) { continue }
        break
      }
      if reserveWord.loadAcquireAfterLoads() > position &+ capacity {
        guard resync() else { break }
        continue
      }
      let to = unsafe BusUUID(word0: lent.pointee.word5, word1: lent.pointee.word6)
      let place = NewestRecord(position: position, sequence: sequence, destination: to)
      position &+= size
      sequence &+= 1
      guard isLentByOwner() else { continue }
      if newest.note(place) { superseded &+= 1 }
    }
    if storedCursor != position { storeCursor() }
  }
}

/// Where the newest message of a destination starts.
@usableFromInline
struct NewestRecord: Sendable {
  @usableFromInline let position: UInt64
  @usableFromInline let sequence: UInt64
  let destination: BusUUID
}

/// The newest messages that a scan found and no poll has handed over yet.
@usableFromInline
struct NewestRecords: Sendable {
  private var places: [BusUUID: NewestRecord] = [:]

  @usableFromInline var isEmpty: Bool { places.isEmpty }
  @usableFromInline var count: UInt64 { UInt64(places.count) }

  /// True when the message replaces an older one of its destination.
  mutating func note(_ place: NewestRecord) -> Bool {
    places.updateValue(place, forKey: place.destination) != nil
  }

  /// The oldest of them, at most `limit`.
  @usableFromInline
  func oldest(_ limit: Int) -> ArraySlice<NewestRecord> {
    places.values.sorted { $0.position < $1.position }.prefix(max(0, limit))
  }

  /// Forgets all of them and says how many they were.
  mutating func removeAll() -> UInt64 {
    defer { places.removeAll(keepingCapacity: true) }
    return UInt64(places.count)
  }

  @usableFromInline
  mutating func remove(_ place: NewestRecord) { places[place.destination] = nil }
}
