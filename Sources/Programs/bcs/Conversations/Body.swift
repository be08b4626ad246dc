import ArgumentParser
import BinaryComm
import BusJSON
import BusWire

/// The body of a message to an agent: an argument, or standard input.
struct BodyArgument: ParsableArguments {
  @Argument(help: "The body; standard input when it is left out or -.") var body: String?
  @Flag(help: "Send no body at all.") var empty = false

  /// Most bytes of a body.
  static let most = WireLimit.payloadBytesMax

  func validate() throws {
    guard !(empty && body != nil) else {
      throw ValidationError("Give a body or --empty, not both.")
    }
    guard body == nil || body == "-", !empty, Terminal.isTerminal(0) else { return }
    throw ValidationError(
      "There is no body: give it as argument, pipe it in, or say --empty.")
  }

  /// The bytes.
  func read(most: Int = Self.most) throws -> [UInt8] {
    if empty { return [] }
    if let body, body != "-" { return Array(body.utf8) }
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
    case raw
    case json
  }

  let form: Form
  /// Who opens blobs, whose bytes stand for those of their references.
  let agent: Agent

  /// Writes one payload; in JSON with these fields before it.
  func show(_ payload: [UInt8], _ fields: [(String, JSONValue)]) throws {
    switch form {
    case .raw: try agent.write(payload)
    case .text: try Output.write(Self.body(payload) + "\n")
    case .json:
      let line = JSONValue.line(
        fields + [("size", .integer(payload.count))] + MessagePrinter.fields(of: payload))
      try Output.write(line + "\n")
    }
  }

  /// A body so that it cannot disturb a terminal.
  private static func body(_ payload: [UInt8]) -> String {
    MessagePrinter(form: .headers, style: .output).body(payload)
  }
}
