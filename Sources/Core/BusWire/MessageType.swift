public import CBusABI

/// What a message is for.
///
/// On the wire each type is one bit, so that a set of types is a mask.
@frozen
public enum MessageType: UInt16, Sendable, CaseIterable {
  /// Asks for a response under the same correlation id.
  case request = 0x01
  /// Answers a request.
  case response = 0x02
  /// Tells whoever subscribes to its topic.
  case event = 0x04
  /// Orders without asking for an answer.
  case command = 0x08
  /// Says that the sender is alive.
  case heartbeat = 0x10
  /// Answers a request that failed.
  case error = 0x20
  /// Tells every agent.
  case broadcast = 0x40
}

/// How urgent a message is: 0 is the most urgent, as APIs and tools show it.
@frozen
public enum Priority: UInt8, Sendable, CaseIterable, Comparable {
  /// Level 0.
  case emergency = 0
  /// Level 1.
  case critical = 1
  /// Level 2.
  case high = 2
  /// Level 3, which a message without a priority has.
  case normal = 3
  /// Level 4.
  case low = 4
  /// Level 5.
  case background = 5

  /// The byte in the header: 1 + level, because 0 means that none is set.
  @inlinable public var wireByte: UInt8 { rawValue &+ 1 }

  /// True when the left one is more urgent.
  @inlinable
  public static func < (left: Priority, right: Priority) -> Bool { left.rawValue < right.rawValue }
}

/// The bits of the header's flags.
///
/// Unknown bits are kept and mean nothing.
@frozen
public struct MessageFlags: OptionSet, Sendable, Hashable {
  /// The bits as they lie in the header.
  public var rawValue: UInt32
  /// Flags of the given bits.
  @inlinable public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// Handed out before and not acknowledged; believed only in a log marked as relay.
  @inlinable public static var redelivered: MessageFlags {
    MessageFlags(rawValue: BUS_FLAG_REDELIVERED)
  }
  /// The payload goes on in the sender's next message of this type and correlation id.
  @inlinable public static var more: MessageFlags { MessageFlags(rawValue: BUS_FLAG_MORE) }
  /// The last part of a split payload.
  @inlinable public static var lastPart: MessageFlags { MessageFlags(rawValue: BUS_FLAG_LAST_PART) }
  /// The sender waits for a response or an error under the correlation id.
  @inlinable public static var replyExpected: MessageFlags {
    MessageFlags(rawValue: BUS_FLAG_REPLY_EXPECTED)
  }
  /// Reserved for edge and store; never set in a log.
  @inlinable public static var compressed: MessageFlags {
    MessageFlags(rawValue: BUS_FLAG_COMPRESSED)
  }
  /// More responses to the same request follow.
  @inlinable public static var streamed: MessageFlags {
    MessageFlags(rawValue: BUS_FLAG_STREAMED)
  }
  /// A command that asks to stop the request of its correlation id.
  @inlinable public static var cancel: MessageFlags { MessageFlags(rawValue: BUS_FLAG_CANCEL) }
  /// Every bit that has a meaning.
  @inlinable public static var known: MessageFlags { MessageFlags(rawValue: BUS_FLAGS_KNOWN) }
  /// What a reader masks out of a log that is not a relay.
  @inlinable public static var routerOnly: MessageFlags {
    MessageFlags(rawValue: BUS_FLAGS_ROUTER_ONLY)
  }
  /// What may change on the way and is not covered by the checksum.
  @inlinable public static var inTransit: MessageFlags {
    MessageFlags(rawValue: BUS_FLAGS_IN_TRANSIT)
  }
}
