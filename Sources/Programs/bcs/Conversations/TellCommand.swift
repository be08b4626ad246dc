import ArgumentParser
import BinaryComm
import BusJSON
import BusWire

/// Sends a message to an agent, or to a team.
struct TellCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tell", abstract: "Send a message to an agent, or to all members of a team.",
    discussion: """
      Nobody answers; `bcs listen` shows such messages. Returns when it lies in the log to each \
      recipient.

      Examples:
        bcs tell auditor 'look at build 17'
        bcs tell reviewers --team --priority 1 'stop'
      """)

  @OptionGroup var common: CommonOptions
  @OptionGroup var naming: NameOptions
  @Argument(help: "The agent's name, or with --team the team's.") var recipient: String
  @OptionGroup var body: BodyArgument
  @OptionGroup var blobs: BlobOptions
  @OptionGroup var urgency: UrgencyOption
  @Flag(help: "The name is a team's.") var team = false
  @Flag(help: "It is an order rather than a fact.") var command = false
  @Option(help: ArgumentHelp("How long to look for the recipient.", valueName: "seconds"))
  var timeout = 5.0

  func validate() throws {
    guard timeout > 0, timeout <= 86_400 else {
      throw ValidationError("--timeout takes more than 0 and up to 86400 seconds, not \(timeout).")
    }
  }

  func run() throws {
    try Names.checkTopic(recipient)
    let name = try naming.resolved("tell")
    let bytes = try body.read(most: blobs.bodyMost)
    let session = try Session.open(common, name: name, wait: min(timeout, 5))
    defer { session.agent.close() }
    let payload = try blobs.carried(bytes, session.agent).payload
    var messenger = try session.agent.messenger()
    let to =
      team ? try messenger.out.team(recipient) : try messenger.out.agent(recipient)
    let limit = Deadline(Duration(seconds: timeout))
    while !messenger.out.isResolved(to) {
      try Interrupt.check()
      guard !limit.isOver else {
        throw Failure(.timeout, "Who \(recipient) is was not known in time.")
      }
      _ = try messenger.poll { _, _, _ in }
      _ = try messenger.wait(timeout: .milliseconds(5))
    }
    let options = SendOptions(priority: urgency.value)
    let count =
      command
      ? try messenger.out.command(to, payload, options)
      : try messenger.out.send(to, payload, options)
    while !messenger.out.isFlushed {
      try Interrupt.check()
      guard !limit.isOver else {
        throw Failure(.timeout, "\(recipient) did not make room for the message in time.")
      }
      _ = try messenger.poll { _, _, _ in }
      _ = try messenger.wait(timeout: .milliseconds(5))
    }
    let lost = messenger.statistics.drops[.unreachable] ?? 0
    messenger.close()
    guard lost == 0 else {
      throw Failure(.peerDied, "\(lost) of \(count) recipients ended before the message arrived.")
    }
    try show(count, payload)
  }

  private func show(_ count: Int, _ payload: [UInt8]) throws {
    if common.json {
      let line = JSONValue.line([
        ("recipient", .text(recipient)), ("recipients", .integer(count)),
        ("bytes", .integer(payload.count)),
      ])
      return try Output.write(line + "\n")
    }
    try Output.write(
      "told \(recipient)\(team ? " (\(count) \(count == 1 ? "member" : "members"))" : ""), "
        + "\(payload.count) bytes\n")
  }
}

/// Shows the messages that other agents send to this one.
struct ListenCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "listen", abstract: "Show messages that are sent to this agent, or to its teams.",
    discussion: """
      Examples:
        bcs listen --name auditor
        bcs listen --name reviewer-1 --team reviewers --json
      """)

  @OptionGroup var common: CommonOptions
  @OptionGroup var naming: NameOptions
  @Option(help: "A team to join; may be given several times.") var team: [String] = []
  @Option(help: "End after that many messages.") var count: Int?
  @Flag(help: "Write the bytes of the payloads and nothing else.") var raw = false

  func validate() throws {
    if let count, count < 1 { throw ValidationError("--count is at least 1, not \(count).") }
    guard !(raw && common.json) else { throw ValidationError("Give --raw or --json, not both.") }
  }

  func run() throws {
    for name in team { try Names.checkTopic(name) }
    let session = try Session.open(common, name: naming.resolved("listen"))
    Interrupt.beGraceful()
    defer { session.agent.close() }
    var messenger = try session.agent.messenger()
    for name in team { try messenger.join(team: name) }
    common.log(.notice, "listening as \(session.agent.name)")
    let printer = PayloadPrinter(
      form: raw ? .raw : common.json ? .json : .text, agent: session.agent)
    var shown = 0
    while count.map({ shown < $0 }) ?? true {
      try Interrupt.check()
      var fresh: [(Incoming, ReceivedMessage)] = []
      let taken = try messenger.poll(limit: count.map { min(64, $0 - shown) } ?? 64) {
        message, incoming, out in
        if incoming.kind == .request {
          // This agent has a name, but nobody at home to answer.
          try? out.fail(incoming, .noResponders("\(session.agent.name) only listens"))
        } else {
          fresh.append((incoming, message.copy()))
        }
      }
      for (incoming, message) in fresh {
        shown += 1
        do {
          try show(incoming, message, printer)
        } catch let error as BusError {
          // A blob that is gone: what comes after it is shown all the same.
          common.log(.warning, error.description)
        }
      }
      if taken == 0 { _ = try messenger.wait(timeout: .seconds(1)) }
    }
    messenger.close()
  }

  private func show(
    _ incoming: Incoming, _ message: ReceivedMessage, _ printer: PayloadPrinter
  ) throws {
    guard incoming.kind == .event || incoming.kind == .command else { return }
    if printer.form == .text {
      let kind = incoming.kind == .command ? "order" : "message"
      try Output.write(
        "\(kind) from \(message.publisher.printable) to \(message.topic.printable): ")
    }
    try printer.show(
      message.payload,
      [
        ("sender", .text(message.publisher)), ("to", .text(message.topic)),
        ("kind", .text("\(incoming.kind)")), ("lane", .text("\(incoming.lane)")),
        ("priority", .integer(Int((message.header.priority ?? .normal).rawValue))),
        ("unix_ns", .unsigned(message.header.timestamp)), ("number", .unsigned(message.sequence)),
      ])
  }
}
