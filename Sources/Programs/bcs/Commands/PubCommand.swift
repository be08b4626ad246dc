import ArgumentParser
import BinaryComm
import BusJSON
import BusOptions
import BusWire

/// Publishes messages.
struct PubCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "pub", abstract: "Publish messages on a topic.",
    discussion: """
      The body is the argument, or --file, or else standard input. {{count}}, {{time}}, \
      {{unix_ns}} and {{random N}} in it are filled in for each message. Returns when all is safe \
      in a log that the router knows of.

      Examples:
        bcs pub alerts.disk 'almost full'
        bcs pub ticks 'tick {{count}} at {{time}}' --count 10 --rate 5
        tail -f app.log | bcs pub logs.app --stdin-lines
        bcs pub images.new --file photo.jpg --chunk 256KiB
        bcs pub models.new --file weights.bin --blob
      """)

  @OptionGroup var common: CommonOptions
  @OptionGroup var naming: NameOptions
  @Argument(help: "The topic, such as alerts.disk.") var topic: String
  @Argument(help: "The body; standard input when it is left out.") var body: String?
  @Option(help: "Publish the body that many times.") var count = 1
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
  @Flag(help: "Send the body as it is, without filling in templates.") var raw = false
  @Flag(help: "Wait until somebody reads the topic.") var waitForReader = false
  @Option(
    help: ArgumentHelp(
      "How long to wait for a reader, or for slow lossless readers.", valueName: "seconds"))
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
    let sources = [body != nil, file != nil, stdinLines].count { $0 }
    guard sources <= 1 else {
      throw ValidationError("Give the body once: as argument, with --file, or --stdin-lines.")
    }
    guard !blobs.blob || (!stdinLines && chunk == nil) else {
      throw ValidationError("--blob takes one whole body: leave --stdin-lines and --chunk out.")
    }
    guard sources == 1 || !Terminal.isTerminal(0) else {
      throw ValidationError("There is no body: give it as argument, or pipe it in.")
    }
  }

  func run() throws {
    try Names.checkTopic(topic)
    let name = try naming.resolved("pub")
    let template = try stdinLines ? nil : bodyTemplate()
    let session = try Session.open(common, name: name)
    var work = try Publishing(
      session.agent, topic: topic, chunk: chunk.map { Int($0.bytes) }, timeout: timeout)
    Interrupt.beGraceful()
    if waitForReader { try work.awaitReader(session.agent) }
    var isKept = true
    do {
      if let template {
        try repeatBody(template, &work, session.agent)
      } else {
        try sendLines(&work)
      }
      // A router that comes back is handed the log; without one it ends with this process.
      isKept = try work.messages == 0 || session.waitForRouter(.seconds(5))
    } catch is Interrupted {
      work.close()
      session.agent.close()
      try show(work)
      throw Interrupted()
    }
    work.close()
    session.agent.close()
    try show(work)
    guard isKept else {
      throw Failure(
        .noRouter,
        "The router is gone: only readers that were there before get what was published.")
    }
  }

  private func bodyTemplate() throws -> PubTemplate {
    if let file { return PubTemplate(literal: try Input.file(file, limit: Publishing.bodyMost)) }
    let bytes =
      try body.map { Array($0.utf8) } ?? Input.readAll(0, limit: Publishing.bodyMost)
    return try raw ? PubTemplate(literal: bytes) : PubTemplate(bytes)
  }

  private func repeatBody(
    _ template: PubTemplate, _ work: inout Publishing, _ agent: Agent
  ) throws {
    var pace = Pace(rate: rate?.perSecond, sleep: sleep)
    var progress = Progress("published", of: count, common)
    let constant =
      template.isConstant ? try blobs.carried(template.filled(count: 1), agent) : nil
    for number in 1...count {
      try pace.wait()
      let body = try constant ?? blobs.carried(template.filled(count: number), agent)
      try work.send(body.payload)
      progress.show(number)
    }
    progress.end()
  }

  private func sendLines(_ work: inout Publishing) throws {
    var pace = Pace(rate: rate?.perSecond, sleep: sleep)
    var lines = LineReader(0)
    var number = 0
    while !lines.hasEnded {
      guard let line = try lines.nextBytes(.milliseconds(200)) else { continue }
      number += 1
      try pace.wait()
      try work.send(raw ? line : PubTemplate(line).filled(count: number))
    }
  }

  private func show(_ work: borrowing Publishing) throws {
    let seconds = Double(System.monotonicNs - work.startNs) / 1e9
    if common.json {
      let line = JSONValue.line([
        ("topic", .text(topic)), ("messages", .integer(work.messages)),
        ("parts", .integer(work.parts)), ("bytes", .integer(work.bytes)),
        ("seconds", .number(seconds)),
      ])
      return try Output.write(line + "\n")
    }
    let parts = work.parts > work.messages ? " in \(work.parts) parts" : ""
    let noun = work.messages == 1 ? "message" : "messages"
    try Output.write(
      "published \(work.messages) \(noun)\(parts), \(work.bytes) bytes, on \(topic)\n")
  }
}
