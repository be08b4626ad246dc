import BusCounters
import BusMemory
import BusWire
import CBusABI

/// The counters of an agent that writes what it likes, as a viewer maps and reads them.
///
/// Words move between two looks, not during one: a second thread would make runs differ.
final class CounterTarget: FuzzTarget {
  static let name = "counters"
  static let bytesMax = 384
  private static let bytes = Int(BUS_COUNTERS_BYTES_FIRST)

  private let segment: HostileSegment

  init() throws {
    segment = unsafe try HostileSegment(bytes: Self.bytes) { to in
      var identity = bus_counters_identity_t()
      identity.magic = BUS_COUNTERS_MAGIC
      identity.layout_version = UInt16(BUS_LAYOUT_VERSION)
      identity.segment_bytes = UInt64(Self.bytes)
      identity.incarnation = 5
      identity.rows = UInt32(Self.bytes / Int(BUS_COUNTERS_BYTES_PER_ROW) - 1)
      identity.histograms = UInt32(Self.bytes / Int(BUS_COUNTERS_BYTES_PER_HISTOGRAM))
      unsafe to.storeBytes(of: identity, as: bus_counters_identity_t.self)
    }
  }

  func run(_ input: inout FuzzInput) throws(Broken) {
    segment.reset()
    let head = input.byte()
    for _ in 0..<Int(head & 15) { store(&input) }
    var view = CounterView(agent: BusUUID(word0: 1, word1: 2), incarnation: 5)
    do { try view.add(segment.peer, part: head >= 240 ? 1 : 0) } catch { return }
    try claim(view.partCount == 1, "\(view.partCount) parts of one segment")
    var meetings = 0
    while meetings < 3 {
      try look(view)
      meetings += 1
      guard input.left > 0 else { break }
      for _ in 0..<6 { store(&input) }
    }
  }

  private func look(_ view: CounterView) throws(Broken) {
    let rows = view.look()
    let most = Self.bytes / Int(BUS_COUNTERS_BYTES_PER_ROW) - 1
    try claim(rows.count <= most, "\(rows.count) rows where \(most) have room")
    var sum = CounterCounts()
    for row in rows {
      let identity = row.identity
      try claim(
        identity.channel.utf8.count <= 3 * 128 && identity.peer.utf8.count <= 3 * 80,
        "a name longer than its field")
      try claim(row.key.part == 0 && row.key.row < most, "row \(row.key)")
      sum.add(row.counts)
      sum.add(row.leaving(row.counts.expected).counts)
      if let times = row.times {
        _ = times.percentile(0.99)
        Canary.sing(when: row.state == .past && times.total > 1 && identity.mode == .latest)
      }
    }
    _ = sum.accounted &+ sum.droppedAll
  }

  /// A row with a valid identity, or any word anywhere.
  private func store(_ input: inout FuzzInput) {
    let code = input.byte()
    let row = Int(BUS_COUNTERS_ROWS_OFFSET) + Int(code >> 4) * Int(BUS_COUNTERS_ROW_BYTES)
    switch code & 7 {
    case 0:
      segment.store(UInt64(input.byte() & 3) | UInt64(input.byte()) << 32, at: row)
      segment.store(input.number(bytes: 8), at: row + 8)
      segment.store(UInt64(code >> 4) + 1, at: Int(BUS_COUNTERS_USED))
    case 1:
      segment.store(input.number(bytes: 8), at: row + 40 + Int(input.byte() & 31) * 8)
    case 2: segment.store(input.number(bytes: 2), at: row + 256 + Int(input.byte() & 63) * 8)
    case 3: segment.store(value(&input), at: row + 256 + Int(input.byte() & 63) * 8)
    case 4: segment.store(value(&input), at: Int(BUS_COUNTERS_USED))
    case 5: segment.store(value(&input), at: Int(BUS_COUNTERS_VERSION))
    case 6: segment.store(value(&input), at: Self.bytes / 2 + Int(input.byte()) * 8)
    default: segment.store(input.number(bytes: 8), at: Int(input.byte() & 31) * 8)
    }
  }

  private func value(_ input: inout FuzzInput) -> UInt64 {
    switch input.byte() & 7 {
    case 0: 0
    case 1: 1
    case 2: .max
    case 3: 1 << 63
    case 4: 16
    default: input.number(bytes: 8)
    }
  }

  static func seeds() -> [[UInt8]] {
    // A received row of each mode with a histogram, the part's words, and names.
    var seeds = (0..<4 as Range<UInt8>).map { mode in
      [3, 0x00, 3, 1, 2, 1, 0, mode, 1, 0, 5, 4, 0x01, 97, 98, 99, 100, 101, 0, 0, 0, 0]
        + [0x06, 1, 3, 0x06, 1, 9, 0x03, 1, 4, 0x02, 9, 0, 5] as [UInt8]
    }
    seeds.append([1, 0x00, 1, 1, 1, 1, 0, 0, 0, 0, 5, 4, 0x05, 1, 0x04, 2])
    seeds.append([2, 0x00, 2, 1, 2, 2, 1, 1, 0, 0, 127, 79, 0x10, 1, 1, 2, 1, 0, 1, 255, 255, 9, 9])
    seeds.append([1, 0x07, 1, 2, 3, 4, 5, 6, 7, 8, 1])
    return seeds
  }
}
