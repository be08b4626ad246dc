public import BusMemory
public import BusWire
import CBusABI
import CBusPlatform

/// The counters of another agent, part by part: bytes of a stranger, believed only after a check.
///
/// Whatever the agent writes, looking at it ends after a bounded time and never traps.
public struct CounterView: Sendable {
  /// The agent, as the router announced it.
  public let agent: BusUUID
  /// Its incarnation.
  public let incarnation: UInt64
  private var parts: [Part] = []

  private struct Part: Sendable {
    let segment: PeerSegment
    let shape: CounterShape
  }

  /// A view of an agent of which no part is mapped yet.
  public init(agent: BusUUID, incarnation: UInt64) {
    self.agent = agent
    self.incarnation = incarnation
  }

  /// How many parts are mapped.
  public var partCount: Int { parts.count }

  /// Takes the agent's next part; one that is known already is passed over.
  ///
  /// Throws when the segment is not the part that was announced.
  public mutating func add(_ segment: PeerSegment, part number: Int) throws(MemoryError) {
    guard number >= parts.count else { return }
    guard number == parts.count, number < CounterShape.partsMax else {
      throw .layout(field: "part", value: UInt64(clamping: number))
    }
    guard segment.fileBytes >= UInt64(MemoryLayout<bus_counters_identity_t>.size),
      let shape = CounterShape(bytes: segment.fileBytes), segment.bytes == shape.bytes
    else { throw .layout(field: "segment size", value: segment.fileBytes) }
    let copy = try segment.copy(at: 0, count: MemoryLayout<bus_counters_identity_t>.size)
    let raw = unsafe copy.withUnsafeBytes {
      unsafe $0.loadUnaligned(as: bus_counters_identity_t.self)
    }
    guard raw.magic == BUS_COUNTERS_MAGIC else {
      throw .layout(field: "magic", value: UInt64(raw.magic))
    }
    guard raw.layout_version == UInt16(BUS_LAYOUT_VERSION) else {
      throw .layout(field: "layout version", value: UInt64(raw.layout_version))
    }
    guard raw.segment_bytes == segment.fileBytes, raw.part == UInt16(number),
      raw.incarnation == incarnation
    else { throw .layout(field: "identity", value: raw.incarnation) }
    parts.append(Part(segment: segment, shape: shape))
  }

  /// Everything the agent counts, as of now.
  ///
  /// Rows are read anew while the agent moves counts between them; an agent that never stops doing
  /// so is taken as it stands at the last look.
  public func look() -> [CounterReading] {
    guard let first = parts.first else { return [] }
    guard let version = try? first.segment.word64(at: Int(BUS_COUNTERS_VERSION)) else { return [] }
    var rows: [CounterReading] = []
    for _ in 0..<Self.looksMax {
      let before = version.loadAcquire()  // SYNC: counters.part
      guard before & 1 == 0 else { continue }
      rows = readAll()
      if version.loadAcquireAfterLoads() == before { return rows }
    }
    // Counts were on their way from one row to another at every look.
    return (rows.isEmpty ? readAll() : rows).map { row in
      var row = row
      if row.state == .past { row.isSettled = false }
      return row
    }
  }

  private static let looksMax = 16

  private func readAll() -> [CounterReading] {
    var rows: [CounterReading] = []
    for (number, part) in parts.enumerated() {
      guard let used = (try? part.segment.word64(at: Int(BUS_COUNTERS_USED)))?.loadAcquire()
      else { continue }
      for row in 0..<Int(min(used, UInt64(part.shape.rows))) {
        if let reading = read(row, of: part, number) { rows.append(reading) }
      }
    }
    return rows
  }

  private func read(_ row: Int, of part: Part, _ number: Int) -> CounterReading? {
    let at = unsafe part.segment.lentBase + part.shape.rowOffset(row)
    let state = unsafe WatchedWord32(at: at)
    let tenancy = unsafe WatchedWord32(at: at + 4)
    let version = unsafe WatchedWord64(at: at + Int(BUS_COUNT_VERSION))
    var copy = RowCopy()
    for look in 1...Self.rowLooksMax {
      let before = state.loadAcquire()
      guard before != UInt32(BUS_ROW_FREE) else { return nil }
      // Before the version: the next tenant counts versions from 0 again.
      let tenant = tenancy.loadAcquire()
      let odd = version.loadAcquire()  // SYNC: counters.row
      unsafe copy.fill(from: at)
      let isWhole = odd & 1 == 0 && version.loadAcquireAfterLoads() == odd
      let isSame =
        state.loadAcquire() == before && tenancy.loadRelaxed() == tenant && copy.tenancy == tenant
      if isWhole && isSame {
        return copy.reading(part: number, row: row, isSettled: true, of: self)
      }
      // A writer that was stopped in the middle, or one that never stops: as it stands.
      if look == Self.rowLooksMax {
        return copy.reading(part: number, row: row, isSettled: false, of: self)
      }
    }
    return nil
  }

  private static let rowLooksMax = 64

  func histogram(_ number: Int, ofPart index: Int) -> LatencyHistogram? {
    guard parts.indices.contains(index) else { return nil }
    let part = parts[index]
    guard number >= 0, number < part.shape.histograms else { return nil }
    let at = unsafe part.segment.lentBase + part.shape.histogramOffset(number)
    let counts = (0..<LatencyScale.buckets).map {
      unsafe WatchedWord64(at: at + $0 * 8).loadRelaxed()
    }
    let sum = unsafe WatchedWord64(at: at + Int(BUS_HISTOGRAM_SUM)).loadRelaxed()
    return LatencyHistogram(counts: counts, sumNs: sum)
  }
}

/// A private copy of a row: nothing is decided on bytes that may still change.
@safe
private struct RowCopy {
  private var words = [UInt64](repeating: 0, count: Int(BUS_COUNTERS_ROW_BYTES) / 8)

  mutating func fill(from at: UnsafeRawPointer) {
    let count = words.count
    unsafe words.withUnsafeMutableBytes { to in
      unsafe plat_copy_racing(to.baseAddress, at, count)
    }
  }

  var tenancy: UInt32 { UInt32(truncatingIfNeeded: words[0] >> 32) }

  private func word(_ offset: Int32) -> UInt64 { words[Int(offset) / 8] }
  private func byte(_ offset: Int) -> UInt8 {
    UInt8(truncatingIfNeeded: words[offset / 8] >> UInt64(offset % 8 * 8))
  }

  /// The text of a field; what is no UTF-8 becomes a replacement character.
  private func text(at offset: Int, length: Int, most: Int) -> String {
    let bytes = (0..<min(length, most)).map { byte(offset + $0) }
    return String(decoding: bytes, as: UTF8.self)
  }

  func reading(part: Int, row: Int, isSettled: Bool, of view: CounterView) -> CounterReading? {
    guard let state = CounterReading.State(rawValue: UInt32(truncatingIfNeeded: words[0])),
      let direction = CounterDirection(rawValue: byte(8)),
      let kind = CounterKind(rawValue: byte(9)),
      let lane = CounterLane(rawValue: byte(10)), let mode = CounterMode(rawValue: byte(11))
    else { return nil }
    let histogram = Int(UInt16(byte(12)) | UInt16(byte(13)) << 8)
    let identity = CounterIdentity(
      direction: direction, kind: kind, lane: lane, mode: mode,
      channel: text(at: 40, length: Int(byte(14)), most: CounterIdentity.channelBytesMax),
      peer: text(at: 168, length: Int(byte(15)), most: CounterIdentity.peerBytesMax),
      peerIncarnation: word(24), stream: word(16), attachment: word(32))
    return CounterReading(
      key: CounterReading.Key(part: part, row: row, tenancy: tenancy), state: state,
      identity: identity, counts: counts,
      times: histogram == 0 ? nil : view.histogram(histogram - 1, ofPart: part),
      isSettled: isSettled)
  }

  private var counts: CounterCounts {
    var counts = CounterCounts()
    counts.sequence = word(BUS_COUNT_SEQUENCE)
    counts.start = word(BUS_COUNT_START)
    counts.messages = word(BUS_COUNT_MESSAGES)
    counts.bytes = word(BUS_COUNT_BYTES)
    counts.errors = word(BUS_COUNT_ERRORS)
    counts.gapEvents = word(BUS_COUNT_GAP_EVENTS)
    counts.gapMessages = word(BUS_COUNT_GAP_MESSAGES)
    counts.blocked = word(BUS_COUNT_BLOCKED)
    for reason in DropReason.allCases {
      counts.drops[reason.rawValue] = word(BUS_COUNT_DROPS + Int32(reason.rawValue) * 8)
    }
    return counts
  }
}
