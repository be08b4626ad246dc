import ArgumentParser
import BinaryComm
import BusJSON
import BusOptions
import BusText
import BusWire

/// Publishes messages.
struct PubCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "pub", abstract: "Publish messages on a topic.",
    discussion: """
      The body is the argument, or --file, or else standard input. It is sent as it is. With \
      --template, {{count}}, {{time}}, {{unix_ns}} and {{random N}} in the argument are filled in \
      for each message. Nothing is kept for subscribers that come later. Returns when the router \
      knows the log in which all of it is, so that it reaches its readers even after the end of \
      this command, while that router lives: a reader that is stopped until after the router's end \
      may never have heard of it.

      Examples:
        bcs pub alerts.disk 'almost full'
        bcs pub ticks 'tick {{count}}' --template --count 10 --rate 5
        tail -f app.log | bcs pub logs.app --stdin-lines
        bcs pub images.new --file photo.jpg --chunk 256KiB
        bcs pub models.new --file weights.bin --blob
      """)

  @OptionGroup var common: CommonOptions
  @OptionGroup var naming: NameOptions
  @Argument(help: "The topic, such as alerts.disk.", completion: NameCompletion.channels)
  var topic: String
  @OptionGroup var body: BodyArgument
  @Option(name: .shortAndLong, help: "Publish the body that many times.") var count = 1
  @Option(
    help: ArgumentHelp("Messages per second.", valueName: "number"), transform: Rate.parse)
  var rate: Rate?
  @Option(help: ArgumentHelp("Pause between messages.", valueName: "seconds")) var sleep: Double?
  @Option(help: "The body is this file's bytes.", completion: .file()) var file: String?
  @Option(
    help: ArgumentHelp("Split larger bodies into parts of this size.", valueName: "size"),
    transform: ByteSize.parse)
  var chunk: ByteSize?
  @OptionGroup var blobs: BlobOptions
  @Flag(help: "Each line of standard input is a message, until its end.") var stdinLines = false
  @Flag(help: "Fill in {{count}}, {{time}}, {{unix_ns}} and {{random N}} in the argument.")
  var template = false
  // Once needed to keep templates from being filled in; calls that have it mean what is done now.
  @Flag(help: .hidden) var raw = false
  @Flag(help: "Wait until somebody reads the topic.") var waitForReader = false
  @Option(
    name: .shortAndLong,
    help: ArgumentHelp(
      "How long to wait for a reader, for slow lossless readers, or for a larger log.",
      valueName: "seconds"))
  var timeout = 5.0

  func validate() throws {
    guard count >= 1 else { throw ValidationError("--count is at least 1, not \(count).") }
    guard timeout >= 0, timeout <= 86_400 else {
      throw ValidationError("--timeout takes 0 to 86400 seconds, not \(timeout).")
    }
    if let sleep, !(0...86_400).contains(sleep) {
      throw ValidationError("--sleep takes 0 to 86400 seconds, not \(sleep).")
    }
    guard rate == nil || sleep == nil else {
      throw ValidationError("Give --rate or --sleep, not both.")
    }
    let isGiven = body.isEmpty || (body.body != nil && !(stdinLines && body.isStandardInput))
    let sources = [isGiven, file != nil, stdinLines].count { $0 }
    guard sources <= 1 else {
      throw ValidationError("Give the body once: as argument, with --file, or --stdin-lines.")
    }
    guard !blobs.blob || (!stdinLines && chunk == nil) else {
      throw ValidationError("--blob takes one whole body: leave --stdin-lines and --chunk out.")
    }
    guard !stdinLines || count == 1 else {
      throw ValidationError("--stdin-lines sends each line once: leave --count out.")
    }
    guard !template || (isGiven && body.isArgument && !raw) else {
      throw ValidationError("--template fills in a body that is given as argument.")
    }
    if sources == 0 { try body.checkThatItComes() }
  }

  func run() throws {
    try ArgumentChecks.checkTopic(topic)
    let name = try naming.resolved("pub")
    let template = try stdinLines ? nil : bodyTemplate()
    let session = try Session.open(common, name: name)
    var work = try MessageSender(
      session.agent, topic: topic, chunk: chunk.map { Int($0.bytes) }, timeout: timeout,
      common: common)
    Interrupt.beGraceful()
    let outcome = Result { try publish(template, &work, session) }
    let readers = Terminal.isTerminal(1) && !common.json ? try? work.readers(session.agent) : nil
    work.close()
    session.agent.close()
    do {
      try outcome.get()
    } catch {
      // How far it came is what the next try begins with.
      try? show(work, isWhole: false, readers)
      throw error
    }
    try show(work, isWhole: true, readers)
    if let failure = Self.failure(work.unmetReaders) { throw failure }
  }

  /// What was published is out, but not all who read the topic could get it.
  private static func failure(_ unmet: UnmetReaders) -> Failure? {
    guard let reason = unmet.reason else { return nil }
    return Failure(
      "\(unmet.count) \(unmet.count == 1 ? "reader" : "readers") could not be let in: "
        + "\(reason.detail).",
      remedy: Remedy(for: reason).text, exitCode: reason.code.exitCode, name: reason.code.name,
      isOfTheBus: true)
  }

  private func publish(
    _ template: PubTemplate?, _ work: inout MessageSender, _ session: Session
  ) throws {
    if waitForReader { try work.awaitReader(session.agent) }
    if let template {
      try repeatBody(template, &work, session.agent)
    } else {
      try sendLines(&work)
    }
    // A router that comes back is handed the log; without one it ends with this process.
    guard try work.messages == 0 || isKnown(session) else {
      throw Failure(
        .noRouter,
        "The router is gone: only readers that were there before get what was published.")
    }
  }

  /// Whether a router knows of what was published.
  private func isKnown(_ session: Session) throws -> Bool {
    do {
      guard try session.waitForRouter(.seconds(5)) else { return false }
      // That one has ended is noticed a little later than what is published: so it is asked.
      _ = try session.agent.query(.router)
      return true
    } catch let error as BusError {
      if [.noRouter, .timeout].contains(error.code) { return false }
      throw Failure(
        "\(error.detail.withoutPeriod); what was published after that reached nobody.",
        remedy: Remedy(for: error).text, exitCode: error.code.exitCode, name: error.code.name,
        isOfTheBus: true)
    }
  }

  /// Most bytes of a body: what goes into a message, a blob, or any number of parts.
  private var bodyMax: Int { chunk == nil ? blobs.bodyMax : MessageSender.bodyMax }

  private func bodyTemplate() throws -> PubTemplate {
    if let file { return PubTemplate(literal: try Input.file(file, limit: bodyMax)) }
    if let text = body.body, body.isArgument, PubTemplate.isIn(text), !template, !raw {
      common.log(.notice, "sent as it is: --template fills in {{…}}")
    }
    let bytes = try body.read(most: bodyMax)
    return try template ? PubTemplate(bytes) : PubTemplate(literal: bytes)
  }

  private func repeatBody(
    _ template: PubTemplate, _ work: inout MessageSender, _ agent: Agent
  ) throws {
    var pace = Pace(rate: rate?.perSecond, sleep: sleep)
    var progress = Progress("published", of: count, common)
    defer { progress.end() }
    let constant =
      template.isConstant ? try blobs.carried(template.filled(count: 1), agent) : nil
    for number in 1...count {
      try pace.wait()
      let body = try constant ?? blobs.carried(template.filled(count: number), agent)
      try work.send(body.payload, standingFor: body.bytes)
      progress.show(number)
    }
  }

  private func sendLines(_ work: inout MessageSender) throws {
    var pace = Pace(rate: rate?.perSecond, sleep: sleep)
    var lines = LineReader(0, limit: bodyMax)
    while !lines.hasEnded {
      guard let line = try lines.nextBytes(.milliseconds(200)) else { continue }
      try pace.wait()
      try work.send(line)
    }
  }

  private func show(_ work: borrowing MessageSender, isWhole: Bool, _ readers: Int?) throws {
    let seconds = Double(System.monotonicNs - work.startNs) / 1e9
    if common.json {
      let line = JSONValue.line([
        ("topic", .text(topic)), ("messages", .integer(work.messages)),
        ("parts", .integer(work.parts)), ("bytes", .integer(work.bytes)),
        ("seconds", .number(seconds)),
      ])
      return try Output.write(line + "\n")
    }
    let total = isWhole || stdinLines || count == 1 ? "" : " of \(count)"
    let parts = work.parts > work.messages ? " in \(work.parts) parts" : ""
    let noun = work.messages == 1 && total.isEmpty ? "message" : "messages"
    let nobody = readers == 0 && work.messages > 0 ? " (no reader)" : ""
    try Output.write(
      "published \(work.messages)\(total) \(noun)\(parts), \(work.bytes) bytes, on "
        + "\(topic)\(nobody)\n")
  }
}
