import CBusABI

/// The size of a log: ring and topic table, and where each lies in the segment.
public struct LogShape: Equatable, Sendable {
  /// Bytes of the ring, a power of two.
  public let capacity: UInt64
  /// Bytes of the topic table, a multiple of the page size; 0 for logs without topics.
  public let topicsBytes: UInt32

  /// Smallest ring: the four parts that one record may need at once fit.
  public static let capacityMin: UInt64 = 16 << 10
  /// Largest ring.
  public static let capacityMax: UInt64 = 1 << 30
  /// Largest topic table.
  public static let topicsBytesMax: UInt32 = 1 << 20

  /// A shape, nil when the capacity is no power of two within the limits.
  public init?(capacity: UInt64, topicsBytes: UInt32 = 4096) {
    guard capacity >= Self.capacityMin, capacity <= Self.capacityMax,
      capacity & (capacity - 1) == 0,
      topicsBytes <= Self.topicsBytesMax, topicsBytes % 4096 == 0
    else { return nil }
    self.capacity = capacity
    self.topicsBytes = topicsBytes
  }

  /// Offset of the ring in the segment.
  public var ringOffset: UInt64 { UInt64(BUS_LOG_TOPICS_OFFSET) + UInt64(topicsBytes) }
  /// Size of the segment.
  public var segmentBytes: UInt64 { ringOffset + capacity }
  /// Largest record; see ``recordBytesMax(capacity:)``.
  public var recordBytesMax: UInt64 { Self.recordBytesMax(capacity: capacity) }
  /// Largest record of a ring: a payload of a quarter of it, and a 64th more for what is around it.
  ///
  /// A quarter, so that a joining reader always finds an intact start. The 64th lets a payload
  /// that is a power of two, the largest one too, do with a ring of four times its size.
  public static func recordBytesMax(capacity: UInt64) -> UInt64 { capacity / 4 + capacity / 64 }
  /// How far `reserve` runs ahead of the pen: small against the ring, so that a start given to a
  /// joining reader is intact whatever the publisher was doing.
  ///
  /// At most there lie between that start and `reserve`: an eighth and a record since the last
  /// entry of the index, padding less than a record, a record under the pen, and this step:
  /// 1/8 + 3 * 17/64 + 1/16 = 63/64 of the ring.
  var reserveStep: UInt64 { min(UInt64(BUS_LOG_RESERVE_STEP), capacity / 16) }
  /// The distance between two entries of the position index.
  var eighth: UInt64 { capacity / 8 }
}

/// The bytes a record takes: header, extension and payload, rounded up to whole lines.
@inlinable
public func recordBytes(extension extensionBytes: Int, payload: Int) -> Int {
  (64 &+ extensionBytes &+ payload &+ 63) & ~63
}
