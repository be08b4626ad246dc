import ArgumentParser
import BinaryComm
import BusJSON

/// Says where a message is, or what happened to it.
struct WhyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "why", abstract: "Say where a message is, or what happened to it.",
    discussion: """
      A message is named by its stream and its number there: `bcs channel --json` shows streams, \
      `bcs sub --json` the number as `sequence`, `bcs trace` both.

      Example:
        bcs why 2361555718980:41
      """)

  @OptionGroup var common: CommonOptions
  @OptionGroup var naming: NameOptions
  @Argument(help: "STREAM:NUMBER") var id: String

  func run() throws {
    let parts = id.split(separator: ":", omittingEmptySubsequences: false)
    guard parts.count == 2, let stream = UInt64(parts[0]), let number = UInt64(parts[1]) else {
      throw Failure.usage(
        "'\(id.printable)' names no message.",
        remedy: "Give STREAM:NUMBER; `bcs channel --json` shows the streams.")
    }
    let session = try Session.open(common, name: naming.resolved("why"))
    defer { session.agent.close() }
    let streams = try session.agent.query(.streams)
    let readers = try session.agent.query(.attachments).filter { $0["stream"] == "\(stream)" }
    guard let row = streams.first(where: { $0["stream"] == "\(stream)" }) else {
      throw Failure(
        "There is no stream \(stream): it has ended and everybody has read it, or never was.",
        remedy: "`bcs channel --json` shows the streams that are there.", name: "NOT_FOUND")
    }
    let known = row["messages"].flatMap(UInt64.init) ?? 0
    // Of a log that is with its one reader alone the router does not know how far it is.
    let isHidden = row["commit"] == "0" && !readers.isEmpty
    guard isHidden || number < known else {
      throw Failure(
        "Stream \(stream) has \(known) messages: number \(number) has not been published.",
        remedy: "Numbers start at 0.", name: "NOT_FOUND")
    }
    var listing = Listing(
      [
        Column("kind"), Column("reader", "READER"), Column("mode", "MODE"),
        Column("fate", "MESSAGE"), Column("why", "WHY"), Column("stream"), Column("number"),
      ], empty: "Nobody reads stream \(stream): the message lies in its log and reaches nobody.")
    listing.rows = readers.map { reader in
      let fate = Fate(of: number, reader)
      return [
        .text("fate"), .text(reader["reader"] ?? "?"), .text(reader["mode"] ?? "?"),
        .text(fate.word), .text(fate.why), .unsigned(stream), .unsigned(number),
      ]
    }
    if !common.json {
      try Output.write(
        "message \(number) of \((row["publisher"] ?? "?").printable) on "
          + "\((row["channel"] ?? "?").printable), stream \(row["state"] ?? "?")\n")
    }
    try common.show(listing)
  }
}

/// What became of one message for one reader.
struct Fate: Equatable {
  /// `delivered`, `pending`, `lost or delivered`, `not for it`, `never`.
  let word: String
  /// A sentence.
  let why: String

  /// The fate of a message by the router's row about its reader.
  init(of number: UInt64, _ reader: [String: String]) {
    func count(_ key: String) -> UInt64? { reader[key].flatMap(UInt64.init) }
    guard let start = count("start"), let received = count("received"), let gaps = count("gaps")
    else {
      word = reader["state"] == "evicted" ? "never" : "pending"
      why =
        reader["state"] == "evicted"
        ? "the reader was evicted" : "its publisher has not let the reader in yet"
      return
    }
    let next = start + received + gaps
    if number < start {
      word = "not for it"
      why = "it was published before the reader joined, at number \(start)"
    } else if number >= next {
      word = "pending"
      why = "\(number - next) messages lie before it; a busy reader says where it is now and then"
    } else if gaps == 0 {
      word = "delivered"
      why = "the reader has taken every message up to \(next - 1)"
    } else {
      word = "lost or delivered"
      why = "the reader is beyond it and lost \(gaps) messages since number \(start)"
    }
  }
}
