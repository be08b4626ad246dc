import BusMemory
import CBusABI
import CBusPlatform
import Synchronization

// The stream around its logs: topics, waiting for room, rotation, the end.

extension LogWriter {
  /// The id of a topic in this stream's table, appended when it is new; nil when the table is full.
  ///
  /// The topic then travels as an extension item.
  public mutating func topic(_ name: String) -> UInt32? {
    if let known = topics[name] { return known }
    let length = name.utf8.count
    let next = topicsBytes + 2 + length
    guard next <= Int(view.shape.topicsBytes), topics.count < LogTopicTable.topicsMax else {
      return nil
    }
    var to = unsafe view.base + Int(BUS_LOG_TOPICS_OFFSET) + topicsBytes
    unsafe to.storeBytes(of: UInt8(truncatingIfNeeded: length), as: UInt8.self)
    unsafe to.storeBytes(
      of: UInt8(truncatingIfNeeded: length >> 8), toByteOffset: 1, as: UInt8.self)
    unsafe to += 2
    for byte in name.utf8 {
      unsafe to.storeBytes(of: byte, as: UInt8.self)
      unsafe to += 1
    }
    topicsBytes = next
    view.topicsUsed.storeRelease(UInt32(next))  // SYNC: log.topics
    let index = UInt32(topics.count)
    topics[name] = index
    return index
  }

  /// True when a record of this size could ever be written to the current log.
  public func fits(recordBytes bytes: Int) -> Bool { UInt64(bytes) <= view.shape.recordBytesMax }

  /// Sleeps until a reader made room for a record of `bytes`, or at most `timeoutNs`.
  ///
  /// Returns at once when there is room. Counts blocked time; a reader whose time is up is
  /// evicted, and then there may be room.
  public mutating func waitForRoom(recordBytes bytes: Int, timeoutNs: UInt64) {
    let end = blockedEnd(bytes)
    guard let slow = gate.blocker(of: end, nowNs: HostClock.monotonicNs()) else { return }
    guard let cursor = slow.cursor else {
      // An expected reader that has not named its slot yet: nothing to watch.
      _ = unsafe plat_futex_wait(view.waiting.address, 0, min(timeoutNs, 1_000_000))
      return
    }
    view.waiting.storeRelaxed(1)
    atomicMemoryFence(ordering: .sequentiallyConsistent)  // SYNC: writer.waiting
    let now = cursor.loadRelaxed()
    // Not the seen value but this one: a cursor that a hostile reader moved backwards or past the
    // end is clamped by the gate and must not spin us.
    if gate.blocker(of: end, nowNs: HostClock.monotonicNs()) != nil {
      let low = UInt32(truncatingIfNeeded: now)
      _ = unsafe plat_futex_wait(cursor.address, low, min(timeoutNs, Self.waitNsMax))
    }
    view.waiting.storeRelaxed(0)
    withExtendedLifetime(slow.segment) {}
  }

  /// Counts blocked time for a publisher that only tries; evicts as ``waitForRoom`` does.
  public func noteBlocked(recordBytes bytes: Int) {
    _ = gate.blocker(of: blockedEnd(bytes), nowNs: HostClock.monotonicNs())
  }

  /// Sleeps are bounded: a hostile reader can requeue a waiter away from the word.
  static var waitNsMax: UInt64 { 20_000_000 }

  private func blockedEnd(_ bytes: Int) -> UInt64 {
    let offset = (position &- view.basePosition) & (view.shape.capacity &- 1)
    let room = view.shape.capacity &- offset
    let bytes = UInt64(bytes)
    return position &+ (bytes > room ? room : 0) &+ bytes
  }

  /// Goes on in a larger log; false when the window has no room for the record that says so.
  ///
  /// The new log continues positions and sequences, so readers keep their cursors. The old log's
  /// mapping ends here; readers hold their own.
  public mutating func rotate(to next: consuming NewLog) -> NewLog? {
    let (old, new) = (log.identity, next.identity)
    guard new.generation == old.generation &+ 1, new.agent == old.agent,
      new.incarnation == old.incarnation, new.channel == old.channel,
      new.shape.topicsBytes >= view.shape.topicsBytes,
      unsafe claim(64) != nil
    else { return next }
    writeControl(UInt64(BUS_RECORD_ROTATED), length: 0)
    position &+= 64
    let fresh = OwnLogView(next, basePosition: position)
    unsafe next.segment.base.storeBytes(of: position, toByteOffset: 48, as: UInt64.self)
    unsafe next.segment.base.storeBytes(of: sequence, toByteOffset: 56, as: UInt64.self)
    let table = Int(BUS_LOG_TOPICS_OFFSET)
    unsafe (fresh.base + table).copyMemory(from: view.base + table, byteCount: topicsBytes)
    fresh.topicsUsed.storeRelease(UInt32(topicsBytes))
    fresh.continueDepartures(of: view)
    fresh.reserve.storeRelease(position)
    fresh.sequence.storeRelease(sequence)
    fresh.commit.storeRelease(position)
    fresh.writeIndex(position: position, sequence: sequence)
    // A reader that joins from now on starts in the new log: in the old one it would start behind
    // the record that says where the stream goes on, and once `log` is replaced its memory is gone.
    gate.use(fresh, generation: next.identity.generation)
    // Readers may enter the new log from here on.
    publish()
    wakeParked()
    // Once more: the looks at the gate above noted departures in the old log.
    fresh.continueDepartures(of: view)
    log = next
    view = fresh
    commitWord = fresh.commit
    parked.move(to: fresh.commit)
    sequenceWord = fresh.sequence
    unsafe pen = unsafe fresh.ring
    clearEnd = 0
    indexedEighth = 0
    committed = position
    batchMax = fresh.shape.capacity / 4
    lookAtGate()
    return nil
  }

  /// Ends the stream in order: its readers drain to here and leave.
  ///
  /// False when the window has no room for the closing record; the stream then ends like that of a
  /// publisher that died.
  @discardableResult
  public mutating func close() -> Bool {
    if position != committed { publish() }
    guard unsafe claim(64) != nil else { return false }
    writeControl(UInt64(BUS_RECORD_CLOSED), length: 0)
    position &+= 64
    isClosed = true
    clearEnd = 0
    view.last.storeRelease(1)
    publish()
    wakeParked()
    return true
  }
}
