public import BusWire

/// Limits of one channel; nil leaves the router's own default.
public struct ChannelSettings: Sendable, Equatable {
  /// Log limits that can be set, in bytes; only the powers of two.
  public static let logBytes: ClosedRange<UInt64> = (64 << 10)...(1 << 30)

  /// Most bytes a publisher's log may grow to.
  public var logBytesMax: UInt64?

  /// Settings that leave everything to the router.
  public init() {}

  func check() throws(PolicyError) {
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
