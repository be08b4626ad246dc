public import CBusABI

/// The limits of the wire format, taken from `bus_wire.h`, where their inequalities are asserted.
public enum WireLimit {
  /// Bytes of the fixed header.
  @inlinable public static var headerBytes: Int { Int(BUS_HEADER_BYTES) }
  /// Bytes of the longest payload.
  @inlinable public static var payloadBytesMax: Int { Int(BUS_PAYLOAD_BYTES_MAX) }
  /// Bytes of the longest payload that the network edge takes.
  @inlinable public static var remotePayloadBytesMax: Int { Int(BUS_REMOTE_PAYLOAD_BYTES_MAX) }
  /// Bytes of the longest header extension, a multiple of 8.
  @inlinable public static var extensionBytesMax: Int { Int(BUS_EXTENSION_BYTES_MAX) }
  /// UTF-8 bytes of the longest topic.
  @inlinable public static var topicBytesMax: Int { Int(BUS_TOPIC_BYTES_MAX) }
  /// Tokens of the deepest topic.
  @inlinable public static var topicTokensMax: Int { Int(BUS_TOPIC_TOKENS_MAX) }
  /// UTF-8 bytes of the longest agent name.
  @inlinable public static var agentNameBytesMax: Int { Int(BUS_AGENT_NAME_BYTES_MAX) }
  /// UTF-8 bytes of the longest content type.
  @inlinable public static var contentTypeBytesMax: Int { Int(BUS_CONTENT_TYPE_BYTES_MAX) }
  /// UTF-8 bytes of the longest content name.
  @inlinable public static var contentNameBytesMax: Int { Int(BUS_CONTENT_NAME_BYTES_MAX) }
  /// Bytes of the longest idempotency key.
  @inlinable public static var idempotencyKeyBytesMax: Int { Int(BUS_IDEMPOTENCY_KEY_BYTES_MAX) }
  /// Time that a request has which states none, in nanoseconds.
  @inlinable public static var deadlineDefaultNs: UInt64 { UInt64(BUS_DEADLINE_DEFAULT_NS) }
  /// Hops after which a message is not relayed again.
  @inlinable public static var hopsMax: UInt8 { UInt8(BUS_HOPS_MAX) }
  /// What topics and names of the bus itself start with, and nobody else's.
  @inlinable public static var reservedPrefix: String { BUS_RESERVED_PREFIX }
}
