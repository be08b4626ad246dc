import CBusABI

/// Where rows and histograms lie in a counter segment of a size.
public struct CounterShape: Equatable, Sendable {
  /// Size of the segment.
  public let bytes: Int
  /// How many rows it has.
  public var rows: Int { bytes / Int(BUS_COUNTERS_BYTES_PER_ROW) - 1 }
  /// How many histograms it has.
  public var histograms: Int { bytes / Int(BUS_COUNTERS_BYTES_PER_HISTOGRAM) }

  /// The shape of a segment; nil for a size that no part of an agent's counters has.
  public init?(bytes: UInt64) {
    let sizes = (0..<Self.partsMax).map { Self.bytes(ofPart: $0) }
    guard let known = Int(exactly: bytes), sizes.contains(known) else { return nil }
    self.bytes = known
  }

  /// The shape of a part of an agent's counters, the first being 0; beyond the last, of the last.
  public init(part: Int) { bytes = Self.bytes(ofPart: part) }

  /// Most segments of one agent.
  public static var partsMax: Int { Int(BUS_COUNTERS_PARTS) }

  /// Each part is larger than the one before, so that few make many rows.
  static func bytes(ofPart part: Int) -> Int {
    (0..<max(0, min(part, partsMax - 1))).reduce(Int(BUS_COUNTERS_BYTES_FIRST)) { bytes, _ in
      bytes * Int(BUS_COUNTERS_GROWTH)
    }
  }

  func rowOffset(_ row: Int) -> Int {
    Int(BUS_COUNTERS_ROWS_OFFSET) + row * Int(BUS_COUNTERS_ROW_BYTES)
  }

  func histogramOffset(_ histogram: Int) -> Int {
    bytes / 2 + histogram * Int(BUS_COUNTERS_HISTOGRAM_BYTES)
  }
}
