public import CBusABI

/// The 64-byte header of a message.
///
///     var header = MessageHeader(
///       type: .event, length: 5, source: me, destination: BusUUID(topicId: 3))
///     header.timestamp = clock.unixNs()
///     let bytes = try header.encoded()          // 64 bytes, or what is wrong
///     let same = try MessageHeader(decoding: bytes)
///
/// It is stored as its eight words: `words` costs nothing, a field is a shift and a mask. Use
/// ``HeaderWords`` alone where a header is only passed on.
@frozen
public struct MessageHeader: Equatable, Sendable, BitwiseCopyable {
  @usableFromInline var storage: HeaderWords

  /// A header of the given fields; lengths are checked when it is encoded.
  @inlinable
  public init(
    type: MessageType, length: UInt32 = 0, priority: Priority? = nil, hops: UInt8 = 0,
    extensionLength: UInt16 = 0, timestamp: UInt64 = 0, source: BusUUID, destination: BusUUID,
    flags: MessageFlags = [], correlationId: UInt32 = 0
  ) {
    let identity = UInt64(BUS_WIRE_MAGIC) | UInt64(BUS_WIRE_VERSION) &<< 32
    let priorityByte = UInt64(priority?.wireByte ?? 0)
    storage = HeaderWords(
      identity | UInt64(type.rawValue) &<< 48,
      UInt64(length) | priorityByte &<< 32 | UInt64(hops) &<< 40
        | UInt64(extensionLength) &<< 48,
      timestamp, source.word0, source.word1, destination.word0, destination.word1,
      UInt64(flags.rawValue) | UInt64(correlationId) &<< 32)
  }

  /// The header in these words; throws the first field that is wrong.
  @inline(always)
  public init(_ words: HeaderWords) throws(WireError) {
    try words.check()
    storage = words
  }

  /// The header as it lies in memory.
  @inlinable public var words: HeaderWords { storage }

  /// What the message is for.
  @inlinable public var type: MessageType {
    // Every initialiser saw a known type, so the alternative is never taken.
    get { MessageType(rawValue: storage.typeBits) ?? .error }
    set {
      storage.word0 = storage.word0 & 0x0000_FFFF_FFFF_FFFF | UInt64(newValue.rawValue) &<< 48
    }
  }

  /// Bytes of the payload, the extension not counted.
  @inlinable public var length: UInt32 {
    get { storage.length }
    set { storage.word1 = storage.word1 & 0xFFFF_FFFF_0000_0000 | UInt64(newValue) }
  }

  /// The priority as the sender set it, nil when it did not.
  @inlinable public var priority: Priority? {
    get { Priority(rawValue: storage.priorityByte &- 1) }
    set {
      let byte = UInt64(newValue?.wireByte ?? 0)
      storage.word1 = storage.word1 & 0xFFFF_FF00_FFFF_FFFF | byte &<< 32
    }
  }

  /// The priority that holds: normal when none is set.
  @inline(always) public var effectivePriority: Priority { priority ?? .normal }

  /// Hops taken so far; at ``WireLimit/hopsMax`` a message is not relayed again.
  @inlinable public var hops: UInt8 {
    get { storage.hops }
    set { storage.word1 = storage.word1 & 0xFFFF_00FF_FFFF_FFFF | UInt64(newValue) &<< 40 }
  }

  /// Bytes of the header extension, a multiple of 8.
  @inlinable public var extensionLength: UInt16 {
    get { storage.extensionLength }
    set { storage.word1 = storage.word1 & 0x0000_FFFF_FFFF_FFFF | UInt64(newValue) &<< 48 }
  }

  /// Nanoseconds since the Unix epoch, from the host's calibrated clock.
  @inlinable public var timestamp: UInt64 {
    get { storage.word2 }
    set { storage.word2 = newValue }
  }

  /// The agent that sent the message; readers compare it with the log's owner.
  @inlinable public var source: BusUUID {
    get { BusUUID(word0: storage.word3, word1: storage.word4) }
    set {
      storage.word3 = newValue.word0
      storage.word4 = newValue.word1
    }
  }

  /// The agent, or the topic id, that the message goes to.
  @inlinable public var destination: BusUUID {
    get { BusUUID(word0: storage.word5, word1: storage.word6) }
    set {
      storage.word5 = newValue.word0
      storage.word6 = newValue.word1
    }
  }

  /// The index in the log's topic table, nil when the message goes to an agent.
  @inlinable public var topicId: UInt64? { destination.topicId }

  /// The flags, unknown bits included.
  @inlinable public var flags: MessageFlags {
    get { MessageFlags(rawValue: UInt32(truncatingIfNeeded: storage.word7)) }
    set { storage.word7 = storage.word7 & 0xFFFF_FFFF_0000_0000 | UInt64(newValue.rawValue) }
  }

  /// What matches a response to its request.
  @inlinable public var correlationId: UInt32 {
    get { UInt32(truncatingIfNeeded: storage.word7 &>> 32) }
    set { storage.word7 = storage.word7 & 0x0000_0000_FFFF_FFFF | UInt64(newValue) &<< 32 }
  }
}
