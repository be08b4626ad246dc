import ArgumentParser
import BinaryComm
import BusJSON
import BusLog
import BusWire

/// Shows messages as they come.
struct SubCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sub", abstract: "Show messages as they are published.",
    discussion: """
      A pattern is a topic in which * stands for one token and a last > for the rest. The \
      default mode is lossy: publishers never wait, and what was lost is counted. When the \
      router is gone, messages go on; the router that starts next is joined.

      Examples:
        bcs sub 'alerts.>'
        bcs sub 'alerts.*' --json --count 10
        bcs sub images.new --raw --lossless --count 1 > photo.jpg
      """)

  @OptionGroup var common: CommonOptions
  @OptionGroup var naming: NameOptions
  @Argument(help: "The pattern, such as 'alerts.>'.") var pattern: String
  @Flag(help: "How to read when messages come faster than they are shown.")
  var mode = Mode.lossy
  @Option(help: "End after that many messages.") var count: Int?
  @Option(
    help: ArgumentHelp("End after that time; with --count it is a failure.", valueName: "seconds"))
  var timeout: Double?
  @Flag(help: "Write the bytes of the payloads and nothing else.") var raw = false

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
      case .lossless: "Publishers wait for this reader (needs the right to hold them back)."
      case .lossy: "Publishers go on; what is lost is counted (the default)."
      case .latest: "Only the newest message of each topic."
      }
    }
  }

  func validate() throws {
    if let count, count < 1 { throw ValidationError("--count is at least 1, not \(count).") }
    if let timeout, !(0...31_536_000).contains(timeout) {
      throw ValidationError("--timeout takes 0 to 31536000 seconds, not \(timeout).")
    }
    guard !(raw && common.json) else {
      throw ValidationError("Give --raw or --json, not both.")
    }
  }

  func run() throws {
    try Names.checkPattern(pattern)
    let session = try Session.open(common, name: naming.resolved("sub"))
    Interrupt.beGraceful()
    let common = common
    session.agent.onRouterChange { isThere in
      common.log(
        .warning,
        isThere
          ? "the router is back" : "the router is gone; reading goes on with what is mapped")
    }
    let reader = try session.agent.reader(pattern, mode: mode.read)
    common.log(.notice, "subscribed to \(pattern) (\(mode.rawValue)) as \(session.agent.name)")
    var receiving = Receiving(
      reader, of: session.agent, printer: printer, common: common)
    let outcome = Result { try receive(&receiving) }
    try? finish(&receiving, session)
    try outcome.get()
    try receiving.failIfIncomplete()
  }

  private var printer: MessagePrinter {
    MessagePrinter(
      form: raw ? .raw : common.json ? .json : .headers, style: .output)
  }

  private func receive(_ receiving: inout Receiving) throws {
    let limit = timeout.map { Deadline(Duration(seconds: $0)) }
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

  private func finish(_ receiving: inout Receiving, _ session: Session) throws {
    let lost = receiving.lost
    // Our own leave is no news.
    session.agent.onRouterChange { _ in }
    receiving.close()
    session.agent.close()
    guard common.logLevel <= .notice else { return }
    Output.note(
      common.json
        ? JSONValue.line([("received", .integer(receiving.received)), ("lost", .unsigned(lost))])
        : "received \(receiving.received) lost \(lost)")
  }
}
