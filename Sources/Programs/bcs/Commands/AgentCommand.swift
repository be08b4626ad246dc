import ArgumentParser
import BinaryComm
import BusJSON
import BusText

/// Shows the agents of the bus.
struct AgentCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "agent", abstract: "Show who is on the bus.",
    discussion: """
      `bcs agent` alone is `bcs agent list`, with its options: --watch [SECONDS], --json, --dir, \
      --name.

      Examples:
        bcs agent
        bcs agent show planner
      """,
    subcommands: [List.self, Show.self], defaultSubcommand: List.self)

  struct List: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "List the agents.", discussion: "Example:\n  bcs agent list --watch")

    @OptionGroup var common: CommonOptions
    @OptionGroup var naming: NameOptions
    @OptionGroup var watching: WatchOptions

    func run() throws {
      let session = try Session.look(common, name: naming.resolved("agent"))
      defer { session.agent.close() }
      try watching.run {
        var listing = AgentRows.listing
        listing.rows = try session.agent.query(.agents).map(AgentRows.row)
        try common.show(listing)
      }
    }
  }

  struct Show: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Show one agent, what it publishes and what it reads.",
      discussion: "Example:\n  bcs agent show planner")

    @OptionGroup var common: CommonOptions
    @OptionGroup var naming: NameOptions
    @OptionGroup var watching: WatchOptions
    @Argument(help: "The agent's name.", completion: NameCompletion.agents) var agent: String

    func run() throws {
      let session = try Session.look(common, name: naming.resolved("agent"))
      defer { session.agent.close() }
      try watching.run {
        let rows = try session.agent.query(.agents).filter { $0["name"] == agent }
        guard let row = rows.first else {
          throw Failure(
            "There is no agent '\(agent.printable)'.",
            remedy: "`bcs agent` lists those that are there.", name: "NOT_FOUND")
        }
        try show(row, of: session)
      }
    }

    private func show(_ row: [String: String], of session: Session) throws {
      var listing = AgentRows.listing
      listing.rows = [AgentRows.row(row)]
      let streams = try session.agent.query(.streams).filter {
        $0["publisher"] == agent && $0["incarnation"] == row["incarnation"]
      }
      let attachments = try session.agent.query(.attachments)
      let names = try ChannelNames(of: session.agent)
      let readings = attachments.filter {
        $0["reader"] == agent && $0["reader_incarnation"] == row["incarnation"]
      }
      try common.show(listing)
      if !common.json { try Output.write("\n") }
      var channels = ChannelRows.streams
      channels.rows = streams.map { ChannelRows.stream($0, readers: attachments, names) }
      try common.show(channels)
      if !common.json { try Output.write("\n") }
      var readers = ChannelRows.readers
      readers.rows = readings.map { ChannelRows.reader($0, names) }
      try common.show(readers)
    }
  }
}

/// How a router's row about an agent is shown.
enum AgentRows {
  static var listing: TextTable {
    TextTable(
      [
        Column("kind"), Column("name", "NAME"), Column("category", "CATEGORY", .drops(4)),
        Column("pid", "PID", isNumber: true), Column("uid", "UID", isNumber: true, .drops(7)),
        Column("age", "AGE", isNumber: true, .drops(2)), Column("age_seconds"),
        Column("streams", "STREAMS", isNumber: true, .drops(5)),
        Column("subscriptions", "SUBSCRIPTIONS", isNumber: true, .drops(6)),
        Column("memory", "SHARED", isNumber: true, .drops(3)), Column("bytes"), Column("quota"),
        Column("incarnation"), Column("uuid"), Column("program", "PROGRAM", .shortens),
      ], empty: "No agents.")
  }

  static func row(_ row: [String: String]) -> [JSONValue] {
    let age = row["pid"].flatMap(Int32.init).flatMap(ProcessAge.seconds)
    return [
      .text("agent"), row.text("name"), row.text("category"), row.number("pid"),
      row.number("uid"), age.map { .text(TextWrap.duration(seconds: $0)) } ?? .null,
      age.map { .unsigned($0) } ?? .null, row.number("streams"), row.number("subscriptions"),
      row.bytes("bytes"), row.number("bytes"), row.number("quota"), row.number("incarnation"),
      row.text("uuid"), row.text("program"),
    ]
  }
}

extension [String: String] {
  /// The text of a key; null when the router did not send it.
  func text(_ key: String) -> JSONValue { self[key].map { .text($0) } ?? .null }

  /// The number of a key; null when the router did not send one.
  func number(_ key: String) -> JSONValue {
    self[key].flatMap(UInt64.init).map { .unsigned($0) } ?? .null
  }

  /// The bytes of a key, for people.
  func bytes(_ key: String) -> JSONValue {
    self[key].flatMap(UInt64.init).map { .text(TextWrap.bytes($0)) } ?? .null
  }
}
