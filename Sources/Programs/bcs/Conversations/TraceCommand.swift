import ArgumentParser
import BinaryComm
import BusJSON
import BusSystem
import BusText
import BusWire

/// Sends one request and shows its way there and back.
struct TraceCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "trace", abstract: "Send one request and show its way there and back, with times.",
    discussion: """
      The request carries a W3C trace context. All times are of the host's one clock, those of the \
      reply of its last part. `bcs why` takes the number of the request, and the name of the \
      reply's message.

      Examples:
        bcs trace math.add '1 2'
        echo '1 2' | bcs trace math.add --json
      """)

  @OptionGroup var common: CommonOptions
  @OptionGroup var naming: NameOptions
  @Argument(help: "The service, or an agent's name.", completion: NameCompletion.services)
  var service: String
  @OptionGroup var body: BodyArgument
  @OptionGroup var urgency: UrgencyOption
  @Option(
    name: .shortAndLong,
    help: ArgumentHelp("How long the request may take.", valueName: "seconds"))
  var timeout = 5.0

  func validate() throws {
    guard timeout > 0, timeout <= 31_536_000 else {
      throw ValidationError(
        "--timeout takes more than 0 and up to 31536000 seconds, not \(timeout).")
    }
    try body.checkThatItComes()
  }

  func run() throws {
    try ArgumentChecks.checkService(service)
    let name = try naming.resolved("trace")
    let payload = try body.read()
    let session = try Session.open(common, name: name, wait: min(timeout, 5))
    defer { session.agent.close() }
    var messenger = try session.agent.messenger()
    var context = InheritedContext.own
    context.trace = Self.freshTrace()
    let options = SendOptions(
      timeoutNs: UInt64(timeout * 1e9), priority: urgency.value, context: context)
    let askedNs = System.unixNs
    let id = try messenger.out.request(messenger.out.service(service), payload, options)
    let reply = try wait(&messenger, id)
    let route = Route(
      correlation: id, asker: name, service: service, requestBytes: payload.count, askedNs: askedNs,
      sentNs: messenger.out.sentNs, reply: reply, trace: context.trace)
    try show(route, session.agent)
    messenger.close()
  }

  private static func freshTrace() -> TraceContext {
    var random = SystemRandomNumberGenerator()
    return TraceContext(
      traceId: BusUUID(high: random.next(), low: random.next()), parentId: random.next() | 1,
      flags: 1)
  }

  private func wait(_ messenger: inout Messenger, _ id: UInt32) throws -> Route.Reply {
    var found: Route.Reply?
    var failure: BusError?
    var (parts, bytes) = (0, 0)
    // From a signal on: how long what the responder says of it is waited for.
    var cancelLimit: Deadline?
    Interrupt.beGraceful()
    while true {
      let taken = try messenger.poll { message, incoming, _ in
        guard incoming.kind == .response, incoming.correlationId == id else { return }
        parts += 1
        bytes += message.payload.byteCount
        guard incoming.isLast, found == nil else { return }
        found = Route.Reply(
          responder: message.publisher, incarnation: incoming.peer.incarnation, bytes: bytes,
          parts: parts, writtenNs: message.timestampNs, readNs: System.unixNs,
          number: message.sequence, lane: incoming.lane)
      } onFailure: { failed, _ in
        failure = failed.error
      }
      common.tellProblems(of: &messenger)
      if let cancelLimit {
        guard found == nil, failure == nil, !cancelLimit.isOver else {
          throw Failure(
            cancelled: found != nil
              ? "it was answered by then"
              : failure != nil
                ? "the responder has stopped" : "the responder was told, and says nothing")
        }
      }
      if let found { return found }
      if let failure { throw Failure(reply: failure) }
      if Interrupt.isAsked, cancelLimit == nil {
        try? messenger.out.cancel(id)
        cancelLimit = Deadline(after: .seconds(1))
      }
      if taken == 0 { _ = try messenger.wait(timeout: .milliseconds(200)) }
    }
  }

  private func show(_ route: Route, _ agent: Agent) throws {
    let streams = try agent.query(.streams)
    let agents = try agent.query(.agents)
    func stream(of incarnation: UInt64, to owner: UInt64) -> String? {
      let channel = InboxChannel(owner: Incarnation(owner), lane: route.reply.lane).name
      return streams.first {
        $0["incarnation"] == "\(incarnation)" && $0["channel"] == channel
      }?["stream"]
    }
    let there = stream(of: agent.incarnation, to: route.reply.incarnation)
    let back = stream(of: route.reply.incarnation, to: agent.incarnation)
    let pid = agents.first { $0["incarnation"] == "\(route.reply.incarnation)" }?["pid"]
    if common.json {
      return try Output.write(route.json(there: there, back: back, pid: pid) + "\n")
    }
    try Output.write(route.text(there: there, back: back, pid: pid))
  }
}

/// The way of one request, as far as it is known.
struct Route {
  /// What came back.
  struct Reply {
    let responder: String
    let incarnation: UInt64
    /// Payload bytes of all parts.
    let bytes: Int
    let parts: Int
    /// When the last part lay in the log.
    let writtenNs: UInt64
    let readNs: UInt64
    let number: UInt64
    let lane: Lane
  }
  /// The id that the request and its reply carry.
  let correlation: UInt32
  let asker: String
  let service: String
  let requestBytes: Int
  /// When it was asked, by the host's clock.
  let askedNs: UInt64
  /// When it lay in the log: names are looked up and logs made before.
  let sentNs: UInt64
  let reply: Reply
  let trace: TraceContext?

  private func span(_ from: UInt64, _ to: UInt64) -> UInt64 { to > from ? to - from : 0 }

  /// For people, one line for each step.
  func text(there: String?, back: String?, pid: String?) -> TerminalText {
    let steps = [
      ("", "\(asker) asks \(service), \(requestBytes) bytes"),
      (
        shown(span(askedNs, sentNs)),
        "the request lies in the log to \(reply.responder)"
          + (there.map { ", stream \($0)" } ?? "") + ", \(reply.lane) lane"
      ),
      (
        shown(span(sentNs, reply.writtenNs)),
        "\(reply.responder)\(pid.map { " (process \($0))" } ?? "") has taken it, worked on it, "
          + "and written \(reply.bytes) bytes"
          + (reply.parts > 1 ? " in \(reply.parts) parts, the last" : "")
          + (back.map { " as message \($0):\(reply.number)" } ?? "")
      ),
      (shown(span(reply.writtenNs, reply.readNs)), "\(asker) reads the reply"),
      (shown(span(askedNs, reply.readNs)), "altogether"),
    ]
    let width = steps.map { $0.0.count }.max() ?? 0
    let head: TerminalText = trace.map { "trace \($0.traceId)\n" } ?? ""
    return head + "request \(correlation)\n"
      + .joined(
        steps.map { time, what in
          "\(String(repeating: " ", count: width - time.count))\(time)  \(what)\n"
        })
  }

  func json(there: String?, back: String?, pid: String?) -> TerminalText {
    JSONValue.line([
      ("trace", JSONValue(trace.map { "\($0.traceId)" })),
      ("correlation", .unsigned(UInt64(correlation))), ("asker", .text(asker)),
      ("service", .text(service)), ("responder", .text(reply.responder)),
      ("responder_pid", JSONValue(pid.flatMap { UInt64($0) })),
      ("responder_incarnation", .unsigned(reply.incarnation)),
      ("lane", .text("\(reply.lane)")),
      ("request_stream", JSONValue(there.flatMap { UInt64($0) })),
      ("reply_stream", JSONValue(back.flatMap { UInt64($0) })),
      ("reply_number", .unsigned(reply.number)),
      ("request_bytes", .integer(requestBytes)),
      ("reply_bytes", .integer(reply.bytes)),
      ("reply_parts", .integer(reply.parts)),
      ("prepare_ns", .unsigned(span(askedNs, sentNs))),
      ("there_and_work_ns", .unsigned(span(sentNs, reply.writtenNs))),
      ("back_ns", .unsigned(span(reply.writtenNs, reply.readNs))),
      ("total_ns", .unsigned(span(askedNs, reply.readNs))),
    ])
  }

  private func shown(_ ns: UInt64) -> String {
    switch ns {
    case ..<1000: "\(ns) ns"
    case ..<1_000_000: "\(Double(ns / 10) / 100) µs"
    default: "\(Double(ns / 10_000) / 100) ms"
    }
  }
}
