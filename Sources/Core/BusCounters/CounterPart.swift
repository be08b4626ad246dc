import BusMemory
import BusWire
import CBusABI
import CBusPlatform
import Synchronization

/// One segment of an agent's counters, or memory of its own where the kernel gave none.
@safe
final class CounterPart: @unchecked Sendable {
  // @unchecked Sendable: the table's mutex holds everything but the counting words, which have one
  // writer each.
  let number: Int
  let shape: CounterShape
  let base: UnsafeMutableRawPointer
  private let segment: OwnedSegment?
  private let heap: UnsafeMutableRawPointer?
  /// Rows and histograms from here on were never used.
  private(set) var rowsUsed = 0
  private(set) var histogramsUsed = 0

  /// Makes and seals a segment; throws when the kernel refuses the memory.
  init(number: Int, agent: BusUUID, incarnation: UInt64) throws(MemoryError) {
    let shape = CounterShape(part: number)
    let segment = try OwnedSegment(name: "bcs:counters", bytes: shape.bytes)
    var raw = bus_counters_identity_t()
    raw.magic = BUS_COUNTERS_MAGIC
    raw.layout_version = UInt16(BUS_LAYOUT_VERSION)
    raw.part = UInt16(number)
    raw.segment_bytes = UInt64(shape.bytes)
    raw.incarnation = incarnation
    raw.rows = UInt32(shape.rows)
    raw.histograms = UInt32(shape.histograms)
    unsafe withUnsafeMutableBytes(of: &raw.agent) { to in
      unsafe to.storeBytes(of: agent.word0, toByteOffset: 0, as: UInt64.self)
      unsafe to.storeBytes(of: agent.word1, toByteOffset: 8, as: UInt64.self)
    }
    unsafe segment.base.storeBytes(of: raw, as: bus_counters_identity_t.self)
    try segment.seal()
    self.number = number
    self.shape = shape
    unsafe base = segment.base
    self.segment = consume segment
    unsafe heap = nil
  }

  /// A part that nobody can watch: counting must not depend on memory that may be refused.
  init(unseen number: Int) {
    self.number = number
    shape = CounterShape(part: 1)
    let memory = UnsafeMutableRawPointer.allocate(byteCount: shape.bytes, alignment: 128)
    unsafe memory.initializeMemory(as: UInt8.self, repeating: 0, count: shape.bytes)
    unsafe base = memory
    unsafe heap = memory
    segment = nil
  }

  deinit { unsafe heap?.deallocate() }

  var isSeen: Bool { unsafe heap == nil }

  /// A second descriptor of the memory file, owned by the caller; -1 for a part that has none.
  func duplicateDescriptor() -> Int32 { segment?.duplicateDescriptor() ?? -1 }

  func row(_ number: Int) -> UnsafeMutableRawPointer { unsafe base + shape.rowOffset(number) }

  func histogram(_ number: Int) -> UnsafeMutableRawPointer {
    unsafe base + shape.histogramOffset(number)
  }

  /// A row that was never used; nil when all were.
  func takeRow() -> Int? {
    guard rowsUsed < shape.rows else { return nil }
    rowsUsed += 1
    unsafe OwnedWord64(at: base + Int(BUS_COUNTERS_USED)).storeRelease(UInt64(rowsUsed))
    return rowsUsed - 1
  }

  var hasHistogram: Bool { histogramsUsed < shape.histograms }

  func takeHistogram() -> Int {
    histogramsUsed += 1
    return histogramsUsed - 1
  }

  var version: OwnedWord64 { unsafe OwnedWord64(at: base + Int(BUS_COUNTERS_VERSION)) }
}

extension bus_counter_row_t {
  /// The identity part of a row that begins; not live yet.
  init(_ identity: CounterIdentity, tenancy: UInt32, histogram: Int?) {
    self.init()
    state = UInt32(BUS_ROW_FREE)
    self.tenancy = tenancy
    direction = identity.direction.rawValue
    kind = identity.kind.rawValue
    lane = identity.lane.rawValue
    mode = identity.mode.rawValue
    self.histogram = histogram.map { UInt16($0 + 1) } ?? 0
    stream = identity.stream
    peer_incarnation = identity.peerIncarnation
    attachment = identity.attachment
    let (name, other) = (identity.channel, identity.peer)
    channel_length = unsafe withUnsafeMutableBytes(of: &channel) { unsafe Self.fill($0, name) }
    peer_length = unsafe withUnsafeMutableBytes(of: &peer) { unsafe Self.fill($0, other) }
  }

  /// Stores a name, cut between two characters where it is too long; returns its length.
  private static func fill(_ room: UnsafeMutableRawBufferPointer, _ name: String) -> UInt8 {
    var length = name.utf8.count
    let bytes = Array(name.utf8)
    if length > room.count {
      length = room.count
      while length > 0, bytes[length] & 0xC0 == 0x80 { length -= 1 }
    }
    unsafe room.copyBytes(from: bytes.prefix(length))
    return UInt8(length)
  }
}
