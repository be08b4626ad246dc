import ArgumentParser
import BinaryComm
import BusJSON
import BusText
import BusWire

/// Shows the messages that other agents send to this one.
struct ListenCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "listen", abstract: "Show messages that are sent to this agent, or to its teams.",
    discussion: """
      Further lines of a message are indented, so that none looks like another message; --json is \
      for programs.

      Examples:
        bcs listen --name auditor
        bcs listen --name reviewer-1 --team reviewers --json
      """)

  @OptionGroup var common: CommonOptions
  @OptionGroup var naming: NameOptions
  @Option(help: "A team to join; may be given several times.", completion: NameCompletion.teams)
  var team: [String] = []
  @Option(name: .shortAndLong, help: "End after that many messages.") var count: Int?
  @Flag(
    name: .shortAndLong,
    help: "Write the bytes of the payloads and nothing else.")
  var raw = false

  func validate() throws {
    if let count, count < 1 { throw ValidationError("--count is at least 1, not \(count).") }
    guard !(raw && common.json) else { throw ValidationError("Give --raw or --json, not both.") }
  }

  func run() throws {
    for name in team { try ArgumentChecks.checkService(name, "team name") }
    let session = try Session.open(common, name: naming.resolved("listen"))
    Interrupt.beGraceful()
    defer { session.agent.close() }
    var messenger = try session.agent.messenger()
    for name in team { try messenger.join(team: name) }
    let common = common
    session.agent.onRouterChange { isThere in
      common.report(
        .warning,
        isThere ? "the router is back" : "the router is gone; known clients can still send")
    }
    common.log(.notice, "listening as \(session.agent.name)")
    let printer = PayloadPrinter(
      form: raw ? .raw : common.json ? .json : .text, agent: session.agent)
    var shown = 0
    var teams = Set(team)
    while count.map({ shown < $0 }) ?? true {
      try Interrupt.check()
      var fresh: [(InboxMessage, ReceivedMessage)] = []
      let taken = try messenger.poll(limit: count.map { min(64, $0 - shown) } ?? 64) {
        message, incoming, out in
        if incoming.kind == .request {
          // This agent has a name, but nobody at home to answer.
          try? out.fail(incoming, .noResponders("\(session.agent.name) only listens"))
        } else {
          fresh.append((incoming, message.copy()))
        }
      }
      common.tellProblems(of: &messenger)
      for (incoming, message) in fresh where Self.isShown(incoming) {
        shown += 1
        do {
          try show(incoming, message, printer)
        } catch let error as BusError {
          // A blob that is gone: what comes after it is shown all the same.
          common.log(.warning, error.description)
        }
      }
      try tellLostTeams(of: &messenger, &teams)
      if taken == 0 { _ = try messenger.wait(timeout: .seconds(1)) }
    }
    session.agent.onRouterChange { _ in }
    messenger.close()
  }

  /// Says which teams this agent is in no more; throws when those were all that were asked for.
  private func tellLostTeams(of messenger: inout Messenger, _ teams: inout Set<String>) throws {
    for lost in common.tellLostNames(of: &messenger) {
      teams.remove(lost.name)
      guard !teams.isEmpty else { throw lost.error }
      common.log(.warning, "\(lost.error.code.name): \(lost.error.detail)")
    }
  }

  /// Whether it is a message to people: the cancel of a request, which was refused, is none.
  private static func isShown(_ incoming: InboxMessage) -> Bool {
    incoming.kind == .event || incoming.kind == .command
  }

  private func show(
    _ incoming: InboxMessage, _ message: ReceivedMessage, _ printer: PayloadPrinter
  ) throws {
    if printer.form == .text {
      let kind = incoming.kind == .command ? "command" : "message"
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
      ], .indented)
  }
}
