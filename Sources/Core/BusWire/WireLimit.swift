import CBusABI

/// The limits of the wire format, taken from `bus_wire.h`, where their inequalities are asserted.
public enum WireLimit {
  /// Bytes of the fixed header.
  public static let headerBytes = Int(BUS_HEADER_BYTES)
  /// Bytes of the longest payload.
  public static let payloadBytesMax = Int(BUS_PAYLOAD_BYTES_MAX)
  /// Bytes of the longest payload that the network edge takes.
  public static let remotePayloadBytesMax = Int(BUS_REMOTE_PAYLOAD_BYTES_MAX)
  /// Bytes of the longest header extension, a multiple of 8.
  public static let extensionBytesMax = Int(BUS_EXTENSION_BYTES_MAX)
  /// UTF-8 bytes of the longest topic.
  public static let topicBytesMax = Int(BUS_TOPIC_BYTES_MAX)
  /// Tokens of the deepest topic.
  public static let topicTokensMax = Int(BUS_TOPIC_TOKENS_MAX)
  /// UTF-8 bytes of the longest agent name.
  public static let agentNameBytesMax = Int(BUS_AGENT_NAME_BYTES_MAX)
  /// UTF-8 bytes of the longest content type.
  public static let contentTypeBytesMax = Int(BUS_CONTENT_TYPE_BYTES_MAX)
  /// UTF-8 bytes of the longest content name.
  public static let contentNameBytesMax = Int(BUS_CONTENT_NAME_BYTES_MAX)
  /// Bytes of the longest idempotency key.
  public static let idempotencyKeyBytesMax = Int(BUS_IDEMPOTENCY_KEY_BYTES_MAX)
  /// Hops after which a message is not relayed again.
  public static let hopsMax = UInt8(BUS_HOPS_MAX)
  /// What topics and names of the bus itself start with, and nobody else's.
  public static let reservedPrefix = BUS_RESERVED_PREFIX
}
