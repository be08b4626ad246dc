import ArgumentParser
import BinaryComm
import BusAdmin
import BusJSON
import BusText
import BusWire

/// Says where a message is, or what happened to it.
struct WhyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "why", abstract: "Say whether a message was delivered, and why not.",
    discussion: """
      A message is named by its publisher, its channel and its number there, as `bcs sub` shows \
      them; or by its stream and number, as `bcs trace` and `bcs channel --json` show them. It is \
      known while its publisher runs or somebody still has to read its log: not for long after a \
      single `bcs pub`.

      A request is named by its correlation id, as `bcs trace`, `bcs req --json` and `bcs reply \
      --json` print it. Its records are looked for in the memory of the agents, whom that does not \
      disturb; the kernel allows it for processes of the same user.

      Examples:
        bcs why writer/alerts:41
        bcs why teller/inbox.auditor:3
        bcs why 2361555718980:41
        bcs why 713562911
      """)

  @OptionGroup var common: CommonOptions
  @OptionGroup var naming: NameOptions
  @Argument(help: "PUBLISHER/CHANNEL:NUMBER, STREAM:NUMBER, or the correlation id of a request.")
  var id: String

  func run() throws {
    if let correlation = WhyRequest.number(id) {
      let session = try Session.look(common, name: naming.resolved("why"))
      defer { session.agent.close() }
      return try WhyRequest(correlation: correlation, common: common).run(session.agent)
    }
    guard let message = MessageName(id) else {
      throw Failure.usage(
        "'\(id.printable)' names no message and no request.",
        remedy: "Give PUBLISHER/CHANNEL:NUMBER, such as writer/alerts:41, STREAM:NUMBER, or the "
          + "correlation id of a request, from 1 to 4294967295.")
    }
    let session = try Session.look(common, name: naming.resolved("why"))
    defer { session.agent.close() }
    let names = try ChannelNames(of: session.agent)
    guard let row = try session.agent.query(.streams).last(where: { message.isOf($0, names) })
    else {
      throw Failure(
        "There is no stream \(message.stream.printable): it has ended and everybody has read it, "
          + "or never was.",
        remedy: "`bcs channel` lists those that are there.", name: "NOT_FOUND")
    }
    let readers = try session.agent.query(.attachments).filter { $0["stream"] == row["stream"] }
    try show(message.number, of: row, readers, names)
  }

  private func show(
    _ number: UInt64, of row: [String: String], _ readers: [[String: String]],
    _ names: ChannelNames
  ) throws {
    let stream = row["stream"] ?? "?"
    let known = row["messages"].flatMap(UInt64.init) ?? 0
    // Of a log that is with its one reader alone the router does not know how far it is.
    let isHidden = row["commit"] == "0" && !readers.isEmpty
    guard isHidden || number < known else {
      throw Failure(
        "Stream \(stream) has \(known) messages: number \(number) has not been published.",
        remedy: "Numbers start at 0.", name: "NOT_FOUND")
    }
    var listing = TextTable(
      [
        Column("kind"), Column("reader", "READER"), Column("mode", "MODE"),
        Column("fate", "MESSAGE"), Column("why", "WHY"), Column("stream"), Column("number"),
      ], empty: "Nobody reads stream \(stream): the message lies in its log and reaches nobody.")
    listing.rows = readers.map { reader in
      let fate = DeliveryOutcome(of: number, reader, takesAll: Self.takesAll(reader, of: row))
      return [
        .text("fate"), .text(reader["reader"] ?? "?"), .text(reader["mode"] ?? "?"),
        .text(fate.word), .text(fate.why), JSONValue(UInt64(stream)), .unsigned(number),
      ]
    }
    if !common.json {
      try Output.write(
        "message \(number) of \((row["publisher"] ?? "?").printable) on "
          + "\(names.shown(row["channel"] ?? "?").printable), stream \(row["state"] ?? "?")\n")
    }
    try common.show(listing)
  }
}

extension WhyCommand {
  /// Whether a reader's pattern matches every topic below the name of a stream's channel.
  private static func takesAll(_ reader: [String: String], of stream: [String: String]) -> Bool {
    guard let channel = stream["channel"], InboxChannel(channel) == nil else { return true }
    guard let pattern = reader["pattern"].flatMap({ try? TopicPattern($0) }),
      let all = try? TopicPattern("\(channel).>")
    else { return false }
    return pattern.covers(all)
  }
}

/// A message as a person names it.
struct MessageName: Equatable {
  /// `PUBLISHER/CHANNEL`, or the number of a stream.
  let stream: String
  /// Its number there, from 0 on.
  let number: UInt64

  /// Nil: it names no message.
  init?(_ text: String) {
    guard let colon = text.lastIndex(of: ":"),
      let number = UInt64(text[text.index(after: colon)...])
    else { return nil }
    stream = String(text[..<colon])
    self.number = number
    let parts = stream.split(separator: "/", omittingEmptySubsequences: false)
    let isNamed = parts.count == 2 && !parts.contains("")
    guard isNamed || UInt64(stream) != nil else { return nil }
  }

  /// Whether the router's row about a stream is about this message's.
  func isOf(_ row: [String: String], _ names: ChannelNames) -> Bool {
    if row["stream"] == stream { return true }
    guard let slash = stream.firstIndex(of: "/") else { return false }
    return row["publisher"] == String(stream[..<slash])
      && names.isMeant(row["channel"], by: String(stream[stream.index(after: slash)...]))
  }
}
