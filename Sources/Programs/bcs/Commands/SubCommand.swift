import ArgumentParser
import BinaryComm
import BusJSON
import BusLog
import BusSystem
import BusText
import BusWire

/// Shows messages as they come.
struct SubCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sub", abstract: "Show messages as they are published.",
    discussion: """
      In a pattern, * stands for one token of a topic, and > at the end for all the rest. Nothing \
      is kept for subscribers that come later. By default (--lossy) publishers never wait: a \
      subscriber may fall behind by the size of the publisher's log, 64 KiB at first (`bcs up \
      --log-first`), and what it misses beyond that is counted. --lossless makes publishers wait \
      instead. Without a router, messages of known publishers go on; the next router is joined.

      The first line of a message begins with its name, [PUBLISHER/CHANNEL:NUMBER], which `bcs \
      why` takes; further lines of its body are indented. A body in parts (`bcs pub --chunk`) is \
      one message for --count.

      Examples:
        bcs sub 'alerts.>'
        bcs sub 'alerts.>' --line --local
        bcs sub 'alerts.*' --json --count 10
        bcs sub images.new --raw --lossless --count 1 > photo.jpg
      """)

  @OptionGroup var common: CommonOptions
  @OptionGroup var naming: NameOptions
  @Argument(help: "The pattern, such as 'alerts.>'.", completion: NameCompletion.channels)
  var pattern: String
  @Flag(help: "How to read when messages come faster than they are shown.")
  var mode = Mode.lossy
  @Option(name: .shortAndLong, help: "End after that many messages.") var count: Int?
  @Option(
    name: .shortAndLong,
    help: ArgumentHelp("End after that time; with --count it is a failure.", valueName: "seconds"))
  var timeout: Double?
  @Flag(
    name: .shortAndLong,
    help: "Write the bytes of the payloads and nothing else.")
  var raw = false
  @Flag(help: "One line for each message: topic and body, line feeds as \\n.") var line = false
  @Flag(help: "Times in the local time zone, not in UTC.") var local = false

  enum Mode: String, EnumerableFlag {
    case lossless
    case lossy
    case latest

    var read: ReadMode {
      switch self {
      case .lossless: .lossless
      case .lossy: .lossy
      case .latest: .latest
      }
    }

    static func help(for mode: Mode) -> ArgumentHelp? {
      switch mode {
      case .lossless: "Publishers wait for this subscriber (needs the right to block them)."
      case .lossy: "Publishers go on; what is missed is counted."
      case .latest: "Only the newest message of each topic."
      }
    }
  }

  func validate() throws {
    if let count, count < 1 { throw ValidationError("--count is at least 1, not \(count).") }
    if let timeout, !(0...31_536_000).contains(timeout) {
      throw ValidationError("--timeout takes 0 to 31536000 seconds, not \(timeout).")
    }
    guard [raw, line, common.json].count(where: { $0 }) <= 1 else {
      throw ValidationError("Give one of --raw, --line and --json, not both.")
    }
  }

  func run() throws {
    try ArgumentChecks.checkPattern(pattern)
    if let note = ArgumentChecks.note(onPattern: pattern) { common.log(.notice, note) }
    let session = try Session.open(common, name: naming.resolved("sub"))
    Interrupt.beGraceful()
    let common = common
    session.agent.onRouterChange { isThere in
      common.report(
        .warning,
        isThere
          ? "the router is back" : "the router is gone; messages of known publishers still come")
    }
    let reader = try session.agent.reader(pattern, mode: mode.read)
    common.log(.notice, "subscribed to \(pattern) (\(mode.rawValue)) as \(session.agent.name)")
    var receiving = MessageReceiver(
      reader, of: session.agent, isLatest: mode == .latest, printer: printer, common: common)
    let outcome = Result { try receive(&receiving) }
    try? finish(&receiving, session)
    try outcome.get()
    try receiving.failIfIncomplete(hasAll: count.map { receiving.received >= $0 } ?? false)
  }

  private var printer: MessagePrinter {
    MessagePrinter(
      form: raw ? .raw : common.json ? .json : line ? .line : .headers, style: .output,
      isLocal: local)
  }

  private func receive(_ receiving: inout MessageReceiver) throws {
    let limit = timeout.map { Deadline(after: Duration(seconds: $0)) }
    while count.map({ receiving.received < $0 }) ?? true {
      try Interrupt.check()
      if let limit, limit.isOver {
        guard let count else { return }
        throw Failure(
          .timeout, "\(receiving.received) of \(count) messages came within the time given.")
      }
      let room = count.map { $0 - receiving.received } ?? 256
      try receiving.step(limit: min(256, room), wait: limit?.left ?? .seconds(1))
    }
  }

  private func finish(_ receiving: inout MessageReceiver, _ session: Session) throws {
    let (lost, cut, problems) = (receiving.lost, receiving.bodies.cut, receiving.problems)
    // The end of our own subscription is not reported.
    session.agent.onRouterChange { _ in }
    receiving.close()
    session.agent.close()
    guard common.logLevel <= .notice else { return }
    Output.note(
      common.json
        ? JSONValue.line([
          ("received", .integer(receiving.received)), ("lost", .unsigned(lost)),
          ("cut", .integer(cut)), ("problems", .unsigned(problems)),
        ])
        : "received \(receiving.received) lost \(lost)" + (cut > 0 ? " cut \(cut)" : "")
          + (problems > 0 ? " problems \(problems)" : ""))
  }
}
