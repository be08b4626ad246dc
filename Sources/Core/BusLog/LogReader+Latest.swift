public import BusMemory
public import BusWire
import CBusABI
import CBusPlatform
public import Synchronization

// The mode in which only the newest message of each destination counts.

extension LogReader {
  /// Hands over the newest message of each topic among all that are committed, oldest first.
  // Not inlined: see ``poll(limit:_:)``.
  @inlinable @inline(never)
  mutating func pollLatest<Failure: Error>(
    limit: Int, _ body: (borrowing Record) throws(Failure) -> Void
  ) throws(Failure) -> Int {
    guard let newest else { return 0 }
    scan(into: newest)
    var taken = 0
    var looked = 0
    defer { count(taken) }
    while looked < limit, let place = newest.takeOldest() {
      looked &+= 1
      let offset = (place.position &- basePosition) & mask
      // The header that the scan checked; what stands in the ring now may be another one.
      unsafe lent.pointee = place.header
      unsafe copyBody(ring + Int(truncatingIfNeeded: offset))
      atomicMemoryFence(ordering: .acquiring)
      // Overwritten since the scan, and whether the topic has a newer message is not known.
      guard reserveWord.loadRelaxed() <= place.position &+ capacity else {
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
  mutating func scan(into newest: NewestRecords) {
    var resyncs = 0
    while position != knownCommit {
      let offset = (position &- basePosition) & mask
      let at = unsafe ring + Int(truncatingIfNeeded: offset)
      unsafe plat_copy_racing(lent, at, 8)
      let size = sizeOfLent
      guard unsafe lent.pointee.isValid, size <= min(knownCommit &- position, capacity &- offset)
      else {
        if skipControl(unsafe lent.pointee, offset, &resyncs) { continue }
        break
      }
      if reserveWord.loadAcquireAfterLoads() > position &+ capacity {
        guard resync(&resyncs) else { break }
        continue
      }
      let place = unsafe NewestRecord(
        position: position, sequence: sequence, header: lent.pointee)
      position &+= size
      sequence &+= 1
      guard isLentByOwner() else { continue }
      if newest.isFull(for: place), newest.takeOldest() != nil { lose(1) }
      if newest.note(place) { superseded &+= 1 }
    }
    // Only what lies within one ring can still be handed over; nothing else is kept.
    if newest.count > capacity / 64 { lose(newest.dropAll(before: position &- capacity)) }
    if storedCursor != position { storeCursor() }
  }
}

/// The newest message of a destination: where it starts, and its header as the scan checked it.
@usableFromInline
struct NewestRecord: Sendable {
  @usableFromInline let position: UInt64
  @usableFromInline let sequence: UInt64
  @usableFromInline let header: HeaderWords

  var destination: BusUUID { BusUUID(word0: header.word5, word1: header.word6) }
}

/// The newest messages that a scan found and no poll has handed over yet.
///
/// Scans find records in order, so the oldest one is found without sorting: a queue of all, from
/// which those are skipped that a newer one of their destination has replaced.
@usableFromInline
final class NewestRecords {
  private var places: [BusUUID: NewestRecord] = [:]
  private var queue: [(position: UInt64, destination: BusUUID)] = []
  private var head = 0

  init() {}

  @usableFromInline var isEmpty: Bool { places.isEmpty }
  @usableFromInline var count: UInt64 { UInt64(places.count) }

  /// Most destinations of which a message is kept; beyond them the oldest are lost, and counted.
  static let most = 65_536

  /// Whether there is no place for a message of a destination of which none is kept.
  func isFull(for place: NewestRecord) -> Bool {
    places.count >= Self.most && places[place.destination] == nil
  }

  /// True when the message replaces an older one of its destination.
  func note(_ place: NewestRecord) -> Bool {
    queue.append((place.position, place.destination))
    let isReplaced = places.updateValue(place, forKey: place.destination) != nil
    if queue.count - head > 2 * places.count + 64 { tidy() }
    return isReplaced
  }

  /// Takes the oldest of them out; nil when there is none.
  @usableFromInline
  func takeOldest() -> NewestRecord? {
    while head < queue.count {
      let (position, destination) = queue[head]
      head += 1
      guard let place = places[destination], place.position == position else { continue }
      places[destination] = nil
      if head > 64, head * 2 > queue.count { tidy() }
      return place
    }
    queue.removeAll(keepingCapacity: true)
    head = 0
    return nil
  }

  /// Forgets those that start before a position and says how many they were.
  func dropAll(before position: UInt64) -> UInt64 {
    var dropped: UInt64 = 0
    while head < queue.count, queue[head].position < position {
      let (start, destination) = queue[head]
      head += 1
      guard places[destination]?.position == start else { continue }
      places[destination] = nil
      dropped += 1
    }
    tidy()
    return dropped
  }

  /// Forgets all of them and says how many they were.
  func removeAll() -> UInt64 {
    defer {
      places.removeAll(keepingCapacity: true)
      queue.removeAll(keepingCapacity: true)
      head = 0
    }
    return UInt64(places.count)
  }

  /// Gives back the places of the queue that lead to nothing.
  private func tidy() {
    var kept: [(position: UInt64, destination: BusUUID)] = []
    kept.reserveCapacity(places.count)
    for entry in queue[head...] where places[entry.destination]?.position == entry.position {
      kept.append(entry)
    }
    queue = kept
    head = 0
  }
}
