public import BusWire

/// What a reader gets that falls behind and did not say what it wants.
public enum SlowReaderRule: String, Sendable, CaseIterable {
  /// Publishers wait for it, if it may hold them back.
  case wait
  /// It loses the oldest messages and learns how many.
  case dropOldest = "drop_oldest"
  /// It sees the newest message of each topic only.
  case latest
}

/// Limits of one channel; nil leaves the router's own default.
public struct ChannelSettings: Sendable, Equatable {
  /// Payload limits that can be set, in bytes.
  public static let payloadBytes: ClosedRange<UInt64> = 1...(1 << 30)
  /// Log limits that can be set, in bytes; only the powers of two.
  public static let logBytes: ClosedRange<UInt64> = (64 << 10)...(1 << 30)

  /// Most bytes of a payload.
  public var payloadBytesMax: UInt64?
  /// Most bytes a publisher's log may grow to.
  public var logBytesMax: UInt64?
  /// What a reader gets that falls behind.
  public var onSlow: SlowReaderRule?

  /// Settings that leave everything to the router.
  public init() {}

  func check() throws(PolicyError) {
    if let bytes = payloadBytesMax, !Self.payloadBytes.contains(bytes) {
      throw .payloadOutOfRange(bytes)
    }
    if let bytes = logBytesMax, !Self.logBytes.contains(bytes) || bytes.nonzeroBitCount != 1 {
      throw .logOutOfRange(bytes)
    }
  }
}

/// A declared channel.
public struct ChannelRule: Sendable, Equatable {
  /// The prefix that becomes a channel of its own.
  public var name: Topic
  /// Its limits, valid for channels below it too unless these have an entry of their own.
  public var settings: ChannelSettings

  /// Pairs a channel with its settings.
  public init(name: Topic, settings: ChannelSettings = ChannelSettings()) {
    self.name = name
    self.settings = settings
  }
}

/// Who may read and write `bcs.broadcast`.
public enum BroadcastRule: String, Sendable, CaseIterable {
  /// Everybody who holds a name.
  case everybody
  /// Only agents whose `read` or `write` names it.
  case granted
}
