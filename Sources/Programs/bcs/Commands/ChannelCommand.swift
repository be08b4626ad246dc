import ArgumentParser
import BinaryComm
import BusJSON
import BusText

/// Shows the channels of the bus.
struct ChannelCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "channel", abstract: "Show what is published and who reads it.",
    discussion: """
      A channel is all topics with the same first token: alerts.disk and alerts.fan are on the \
      channel alerts. `bcs channel` alone is `bcs channel list`, with its options: --watch \
      [SECONDS], --json, --dir, --name.

      Examples:
        bcs channel
        bcs channel show alerts
      """,
    subcommands: [List.self, Show.self], defaultSubcommand: List.self)

  struct List: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "List the channels, one row for each publisher.",
      discussion: "Example:\n  bcs channel list --json")

    @OptionGroup var common: CommonOptions
    @OptionGroup var naming: NameOptions
    @OptionGroup var watching: WatchOptions

    func run() throws {
      let session = try Session.look(common, name: naming.resolved("channel"))
      defer { session.agent.close() }
      try watching.run {
        let readers = try session.agent.query(.attachments)
        let names = try ChannelNames(of: session.agent)
        var listing = ChannelRows.streams
        listing.rows = try session.agent.query(.streams).map {
          ChannelRows.stream($0, readers: readers, names)
        }
        try common.show(listing)
      }
    }
  }

  struct Show: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Show one channel: its publishers and every reader.",
      discussion: "Examples:\n  bcs channel show alerts\n  bcs channel show inbox.auditor")

    @OptionGroup var common: CommonOptions
    @OptionGroup var naming: NameOptions
    @OptionGroup var watching: WatchOptions
    @Argument(help: "The channel, such as alerts.", completion: NameCompletion.channels)
    var channel: String

    func run() throws {
      let session = try Session.look(common, name: naming.resolved("channel"))
      defer { session.agent.close() }
      try watching.run {
        let names = try ChannelNames(of: session.agent)
        let streams = try session.agent.query(.streams).filter {
          names.isMeant($0["channel"], by: channel)
        }
        guard !streams.isEmpty else {
          throw Failure(
            "Nobody publishes on a channel '\(channel.printable)'.",
            remedy: "`bcs channel` lists those that are there.", name: "NOT_FOUND")
        }
        let readers = try session.agent.query(.attachments).filter {
          names.isMeant($0["channel"], by: channel)
        }
        var listing = ChannelRows.streams
        listing.rows = streams.map { ChannelRows.stream($0, readers: readers, names) }
        try common.show(listing)
        if !common.json { try Output.write("\n") }
        var reading = ChannelRows.readers
        reading.rows = readers.map { ChannelRows.reader($0, names) }
        try common.show(reading)
      }
    }
  }
}

/// How a router's rows about streams and their readers are shown.
///
/// A stream is as far behind as the reader of it that is furthest behind.
enum ChannelRows {
  static var streams: TextTable {
    TextTable(
      [
        Column("kind"), Column("name", "CHANNEL"), Column("publisher", "PUBLISHER"),
        Column("generation", "GENERATION", isNumber: true, .drops(8)),
        Column("memory", "CAPACITY", isNumber: true, .drops(7)), Column("capacity"),
        Column("bytes"),
        Column("messages", "MESSAGES", isNumber: true, .drops(2)), Column("commit"),
        Column("readers", "READERS", isNumber: true, .drops(4)),
        Column("behind", "BEHIND", isNumber: true, .drops(3)), Column("behind_bytes"),
        Column("lost", "LOST", isNumber: true), Column("state", "STATE", .drops(1)),
        Column("channel"), Column("stream"), Column("incarnation"),
      ], empty: "No channels.")
  }

  static func stream(
    _ row: [String: String], readers: [[String: String]], _ names: ChannelNames
  ) -> [JSONValue] {
    let mine = readers.filter { $0["stream"] == row["stream"] }
    let behind = mine.compactMap { $0["behind_bytes"].flatMap(UInt64.init) }.max()
    let lost = mine.compactMap { $0["gaps"].flatMap(UInt64.init) }
    return [
      .text("stream"), row.channel(names), row.text("publisher"), row.number("generation"),
      row.bytes("capacity"), row.number("capacity"), row.number("bytes"),
      row.number("messages"), row.number("commit"), .integer(mine.count),
      behind.map { .text(TextWrap.bytes($0)) } ?? .null, behind.map { .unsigned($0) } ?? .null,
      lost.isEmpty ? .null : .unsigned(lost.reduce(0, &+)), row.text("state"),
      row.text("channel"), row.number("stream"), row.number("incarnation"),
    ]
  }

  static var readers: TextTable {
    TextTable(
      [
        Column("kind"), Column("reader", "READER"), Column("pattern", "PATTERN"),
        Column("mode", "MODE", .drops(6)), Column("state", "STATE", .drops(1)),
        Column("behind", "BEHIND", isNumber: true, .drops(3)), Column("behind_bytes"),
        Column("received", "RECEIVED", isNumber: true, .drops(5)),
        Column("gaps", "LOST", isNumber: true),
        Column("name", "CHANNEL", .drops(9)), Column("publisher", "PUBLISHER"), Column("channel"),
        Column("stream"), Column("attachment"), Column("slot"),
      ], empty: "No readers.")
  }

  static func reader(_ row: [String: String], _ names: ChannelNames) -> [JSONValue] {
    [
      .text("reader"), row.text("reader"), row.text("pattern"), row.text("mode"),
      row.text("state"), row.bytes("behind_bytes"), row.number("behind_bytes"),
      row.number("received"), row.number("gaps"), row.channel(names), row.text("publisher"),
      row.text("channel"), row.number("stream"), row.number("attachment"), row.number("slot"),
    ]
  }
}

extension [String: String] {
  /// The name by which people know the row's channel.
  fileprivate func channel(_ names: ChannelNames) -> JSONValue {
    self["channel"].map { .text(names.shown($0)) } ?? .null
  }
}
