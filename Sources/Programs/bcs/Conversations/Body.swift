import ArgumentParser
import BinaryComm
import BusJSON
import BusText
import BusWire

/// The body of a message, an argument or standard input: one rule for every command.
struct BodyArgument: ParsableArguments {
  @Argument(help: "The body; standard input when it is left out or -.") var body: String?
  @Flag(name: .customLong("empty"), help: "Send an empty body.") var isEmpty = false

  /// Most bytes of a body.
  static let most = WireLimit.payloadBytesMax

  func validate() throws {
    guard !(isEmpty && body != nil) else {
      throw ValidationError("Give a body or --empty, not both.")
    }
  }

  /// Whether the body is the argument's own text.
  var isArgument: Bool { body != nil && body != "-" }

  /// Whether the body comes from standard input.
  var isStandardInput: Bool { !isEmpty && !isArgument }

  /// Throws where only a user's typing could be the body, and `-` does not ask for it.
  func checkThatItComes() throws {
    guard isStandardInput, body == nil, Terminal.isTerminal(0) else { return }
    throw ValidationError(
      "There is no body: give it as argument, pipe it in, or say --empty.")
  }

  /// The bytes.
  func read(most: Int = Self.most) throws -> [UInt8] {
    if isEmpty { return [] }
    if let body, isArgument { return Array(body.utf8) }
    return try Input.readAll(
      0, limit: most, remedy: "A message holds no more: send it with --blob, or a file's name.")
  }
}

/// How urgent a message is.
struct UrgencyOption: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "0 emergency, 1 critical, 2 high, 3 normal, 4 low, 5 background; 0 and 1 overtake.",
      valueName: "0-5"))
  var priority: UInt8?

  func validate() throws {
    guard let priority, Priority(rawValue: priority) == nil else { return }
    throw ValidationError("--priority takes 0 to 5, not \(priority).")
  }

  /// The priority, nil when none was given.
  var value: Priority? { priority.flatMap { Priority(rawValue: $0) } }
}

/// Shows payloads of conversations: as text, as they are, or in JSON.
struct PayloadPrinter {
  enum Form {
    case text
    /// As text, of which each payload takes one line.
    case line
    case raw
    case json
  }

  let form: Form
  /// Who opens blobs, whose bytes stand for those of their references.
  let agent: Agent

  /// Writes one payload; in JSON with these fields before it, as text with a line feed at its end.
  func show(
    _ payload: [UInt8], _ fields: [(String, JSONValue)],
    _ lineBreak: PayloadText.LineBreak = .kept
  ) throws {
    switch form {
    case .raw: try agent.write(payload)
    case .text:
      var text = PayloadText.shown(payload, lineBreak)
      if text.last != 0x0A { text.append(0x0A) }
      try Output.write(text)
    case .line:
      try Output.write(PayloadText.shown(payload, .escaped) + [0x0A])
    case .json:
      let line = JSONValue.line(
        fields + [("size", .integer(payload.count))] + PayloadText.fields(of: payload))
      try Output.write(line + "\n")
    }
  }
}
