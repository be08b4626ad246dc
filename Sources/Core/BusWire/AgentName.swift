/// The rules for names of agents: dotted tokens of letters, digits, `_` and `-`.
public enum AgentName {
  /// Throws what is wrong with the name; returns when an agent may be called so.
  public static func check(_ name: String) throws(AgentNameError) {
    let bytes = name.utf8.count
    if bytes == 0 { throw .empty }
    if bytes > WireLimit.agentNameBytesMax { throw .tooLong(bytes: bytes) }
    var tokens = 1
    var tokenIsEmpty = true
    for character in name {
      switch character {
      case ".":
        if tokenIsEmpty { throw .emptyToken(name) }
        tokens += 1
        tokenIsEmpty = true
      case "A"..."Z", "a"..."z", "0"..."9", "_", "-":
        guard character.isASCII else { throw .character(character) }
        tokenIsEmpty = false
      case "*", ">":
        throw .wildcard(character)
      default:
        throw .character(character)
      }
    }
    if tokenIsEmpty { throw .emptyToken(name) }
    if tokens > WireLimit.topicTokensMax { throw .tooManyTokens(tokens) }
    if "\(name).".hasPrefix(WireLimit.reservedPrefix) { throw .reserved(name) }
  }
}

/// Why an agent may not have a name.
public enum AgentNameError: Error, Equatable, Sendable {
  /// There is nothing.
  case empty
  /// More bytes than ``WireLimit/agentNameBytesMax``.
  case tooLong(bytes: Int)
  /// Two dots in a row, or a dot at an end.
  case emptyToken(String)
  /// A character that names do not have.
  case character(Character)
  /// `*` and `>` choose among topics; they are not part of a name.
  case wildcard(Character)
  /// More tokens than ``WireLimit/topicTokensMax``.
  case tooManyTokens(Int)
  /// The first token is `bcs`, which is the bus itself.
  case reserved(String)
}

extension AgentNameError: CustomStringConvertible {
  /// What is wrong and what to do about it, in a sentence.
  public var description: String {
    let rule = "use letters, digits, '_' and '-', in tokens separated by single dots"
    return switch self {
    case .empty:
      "an agent needs a name; \(rule)"
    case .tooLong(let bytes):
      "the name has \(bytes) bytes; use at most \(WireLimit.agentNameBytesMax)"
    case .emptyToken(let name):
      "'\(name)' has an empty token; \(rule)"
    case .character(let character):
      "\(character.unicodeScalars.map(\.named).joined(separator: ", ")) is not allowed in an "
        + "agent's name; \(rule)"
    case .wildcard(let character):
      "'\(character)' is a wildcard for subscriptions; give the agent a name without it"
    case .tooManyTokens(let tokens):
      "the name has \(tokens) tokens; use at most \(WireLimit.topicTokensMax)"
    case .reserved(let name):
      "'\(name)' is reserved: names that start with 'bcs' are the bus's own; choose another"
    }
  }
}
