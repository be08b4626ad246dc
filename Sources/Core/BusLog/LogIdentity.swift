public import BusMemory
public import BusWire
import CBusABI

/// Whose log it is and how large: written once, copied and checked once by every reader.
public struct LogIdentity: Equatable, Sendable {
  /// The publisher.
  public var agent: BusUUID
  /// The publisher's incarnation.
  public var incarnation: UInt64
  /// Channel of the stream.
  public var channel: String
  /// 0 for the first log of a stream, then one more per rotation.
  public var generation: UInt32
  /// Ring and topic table.
  public var shape: LogShape
  /// Offset of the hot lines in the segment.
  public var hotOffset: UInt32

  /// Longest name of a channel in bytes.
  static let channelBytesMax = 127

  /// The identity of a log about to be made; the hot lines are staggered by the counter.
  public init(
    agent: BusUUID, incarnation: UInt64, channel: String, generation: UInt32, shape: LogShape,
    stagger: UInt32
  ) {
    self.agent = agent
    self.incarnation = incarnation
    self.channel = channel
    self.generation = generation
    self.shape = shape
    let place = stagger % UInt32(BUS_LOG_HOT_PLACES)
    hotOffset = UInt32(BUS_LOG_HOT_FIRST) + place * UInt32(BUS_LOG_HOT_STEP)
  }

  /// Copies the identity out of a peer's segment and checks every field against its size.
  public init(reading segment: PeerSegment) throws(MemoryError) {
    let copy = try segment.copy(at: 0, count: Self.encodedBytes)
    try self.init(copied: copy, fileBytes: segment.fileBytes)
  }

  /// Bytes of an identity at the start of a log.
  public static let encodedBytes = MemoryLayout<bus_log_identity_t>.size

  /// Checks every field of a private copy against the size of the memory file.
  ///
  /// The one check for routers and readers: no log passes one of them and fails the other.
  public init(copied bytes: [UInt8], fileBytes: UInt64) throws(MemoryError) {
    guard bytes.count >= Self.encodedBytes else {
      throw .layout(field: "segment size", value: fileBytes)
    }
    let raw = unsafe bytes.withUnsafeBytes {
      unsafe $0.loadUnaligned(as: bus_log_identity_t.self)
    }
    guard raw.magic == BUS_LOG_MAGIC else {
      throw .layout(field: "magic", value: UInt64(raw.magic))
    }
    guard raw.layout_version == UInt16(BUS_LAYOUT_VERSION) else {
      throw .layout(field: "layout version", value: UInt64(raw.layout_version))
    }
    guard [BUS_LOG_KIND_TOPIC, BUS_LOG_KIND_PAIR].contains(Int32(raw.kind)) else {
      throw .layout(field: "kind", value: UInt64(raw.kind))
    }
    guard let shape = LogShape(capacity: raw.capacity, topicsBytes: raw.topics_bytes) else {
      throw .layout(field: "capacity", value: raw.capacity)
    }
    // Against the file too: a ring that is larger than its memory would be read beyond its end.
    guard raw.segment_bytes == shape.segmentBytes, fileBytes == shape.segmentBytes,
      UInt64(raw.ring_offset) == shape.ringOffset
    else { throw .layout(field: "segment size", value: raw.segment_bytes) }
    let hot = raw.hot_offset
    let lastHot = UInt32(BUS_LOG_HOT_FIRST + (BUS_LOG_HOT_PLACES - 1) * BUS_LOG_HOT_STEP)
    guard hot >= UInt32(BUS_LOG_HOT_FIRST), hot <= lastHot,
      (hot - UInt32(BUS_LOG_HOT_FIRST)) % UInt32(BUS_LOG_HOT_STEP) == 0
    else {
      throw .layout(field: "hot offset", value: UInt64(hot))
    }
    guard raw.channel_length > 0, Int(raw.channel_length) <= Self.channelBytesMax else {
      throw .layout(field: "channel length", value: UInt64(raw.channel_length))
    }
    let channel = unsafe withUnsafeBytes(of: raw.channel) { bytes in
      unsafe String(validating: bytes.prefix(Int(raw.channel_length)), as: UTF8.self)
    }
    guard let channel else { throw .layout(field: "channel name", value: 0) }
    self.shape = shape
    self.channel = channel
    hotOffset = hot
    generation = raw.generation
    incarnation = raw.incarnation
    agent = unsafe withUnsafeBytes(of: raw.agent) { bytes in
      unsafe BusUUID(
        word0: bytes.load(fromByteOffset: 0, as: UInt64.self),
        word1: bytes.load(fromByteOffset: 8, as: UInt64.self))
    }
  }

  /// Writes the identity to the start of a fresh segment.
  func write(to base: UnsafeMutableRawPointer) {
    var raw = bus_log_identity_t()
    raw.magic = BUS_LOG_MAGIC
    raw.layout_version = UInt16(BUS_LAYOUT_VERSION)
    raw.kind = UInt16(BUS_LOG_KIND_TOPIC)
    raw.segment_bytes = shape.segmentBytes
    raw.capacity = shape.capacity
    raw.incarnation = incarnation
    raw.generation = generation
    raw.hot_offset = hotOffset
    raw.topics_bytes = shape.topicsBytes
    raw.ring_offset = UInt32(shape.ringOffset)
    raw.channel_length = UInt16(channel.utf8.count)
    unsafe withUnsafeMutableBytes(of: &raw.channel) { bytes in
      for (index, byte) in channel.utf8.prefix(bytes.count).enumerated() {
        unsafe bytes[index] = byte
      }
    }
    unsafe withUnsafeMutableBytes(of: &raw.agent) { bytes in
      unsafe bytes.storeBytes(of: agent.word0, toByteOffset: 0, as: UInt64.self)
      unsafe bytes.storeBytes(of: agent.word1, toByteOffset: 8, as: UInt64.self)
    }
    unsafe base.storeBytes(of: raw, as: bus_log_identity_t.self)
  }
}

/// Whose stream a log has to be, as the router says: a publisher can still write the identity that
/// stands in its own log.
public struct StreamOwner: Equatable, Sendable {
  /// The publisher.
  public let agent: BusUUID
  /// The publisher's incarnation.
  public let incarnation: UInt64
  /// Channel of the stream.
  public let channel: String

  /// The owner that was announced.
  public init(agent: BusUUID, incarnation: UInt64, channel: String) {
    self.agent = agent
    self.incarnation = incarnation
    self.channel = channel
  }

  /// Throws when a log says that it is somebody else's, or of another channel.
  func check(_ identity: LogIdentity) throws(MemoryError) {
    guard identity.agent == agent, identity.incarnation == incarnation else {
      throw .layout(field: "owner", value: identity.incarnation)
    }
    guard identity.channel == channel else { throw .layout(field: "channel name", value: 0) }
  }
}

/// Where the stream of a log begins; filled when the log comes into use, before its first record.
enum LogBase {
  static let positionOffset = 48
  static let sequenceOffset = 56
}
