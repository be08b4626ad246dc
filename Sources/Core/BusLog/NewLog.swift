public import BusMemory
import BusWire
import CBusABI

/// A log made and sealed, not yet in use: what a service thread hands to the router and then to
/// the publisher, which alone writes it from then on.
@safe
public struct NewLog: ~Copyable, Sendable {
  /// Whose it is and how large.
  public let identity: LogIdentity
  var segment: OwnedSegment

  /// Creates, fills and seals the memory.
  ///
  /// Throws when the kernel refuses it, and when the channel's name is empty or too long.
  public init(_ identity: LogIdentity) throws(MemoryError) {
    let named = identity.channel.utf8.count
    guard named > 0, named <= LogIdentity.channelBytesMax else {
      throw .layout(field: "channel length", value: UInt64(named))
    }
    let bytes = Int(identity.shape.segmentBytes)
    let name = "bcs:\(identity.channel)"
    let segment = try OwnedSegment(name: name, bytes: bytes)
    unsafe identity.write(to: segment.base)
    try segment.seal()
    self.identity = identity
    self.segment = segment
  }

  /// The memory file, for the router; owned by this value, -1 once it was released.
  public var descriptor: Int32 { segment.descriptor }
  /// Hands the descriptor over to the caller, who closes it: the publisher needs only the memory.
  public mutating func releaseDescriptor() -> Int32 { segment.releaseDescriptor() }
}

/// The words of a log that its publisher writes and readers watch, and where the records go.
@safe
struct OwnLogView: @unchecked Sendable {
  // @unchecked Sendable: plain addresses; the gate drops its copy when the writer goes.
  let base: UnsafeMutableRawPointer
  let ring: UnsafeMutableRawPointer
  let shape: LogShape
  let reserve: OwnedWord64
  let commit: OwnedWord64
  let sequence: OwnedWord64
  let waiting: OwnedWord32
  let topicsUsed: OwnedWord32
  let last: OwnedWord32
  let departed: OwnedWord64
  let departedList: UnsafeMutableRawPointer
  let basePosition: UInt64

  init(_ log: borrowing NewLog, basePosition: UInt64) {
    unsafe base = log.segment.base
    let hot = unsafe base + Int(log.identity.hotOffset)
    shape = log.identity.shape
    unsafe ring = base + Int(shape.ringOffset)
    reserve = unsafe OwnedWord64(at: hot + Int(BUS_HOT_RESERVE))
    commit = unsafe OwnedWord64(at: hot + Int(BUS_HOT_COMMIT))
    sequence = unsafe OwnedWord64(at: hot + Int(BUS_HOT_SEQUENCE))
    waiting = unsafe OwnedWord32(at: hot + Int(BUS_HOT_WAITING))
    topicsUsed = unsafe OwnedWord32(at: hot + Int(BUS_HOT_TOPICS))
    last = unsafe OwnedWord32(at: hot + Int(BUS_HOT_LAST))
    departed = unsafe OwnedWord64(at: hot + Int(BUS_HOT_DEPARTED))
    unsafe departedList = hot + Int(BUS_HOT_DEPARTED_LIST)
    self.basePosition = basePosition
  }

  /// Says who left the window, before any byte of that reader's window is written.
  func note(_ departures: Departures) {
    guard departures.count > 0 else { return }
    var count = departed.loadRelaxed()
    for number in 0..<departures.count {
      let name = departures.name(number) ?? UInt64(BUS_HOT_DEPARTED_UNNAMED)
      let slot = Int(count % UInt64(BUS_HOT_DEPARTED_ENTRIES))
      unsafe OwnedWord64(at: departedList + slot * 8).storeRelease(name)
      count += 1
      departed.storeRelease(count)  // SYNC: log.departed
    }
  }

  /// Takes over what the log before this one said.
  func continueDepartures(of old: OwnLogView) {
    let bytes = Int(BUS_HOT_DEPARTED_ENTRIES) * 8
    unsafe departedList.copyMemory(from: old.departedList, byteCount: bytes)
    departed.storeRelease(old.departed.loadRelaxed())
  }

  /// The entry of the position index for the eighth in which a position lies.
  private func indexEntry(_ position: UInt64) -> (position: OwnedWord64, sequence: OwnedWord64) {
    let number = (position - basePosition) / shape.eighth
    let slot = Int(number % UInt64(BUS_LOG_INDEX_ENTRIES))
    let at = unsafe base + Int(BUS_LOG_INDEX_OFFSET) + slot * 16
    return unsafe (OwnedWord64(at: at), OwnedWord64(at: at + 8))
  }

  /// Notes which record starts at `position`; readers validate what they find here.
  func writeIndex(position: UInt64, sequence: UInt64) {
    let entry = indexEntry(position)
    entry.position.storeRelease(UInt64.max)
    entry.sequence.storeRelease(sequence)
    entry.position.storeRelease(position)  // SYNC: log.index
  }

  /// Messages of the stream before `commit`, counted from the newest index entry on, or from a
  /// place that is `known` and newer, and how many records that took.
  ///
  /// At most an eighth of the ring, in this process's own memory and intact while the limit is
  /// closed.
  func sequence(
    at commit: UInt64, knowing known: (position: UInt64, sequence: UInt64)
  ) -> (sequence: UInt64, records: Int) {
    var (position, sequence) = newestIndex(notAbove: commit)
    if known.position > position, known.position <= commit { (position, sequence) = known }
    var records = 0
    while position < commit {
      records += 1
      let at = unsafe ring + Int((position - basePosition) & (shape.capacity - 1))
      let words = unsafe HeaderWords(racing: at)
      let isMessage = UInt32(words.typeBits) <= UInt32(BUS_TYPE_BROADCAST)
      sequence += isMessage ? 1 : 0
      let extra = Int(words.extensionLength)
      position += UInt64(recordBytes(extension: extra, payload: Int(words.length)))
    }
    return (sequence, records)
  }

  /// The newest index entry at or below `position`, as written by this process.
  func newestIndex(notAbove position: UInt64) -> (position: UInt64, sequence: UInt64) {
    var best = (position: basePosition, sequence: UInt64(0))
    var found = false
    for slot in 0..<Int(BUS_LOG_INDEX_ENTRIES) {
      let at = unsafe base + Int(BUS_LOG_INDEX_OFFSET) + slot * 16
      let entry = unsafe (OwnedWord64(at: at).loadAcquire(), OwnedWord64(at: at + 8).loadRelaxed())
      guard entry.0 >= basePosition, entry.0 <= position, !found || entry.0 > best.position else {
        continue
      }
      guard slot == Int((entry.0 - basePosition) / shape.eighth) % Int(BUS_LOG_INDEX_ENTRIES)
      else { continue }
      best = entry
      found = true
    }
    return best
  }
}
