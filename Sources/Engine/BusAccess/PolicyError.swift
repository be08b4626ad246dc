public import BusWire

/// Why a rule cannot be part of a policy.
public enum PolicyError: Error, Equatable, Sendable {
  /// A name or pattern breaks the grammar of topics.
  case badName(String, TopicError)
  /// A right to read, write or hold back that is not a whole channel.
  case partOfAChannel(String)
  /// A name below `bcs`, which belongs to the bus.
  case reservedName(String)
  /// A second entry for the same agent name.
  case duplicateAgent(String)
  /// A second entry for the same channel.
  case duplicateChannel(String)
  /// An agent entry that binds its name to no user.
  case noUsers(String)
  /// A log limit that is no power of two within `ChannelSettings.logBytes`.
  case logOutOfRange(UInt64)
  /// A quota of no bytes, with which an agent could not even make a log.
  case quotaIsZero(String)
}

extension PolicyError: CustomStringConvertible {
  /// A sentence that says what is wrong and what to write instead.
  public var description: String {
    switch self {
    case .badName(let text, let error):
      "\(text.debugDescription) is not a name or pattern. \(error)"
    case .partOfAChannel(let text):
      "\(text.debugDescription) is not a whole channel, and rights are given by channel: "
        + "write a name, a name with .> behind it, or > for every channel."
    case .reservedName(let text):
      "\(text.debugDescription) is reserved for the bus: "
        + "choose a first token other than bcs (only bcs.broadcast can be granted)."
    case .duplicateAgent(let name):
      "The agent \(name.debugDescription) has an entry already: merge the two."
    case .duplicateChannel(let name):
      "The channel \(name.debugDescription) has an entry already: merge the two."
    case .noUsers(let name):
      "The agent \(name.debugDescription) is bound to no user: list at least one under users."
    case .logOutOfRange(let bytes):
      "A log of \(bytes) bytes is not possible: use a power of two from "
        + "\(ChannelSettings.logBytes.lowerBound) to \(ChannelSettings.logBytes.upperBound) bytes."
    case .quotaIsZero(let name):
      "The quota of \(name.debugDescription) is zero: state the bytes its segments may take, "
        + "or leave the key out."
    }
  }
}
