/// Names one stream: the records of one publisher on one channel.
public struct StreamID: Hashable, Comparable, Sendable {
  /// The number on the wire; 0 asks for a new stream.
  public let value: UInt64
  /// Wraps the number.
  public init(_ value: UInt64) { self.value = value }
  /// Compares by number, which is the order in which they were made.
  public static func < (left: StreamID, right: StreamID) -> Bool { left.value < right.value }
}

/// Names one subscription's reading of one stream; also the ticket in the reader's cursor slot.
public struct AttachmentID: Hashable, Comparable, Sendable {
  /// The number on the wire.
  public let value: UInt64
  /// Wraps the number.
  public init(_ value: UInt64) { self.value = value }
  /// Compares by number, which is the order in which they were made.
  public static func < (left: AttachmentID, right: AttachmentID) -> Bool {
    left.value < right.value
  }
}

/// Names one life of an agent, or of the router.
public struct Incarnation: Hashable, Comparable, Sendable {
  /// The number on the wire.
  public let value: UInt64
  /// Wraps the number.
  public init(_ value: UInt64) { self.value = value }
  /// Compares by number, which is the order in which they were made.
  public static func < (left: Incarnation, right: Incarnation) -> Bool {
    left.value < right.value
  }
}

/// The router's word that an agent registered, or that a stream is an agent's: HMAC-SHA256 over
/// what it says.
public struct ControlTicket: Hashable, Sendable {
  /// The length of a ticket in bytes.
  public static let byteCount = 32
  /// One that proves nothing.
  public static let none = ControlTicket(zeros: byteCount)
  /// The 32 bytes.
  public let bytes: [UInt8]
  /// Wraps exactly 32 bytes; anything else is no ticket.
  public init?(_ bytes: [UInt8]) {
    guard bytes.count == Self.byteCount else { return nil }
    self.bytes = bytes
  }
  private init(zeros count: Int) { bytes = [UInt8](repeating: 0, count: count) }
}

/// How a subscription reads: who waits, and what may be lost.
public enum SubscribeMode: UInt8, Sendable, CaseIterable {
  /// The publisher waits for this reader; nothing is lost.
  case lossless = 1
  /// The reader loses what is overwritten before it came by, and counts it.
  case lossy = 2
  /// Only the newest record of each topic.
  case latest = 3
}

/// What a name that agents answer to stands for.
public enum ServiceGroup: UInt8, Sendable, CaseIterable {
  /// A request goes to one of them.
  case service = 1
  /// A message goes to all of them.
  case team = 2
}

/// What a query asks for.
public enum QuerySubject: UInt8, Sendable, CaseIterable {
  /// The router itself: one row.
  case router = 1
  /// One row per agent.
  case agents = 2
  /// One row per stream.
  case streams = 3
  /// One row per attachment.
  case attachments = 4
  /// One row per subscription, with how many streams it reads; not those to inboxes.
  case subscriptions = 5
  /// One row per agent and name that it answers.
  case names = 6
}

/// Why a stream has ended.
public enum StreamEndReason: UInt8, Sendable, CaseIterable {
  /// Its publisher closed it.
  case closed = 1
  /// Its publisher died.
  case died = 2
  /// Its publisher's incarnation was ended while it was away.
  case fenced = 3
}

/// What is special about an announced log.
public struct AnnounceFlags: OptionSet, Hashable, Sendable {
  /// The bits on the wire.
  public let rawValue: UInt8
  /// Takes the bits as they are; unknown ones are kept and ignored.
  public init(rawValue: UInt8) { self.rawValue = rawValue }
  /// The reader starts at the stream's position 0.
  public static let fromStart = AnnounceFlags(rawValue: 1)
  /// The source of records in this log is the relay's word.
  public static let relay = AnnounceFlags(rawValue: 2)
  /// The log that the publisher writes now.
  public static let current = AnnounceFlags(rawValue: 4)
  /// No descriptor comes with the frame: the reader was given it before.
  public static let held = AnnounceFlags(rawValue: 8)
}

/// What a publisher must know of a reader that joins.
public struct JoinFlags: OptionSet, Hashable, Sendable {
  /// The bits on the wire.
  public let rawValue: UInt8
  /// Takes the bits as they are; unknown ones are kept and ignored.
  public init(rawValue: UInt8) { self.rawValue = rawValue }
  /// The publisher waits for this reader.
  public static let lossless = JoinFlags(rawValue: 1)
  /// The reader sleeps and must be woken.
  public static let sleeps = JoinFlags(rawValue: 2)
}

/// A channel that the policy declares, with the size its logs may grow to.
public struct ChannelLimit: Hashable, Sendable {
  /// The topic prefix.
  public internal(set) var prefix = ""
  /// The largest log on this channel in bytes.
  public internal(set) var logBytesMax: UInt64 = 0

  init() {}

  /// Pairs the prefix with its size.
  public init(prefix: String, logBytesMax: UInt64) {
    self.prefix = prefix
    self.logBytesMax = logBytesMax
  }
}

/// One named value of a row that answers a query.
public struct RowField: Hashable, Sendable {
  /// The stable name of the value.
  public internal(set) var key = ""
  /// The value; numbers in decimal.
  public internal(set) var value = ""

  init() {}

  /// Pairs the name with its value.
  public init(key: String, value: String) {
    self.key = key
    self.value = value
  }
}
