/// Which of the two logs from one agent to another a message lies in.
public enum Lane: UInt8, Sendable, CaseIterable, BitwiseCopyable {
  /// Requests, replies, direct messages: in order.
  case normal = 0
  /// What overtakes them: cancels, emergency and critical messages.
  case urgent = 1
}

/// The channels of one agent's inbox: a log there goes from its writer to this incarnation alone.
///
///     InboxChannel(owner: incarnation, lane: .normal).name  // bcs.inbox.1234.normal
///
/// The owner is an incarnation and not a name, so that nothing written for an agent is ever read by
/// its successor of the same name.
public struct InboxChannel: Hashable, Sendable {
  /// Whose inbox it is.
  public let owner: Incarnation
  /// Which lane of it.
  public let lane: Lane

  private static let prefix = "bcs.inbox."
  private static let normalEnd = ".normal"
  private static let urgentEnd = ".urgent"

  /// The channel of a lane of an incarnation's inbox.
  public init(owner: Incarnation, lane: Lane) {
    self.owner = owner
    self.lane = lane
  }

  /// The inbox channel of this name, nil for any other channel.
  public init?(_ name: String) {
    guard name.hasPrefix(Self.prefix) else { return nil }
    let parts = name.utf8.dropFirst(Self.prefix.utf8.count).split(separator: UInt8(ascii: "."))
    guard parts.count == 2, let owner = UInt64(String(Substring(parts[0]))) else { return nil }
    let lane: Lane = Substring(parts[1]) == "urgent" ? .urgent : .normal
    self.init(owner: Incarnation(owner), lane: lane)
    // One spelling for each channel: no leading zeros, no other last token.
    guard self.name == name else { return nil }
  }

  /// The name of the channel.
  public var name: String {
    "\(Self.prefix)\(owner.value)\(lane == .urgent ? Self.urgentEnd : Self.normalEnd)"
  }

  /// The pattern by which an agent subscribes to both lanes of its inbox.
  public static func pattern(of owner: Incarnation) -> String { "\(prefix)\(owner.value).>" }

  /// The owner of the inbox that a pattern asks for, nil for any other pattern.
  public static func owner(ofPattern text: String) -> Incarnation? {
    guard text.hasPrefix(prefix), text.hasSuffix(".>") else { return nil }
    let number = text.dropFirst(prefix.count).dropLast(2)
    guard let owner = UInt64(String(number)) else { return nil }
    let incarnation = Incarnation(owner)
    return pattern(of: incarnation) == text ? incarnation : nil
  }
}
