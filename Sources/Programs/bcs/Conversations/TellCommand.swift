import ArgumentParser
import BinaryComm
import BusJSON
import BusSystem
import BusText
import BusWire

/// Sends a message to an agent, or to a team.
struct TellCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tell", abstract: "Send a message to an agent, or to all members of a team.",
    discussion: """
      No reply is expected; `bcs listen` shows such messages. Returns when the message is in the \
      log to each recipient. Nothing is kept for agents that join later.

      Examples:
        bcs tell auditor 'look at build 17'
        bcs tell reviewers --team --priority 1 'stop'
      """)

  @OptionGroup var common: CommonOptions
  @OptionGroup var naming: NameOptions
  @Argument(
    help: "The agent's name, or with --team the team's.", completion: NameCompletion.recipients)
  var recipient: String
  @OptionGroup var body: BodyArgument
  @OptionGroup var blobs: BlobOptions
  @OptionGroup var urgency: UrgencyOption
  @Flag(help: "The name is a team's.") var team = false
  @Flag(help: "Send it as a command, not as an event.") var command = false
  @Option(
    name: .shortAndLong,
    help: ArgumentHelp("How long to look for the recipient.", valueName: "seconds"))
  var timeout = 5.0

  func validate() throws {
    guard timeout > 0, timeout <= 86_400 else {
      throw ValidationError("--timeout takes more than 0 and up to 86400 seconds, not \(timeout).")
    }
    try body.checkThatItComes()
  }

  func run() throws {
    try team
      ? ArgumentChecks.checkService(recipient, "team name") : ArgumentChecks.checkAgent(recipient)
    let name = try naming.resolved("tell")
    let bytes = try body.read(most: blobs.bodyMax)
    let session = try Session.open(common, name: name, wait: min(timeout, 5))
    defer { session.agent.close() }
    let carried = try blobs.carried(bytes, session.agent)
    defer { withExtendedLifetime(carried) {} }
    var messenger = try session.agent.messenger()
    let delivery = try send(carried.payload, &messenger)
    let unsent = Int(messenger.statistics.unsent)
    let missed = messenger.out.unsent + delivery.failures
    messenger.close()
    if !missed.isEmpty {
      throw Self.failure(
        missed, missing: unsent + delivery.failures.count,
        of: delivery.sent + delivery.failures.count)
    }
    try show(delivery.sent, carried.bytes)
  }

  /// Why recipients did not get the message: that they ended, or what kept it from them.
  private static func failure(
    _ missed: [DeliveryFailure], missing: Int, of count: Int
  ) -> Failure {
    let names = missed.prefix(namedMax).map(\.agent)
    let more = missing > names.count ? " and \(missing - names.count) more" : ""
    let who = "\(missing) of \(count) recipients (\(names.joined(separator: ", "))\(more))"
    let reason = missed.first?.error ?? .timeout("it did not go out in time")
    var failure =
      reason.code == .peerDied
      ? Failure(.peerDied, "\(who) ended before the message arrived.")
      : Failure(
        "\(who) did not get the message: \(reason.detail.endedByPeriod)",
        remedy: Remedy(for: reason).text, exitCode: reason.code.exitCode, name: reason.code.name,
        isOfTheBus: true)
    failure.missed = names
    return failure
  }

  /// How many of those who did not get the message are named.
  private static let namedMax = 5

  /// Looks the recipient up, sends, and waits until all is in the logs; what became of it.
  private func send(_ payload: [UInt8], _ messenger: inout Messenger) throws -> Delivery {
    let to =
      team ? try messenger.out.team(recipient) : try messenger.out.agent(recipient)
    let limit = Deadline(after: Duration(seconds: timeout))
    try lookUp(to, limit, &messenger)
    if !team { try checkIsAgent(messenger.out.responders(of: to)) }
    let options = SendOptions(priority: urgency.value, context: InheritedContext.own)
    let delivery: Delivery
    do throws(BusError) {
      delivery = try messenger.out.deliver(to, isCommand: command, payload, options)
    } catch {
      guard error.code == .noResponders else { throw error }
      throw Failure(
        team
          ? "The team '\(recipient)' has no members." : "There is no agent named '\(recipient)'.",
        remedy: team
          ? "Members join with `bcs listen --team` or `join(team:)`."
          : "`bcs agent` lists the agents that are there.",
        exitCode: BusErrorCode.noResponders.exitCode, name: BusErrorCode.noResponders.name)
    }
    while !messenger.out.isFlushed {
      try Interrupt.check()
      guard !limit.isOver else {
        let stalled = messenger.out.stalled
        let gone = messenger.out.unsent + delivery.failures
        throw Self.failure(
          stalled + gone,
          missing: stalled.count + delivery.failures.count + Int(messenger.statistics.unsent),
          of: delivery.sent + delivery.failures.count)
      }
      _ = try messenger.poll { _, _, _ in }
      _ = try messenger.wait(timeout: .milliseconds(5))
    }
    return delivery
  }

  /// Waits until all whom the name stands for are known: a part of a team is not told.
  private func lookUp(
    _ to: Recipient, _ limit: Deadline, _ messenger: inout Messenger
  ) throws {
    var isToldToWait = false
    while !messenger.out.knowsAll(of: to) {
      try Interrupt.check()
      guard !limit.isOver else {
        let why = messenger.out.whyUnknown(to, isForAll: true) ?? "it is not known who that is"
        throw Failure(.timeout, "Nothing was sent to \(recipient): \(why).")
      }
      if !isToldToWait, messenger.out.awaitsReturns(to) {
        isToldToWait = true
        common.log(.notice, "waiting for agents that come back after a restart of the router")
      }
      _ = try messenger.poll { _, _, _ in }
      _ = try messenger.wait(timeout: .milliseconds(5))
    }
  }

  /// A service takes requests: what it is told is read by nobody.
  private func checkIsAgent(_ responders: [String]) throws {
    guard let one = responders.first, !responders.contains(recipient) else { return }
    throw Failure(
      "There is no agent named '\(recipient)': it is a service, which \(one.printable) answers.",
      remedy: "`bcs req \(recipient)` asks it; to tell its agent something, name that.",
      exitCode: BusErrorCode.noResponders.exitCode, name: BusErrorCode.noResponders.name)
  }

  private func show(_ count: Int, _ bytes: Int) throws {
    if common.json {
      let line = JSONValue.line([
        ("recipient", .text(recipient)), ("recipients", .integer(count)),
        ("bytes", .integer(bytes)),
      ])
      return try Output.write(line + "\n")
    }
    try Output.write(
      "told \(recipient)\(team ? " (\(count) \(count == 1 ? "member" : "members"))" : ""), "
        + "\(bytes) bytes\n")
  }
}
