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

  /// Bytes of the parts that are mapped.
  public var mappedBytes: Int { parts.reduce(0) { $0 + $1.shape.bytes } }

  /// Everything the agent counts as of now, in one direction or in both.
  ///
  /// Rows are read anew while the agent moves counts between them or stores into them. How often is
  /// bounded by how many rows it has: what has not settled by then is taken as it stands.
  public func look(_ direction: CounterDirection? = nil) -> [CounterReading] {
    var tries = 0
    return look(direction, tries: &tries)
  }

  /// The same; adds to `tries` how often a row was read, or seen to be of the other direction.
  package func look(_ direction: CounterDirection?, tries sum: inout Int) -> [CounterReading] {
    guard let first = parts.first else { return [] }
    guard let version = try? first.segment.word64(at: Int(BUS_COUNTERS_VERSION)) else { return [] }
    var tries = Tries()
    defer { sum += tries.made }
    var rows: [CounterReading]?
    for _ in 0..<Self.looksMax {
      let before = version.loadAcquire()  // SYNC: counters.part
      guard before & 1 == 0 else { continue }
      guard let pass = readAll(direction, &tries) else { break }
      if version.loadAcquireAfterLoads() == before { return pass }
      rows = pass
    }
    // Counts were on their way from one row to another at every look.
    return (rows ?? readAll(direction, &tries) ?? []).map { row in
      var row = row
      if row.state == .past { row.isSettled = false }
      return row
    }
  }

  /// Most tries of one look at an agent that uses so many rows.
  package static func triesMax(rows: Int) -> Int { 3 * rows + triesBeside }

  /// Few rows that are stored into all the time are to settle all the same.
  private static let triesBeside = 256
  private static let looksMax = 16
  private static let rowLooksMax = 64

  /// How often one look has read a row, and how often it may.
  private struct Tries {
    var made = 0
    private var most: Int?

    /// Whether there is room to look at all rows, which there is the first time.
    mutating func begin(rows: Int) -> Bool {
      guard let most else {
        most = triesMax(rows: rows)
        return true
      }
      return made + rows <= most
    }

    /// Whether a row may be read again before so many others are read.
    func allowsAnother(before others: Int) -> Bool { made + others < most ?? 0 }
  }

  /// All rows; nil when they have been read often enough.
  private func readAll(
    _ direction: CounterDirection?, _ tries: inout Tries
  ) -> [CounterReading]? {
    let used = parts.map { part in
      let used = (try? part.segment.word64(at: Int(BUS_COUNTERS_USED)))?.loadAcquire() ?? 0
      return Int(min(used, UInt64(part.shape.rows)))
    }
    var others = used.reduce(0, +)
    guard tries.begin(rows: others) else { return nil }
    var rows: [CounterReading] = []
    for (number, part) in parts.enumerated() {
      for row in 0..<used[number] {
        others -= 1
        let at = unsafe part.segment.lentBase + part.shape.rowOffset(row)
        if let direction, unsafe !RowCopy.mayCount(direction, at) {
          tries.made += 1
          continue
        }
        guard let reading = unsafe read(row, at, part: number, before: others, &tries) else {
          continue
        }
        if reading.identity.direction == direction ?? reading.identity.direction {
          rows.append(reading)
        }
      }
    }
    return rows
  }

  private func read(
    _ row: Int, _ at: UnsafeRawPointer, part number: Int, before others: Int, _ tries: inout Tries
  ) -> CounterReading? {
    let state = unsafe WatchedWord32(at: at)
    let tenancy = unsafe WatchedWord32(at: at + 4)
    let version = unsafe WatchedWord64(at: at + Int(BUS_COUNT_VERSION))
    var copy = RowCopy()
    for look in 1...Self.rowLooksMax {
      tries.made += 1
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
      if look == Self.rowLooksMax || !tries.allowsAnother(before: others) {
        return copy.reading(part: number, row: row, isSettled: false, of: self)
      }
    }
    return nil
  }

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

  /// Whether a row has counted this direction when it was looked at, or counts nothing.
  ///
  /// What a row counts is said before it begins, and stays until its place is used again.
  static func mayCount(_ direction: CounterDirection, _ at: UnsafeRawPointer) -> Bool {
    let state = unsafe WatchedWord32(at: at).loadAcquire()
    let identity = unsafe WatchedWord32(at: at + 8).loadRelaxed()
    return state == UInt32(BUS_ROW_FREE)
      || UInt8(truncatingIfNeeded: identity) == direction.rawValue
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
