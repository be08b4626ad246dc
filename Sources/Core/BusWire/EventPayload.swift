import CBusABI

/// The original's event, content type `bcs/event`.
///
///       0  event type, 64 bytes, NUL-padded UTF-8
///      64  topic, 128 bytes, NUL-padded UTF-8
///     192  priority, u32, as in the header: 0 = not set, else 1 + level
///     196  reserved, u32, zero
///     200  data, up to the end of the payload
public struct EventPayload: Equatable, Sendable {
  /// The content type that chooses this form.
  public static let contentType = BUS_CONTENT_EVENT
  /// Bytes before the data.
  public static let fixedBytes = 200

  /// What happened, at most 63 bytes of UTF-8.
  public var eventType: String
  /// The topic, at most 127 bytes of UTF-8.
  public var topic: String
  /// How urgent it is, nil when not set.
  public var priority: Priority?
  /// The data, in a form that both sides know.
  public var data: [UInt8]

  /// An event of its fields.
  public init(eventType: String, topic: String, priority: Priority? = nil, data: [UInt8] = []) {
    self.eventType = eventType
    self.topic = topic
    self.priority = priority
    self.data = data
  }

  /// Reads a payload; throws the first field that is wrong.
  public init(decoding bytes: RawSpan) throws(WireError) {
    guard bytes.byteCount >= Self.fixedBytes else {
      throw .tooShort(.event, needed: Self.fixedBytes, present: bytes.byteCount)
    }
    try checkPayloadLength(fixed: 0, variable: bytes.byteCount)
    eventType = try bytes.fixedText(.eventType, at: 0, size: 64)
    topic = try bytes.fixedText(.topic, at: 64, size: 128)
    let number = bytes.load(192, as: UInt32.self)
    guard number <= BUS_PRIORITY_LEVELS else { throw .priority(number) }
    priority = number == 0 ? nil : Priority(rawValue: UInt8(truncatingIfNeeded: number - 1))
    let reserved = bytes.load(196, as: UInt32.self)
    guard reserved == 0 else { throw .reserved(.event, reserved) }
    data = bytes.extracting(Self.fixedBytes..<bytes.byteCount).copied
  }

  /// Reads a payload; throws the first field that is wrong.
  public init(decoding bytes: [UInt8]) throws(WireError) {
    self = try bytes.withRawSpan { (span) throws(WireError) in
      try EventPayload(decoding: span)
    }
  }

  /// The payload's bytes; throws when a text or the whole is too long.
  public func encoded() throws(WireError) -> [UInt8] {
    try checkFixedText(eventType, .eventType, size: 64)
    try checkFixedText(topic, .topic, size: 128)
    try checkPayloadLength(fixed: Self.fixedBytes, variable: data.count)
    return [UInt8](capacity: Self.fixedBytes + data.count) { out in
      out.append(fixedText: eventType, size: 64)
      out.append(fixedText: topic, size: 128)
      out.append(word: UInt32(priority?.wireByte ?? 0))
      out.append(zeros: 4)
      out.append(copying: data)
    }
  }
}
