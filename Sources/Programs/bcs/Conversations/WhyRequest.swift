import BinaryComm
import BusAdmin
import BusJSON
import BusText
import BusWire

/// What `bcs why` says about a request by its correlation id.
struct WhyRequest {
  let correlation: UInt32
  let common: CommonOptions

  /// A correlation id as it is printed, or in hexadecimal digits behind `0x`; nil: it is none.
  static func number(_ text: String) -> UInt32? {
    let number =
      text.hasPrefix("0x") ? UInt32(text.dropFirst(2), radix: 16) : UInt32(text, radix: 10)
    return number.flatMap { $0 > 0 && text.first != "+" ? $0 : nil }
  }

  /// Looks into the agents' logs and says what they hold.
  ///
  /// - Throws: `Failure` when no log holds anything of it.
  func run(_ agent: Agent) throws {
    let agents = try agent.query(.agents)
    let traces = RequestTraces(of: correlation, agents: agents)
    guard !traces.entries.isEmpty else { throw nothing(traces) }
    for refusal in traces.refusals {
      common.log(
        .warning, "\(refusal.name) could not be looked into (\(refusal.reason)): more may lie there"
      )
    }
    let streams = try agent.query(.streams)
    let readers = try agent.query(.attachments)
    for request in traces.requests {
      try show(request, Known(agents: agents, streams: streams, readers: readers))
    }
  }

  /// What the router knows of agents and streams.
  private struct Known {
    let names: [String: String]
    let streams: [[String: String]]
    let readers: [[String: String]]

    init(agents: [[String: String]], streams: [[String: String]], readers: [[String: String]]) {
      // Who has ended is still known as the publisher of what is not read yet.
      let pairs =
        agents.map { ($0["incarnation"] ?? "", $0["name"] ?? "?") }
        + streams.map { ($0["incarnation"] ?? "", $0["publisher"] ?? "?") }
      names = Dictionary(pairs) { first, _ in first }
      self.streams = streams
      self.readers = readers
    }

    func name(_ incarnation: UInt64) -> String { names["\(incarnation)"] ?? "(ended)" }

    /// The router's rows about the stream that a record lies in, and about its reader.
    func rows(_ entry: RequestTraces.Entry) -> (stream: [String: String], reader: [String: String])
    {
      let stream = streams.last {
        $0["incarnation"] == "\(entry.writer)" && $0["channel"] == entry.inbox.name
      }
      let reader = stream.flatMap { row in readers.last { $0["stream"] == row["stream"] } }
      return (stream ?? [:], reader ?? [:])
    }

    func fate(_ entry: RequestTraces.Entry) -> DeliveryOutcome? {
      let (stream, reader) = rows(entry)
      return stream.isEmpty || reader.isEmpty ? nil : DeliveryOutcome(of: entry.number, reader)
    }
  }

  private func show(_ request: RequestTraces.Request, _ known: Known) throws {
    let outcome = request.outcome(
      request.entries.first { $0.kind == .request }.flatMap(known.fate))
    let (asker, responder) = (known.name(request.requester), known.name(request.responder))
    if common.json {
      let line = JSONValue.line([
        ("kind", .text("request")), ("correlation", .unsigned(UInt64(correlation))),
        ("requester", .text(asker)), ("responder", .text(responder)), ("outcome", .text(outcome)),
      ])
      try Output.write(line + "\n")
    } else {
      try Output.write(
        "request \(correlation) of \(asker) to \(responder): \(TerminalText.entry(outcome))\n")
    }
    var listing = TextTable(
      [
        Column("kind"), Column("record", "RECORD"), Column("from", "FROM"),
        Column("reader", "READER"), Column("mode", "MODE", .drops(1)), Column("fate", "MESSAGE"),
        Column("why", "WHY"), Column("lane"), Column("stream"), Column("number"),
        Column("unix_ns"), Column("correlation"),
      ], empty: "")
    listing.rows = request.entries.map { entry in
      let (stream, reader) = known.rows(entry)
      let fate = known.fate(entry)
      return [
        .text("fate"), .text(entry.kind.rawValue), .text(known.name(entry.writer)),
        .text(known.name(entry.inbox.owner.value)), .text(reader["mode"] ?? "lossless"),
        .text(fate?.word ?? "unknown"),
        .text(fate?.why ?? "the router does not know this stream any more"),
        .text("\(entry.inbox.lane)"), JSONValue(stream["stream"].flatMap { UInt64($0) }),
        .unsigned(entry.number), .unsigned(entry.unixNs), .unsigned(UInt64(correlation)),
      ]
    }
    try common.show(listing)
  }

  private func nothing(_ traces: RequestTraces) -> Failure {
    let others = traces.refusals.map { "\($0.name) (\($0.reason))" }.joined(separator: ", ")
    return Failure(
      "No log holds anything of request \(correlation) any more, or it never was.",
      remedy: others.isEmpty
        ? "A log keeps it until later messages need its room, and until its reader or writer ends."
        : "These agents could not be looked into: \(others).",
      name: "NOT_FOUND")
  }
}
