import ArgumentParser
import BinaryComm
import BusJSON
import BusWire

/// Sends requests and shows the replies.
struct ReqCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "req", abstract: "Send a request to a service or agent and show the reply.",
    discussion: """
      One of the agents that answer the service is asked, each in turn; --all asks every one. An \
      agent's own name is a service, too. Ctrl-C cancels the request.

      Examples:
        bcs req math.add '1 2'
        echo hello | bcs req upper --raw
        bcs req logs.tail app --stream
        bcs req price.of apples --all --json
      """)

  @OptionGroup var common: CommonOptions
  @OptionGroup var naming: NameOptions
  @Argument(help: "The service, or an agent's name.") var service: String
  @OptionGroup var body: BodyArgument
  @OptionGroup var blobs: BlobOptions
  @OptionGroup var urgency: UrgencyOption
  @Option(help: ArgumentHelp("How long a request may take.", valueName: "seconds"))
  var timeout = 5.0
  @Option(help: "Send the request that many times, one after the other.") var count = 1
  @Flag(help: "Ask every agent that answers the service.") var all = false
  @Flag(help: "Ask every one, and take the first reply.") var first = false
  @Flag(help: "Show the parts of a reply as they come.") var stream = false
  @Flag(help: "Write the bytes of the replies and nothing else.") var raw = false

  func validate() throws {
    guard timeout > 0, timeout <= 31_536_000 else {
      throw ValidationError(
        "--timeout takes more than 0 and up to 31536000 seconds, not \(timeout).")
    }
    guard count >= 1 else { throw ValidationError("--count is at least 1, not \(count).") }
    guard !(raw && common.json) else { throw ValidationError("Give --raw or --json, not both.") }
    guard !(all && first) else { throw ValidationError("Give --all or --first, not both.") }
  }

  func run() throws {
    try Names.checkTopic(service)
    let name = try naming.resolved("req")
    let bytes = try body.read(most: blobs.bodyMost)
    let session = try Session.open(common, name: name, wait: min(timeout, 5))
    Interrupt.beGraceful()
    let body = try blobs.carried(bytes, session.agent)
    var asking = try Asking(session.agent, service, self)
    let outcome = Result {
      for _ in 0..<count { try asking.ask(body.payload) }
    }
    withExtendedLifetime(body) {}
    asking.close()
    session.agent.close()
    try outcome.get()
  }
}

/// One messenger at work for `bcs req`.
struct Asking: ~Copyable {
  private var messenger: Messenger
  private let service: String
  private let options: SendOptions
  private let isForAll: Bool
  private let isFirstOnly: Bool
  private let isStreamed: Bool
  private let printer: PayloadPrinter
  private let common: CommonOptions
  /// The requests that wait, each with when it was sent.
  private var open: [UInt32: UInt64] = [:]
  private var parts: [UInt32: Int] = [:]
  private var answered = 0
  private var failures: [BusError] = []

  init(_ agent: Agent, _ service: String, _ command: ReqCommand) throws {
    messenger = try agent.messenger()
    self.service = service
    options = SendOptions(
      timeoutNs: UInt64(command.timeout * 1e9), priority: command.urgency.value)
    isForAll = command.all || command.first
    isFirstOnly = command.first
    isStreamed = command.stream
    printer = PayloadPrinter(
      form: command.raw ? .raw : command.common.json ? .json : .text, agent: agent)
    common = command.common
  }

  /// Sends one request, or one to everybody, and shows what comes until all have ended.
  mutating func ask(_ payload: [UInt8]) throws {
    answered = 0
    failures = []
    try send(payload)
    while !open.isEmpty {
      if Interrupt.isAsked { try giveUp() }
      if try turn() == 0 { _ = try messenger.wait(timeout: .milliseconds(200)) }
    }
    for failure in failures where answered > 0 {
      common.log(.warning, "one responder failed: \(failure.description)")
    }
    guard answered == 0, let first = failures.first else { return }
    throw first
  }

  mutating func close() { messenger.close() }

  private mutating func send(_ payload: [UInt8]) throws {
    let limit = Deadline(.nanoseconds(Int64(clamping: options.timeoutNs)))
    let recipient = try messenger.out.service(service)
    while true {
      do {
        let ids =
          isForAll
          ? try messenger.out.scatter(recipient, payload, options)
          : [try messenger.out.request(recipient, payload, options)]
        for id in ids { open[id] = System.monotonicNs }
        return
      } catch BusError.wouldBlock {
        try Interrupt.check()
        guard !limit.isOver else {
          throw Failure(.timeout, "Who answers \(service) was not known in time.")
        }
        if try turn() == 0 { _ = try messenger.wait(timeout: .milliseconds(5)) }
      }
    }
  }

  /// Takes what came; prints it outside of the poll, which must not wait for a terminal.
  private mutating func turn() throws -> Int {
    var replies: [(Incoming, [UInt8], String)] = []
    var failed: [RequestFailure] = []
    let taken = try messenger.poll { message, incoming, _ in
      if incoming.kind == .response {
        replies.append((incoming, message.bytes, message.publisher))
      }
    } onFailure: { failure, _ in
      failed.append(failure)
    }
    for (incoming, payload, responder) in replies { try take(incoming, payload, responder) }
    for failure in failed {
      open[failure.correlationId] = nil
      failures.append(failure.error)
    }
    return taken + failed.count
  }

  private mutating func take(
    _ incoming: Incoming, _ payload: [UInt8], _ responder: String
  ) throws {
    guard let began = open[incoming.correlationId] else { return }
    let part = parts[incoming.correlationId, default: 0]
    parts[incoming.correlationId] = incoming.isLast ? nil : part + 1
    if incoming.isLast { open[incoming.correlationId] = nil }
    // A streamed reply ends with an empty part when its sender had nothing to add.
    if !(incoming.isLast && part > 0 && payload.isEmpty) {
      let microseconds = Double(System.monotonicNs - began) / 1000
      try printer.show(
        payload,
        [
          ("responder", .text(responder)),
          ("correlation", .unsigned(UInt64(incoming.correlationId))),
          ("part", .integer(part)), ("last", .boolean(incoming.isLast)),
          ("microseconds", JSONValue(microseconds)),
        ])
    }
    if incoming.isLast { answered += 1 }
    if !incoming.isLast, !isStreamed { try stop(incoming.correlationId, answered: true) }
    if isFirstOnly, answered > 0 {
      for id in open.keys { try stop(id, answered: false) }
    }
  }

  /// Wants no more of a request.
  private mutating func stop(_ id: UInt32, answered isAnswered: Bool) throws {
    if isAnswered { answered += 1 }
    open[id] = nil
    try? messenger.out.cancel(id)
  }

  /// Ctrl-C: the responders are told, and what they say of it is waited for, shortly.
  private mutating func giveUp() throws {
    for id in open.keys { try? messenger.out.cancel(id) }
    let limit = Deadline(.seconds(1))
    while !open.isEmpty, !limit.isOver {
      if try turn() == 0 { _ = try messenger.wait(timeout: .milliseconds(20)) }
    }
    let how =
      open.isEmpty ? "the responder has stopped" : "the responder was told, and says nothing"
    throw Failure(.cancelled, "The request was cancelled: \(how).")
  }
}
