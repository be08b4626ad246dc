import ArgumentParser
import BinaryComm
import BusJSON
import BusText
import BusWire

/// Sends requests and shows the replies.
struct ReqCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "req", abstract: "Send a request to a service or agent and show the reply.",
    discussion: """
      One of the agents that serve it is asked, each in turn; --all asks every one. An agent's own \
      name is a service, too. A reply in several parts is shown when its last part has come, or \
      with --stream part by part. Ctrl-C cancels the request.

      With --stdin-lines each line of standard input is a request, and each reply one line of the \
      output, in the same order: an empty line for a request that failed, for --json an object \
      with the number of the line.

      Examples:
        bcs req math.add '1 2'
        echo hello | bcs req upper --raw
        bcs req app.log x --stream
        bcs req price.of apples --all --json
        bcs req upper --stdin-lines < words.txt
      """)

  @OptionGroup var common: CommonOptions
  @OptionGroup var naming: NameOptions
  @Argument(help: "The service, or an agent's name.", completion: NameCompletion.services)
  var service: String
  @OptionGroup var body: BodyArgument
  @OptionGroup var blobs: BlobOptions
  @OptionGroup var urgency: UrgencyOption
  @Option(
    name: .shortAndLong,
    help: ArgumentHelp("How long a request may take.", valueName: "seconds"))
  var timeout = 5.0
  @Option(
    name: .shortAndLong,
    help: "Send the request that many times, one after the other.")
  var count = 1
  @Flag(help: "Each line of standard input is a request, until its end.") var stdinLines = false
  @Flag(help: "Ask every agent that serves it.") var all = false
  @Flag(help: "Ask every one, and take the first reply.") var first = false
  @Flag(help: "Show the parts of a reply as they come.") var stream = false
  @Flag(
    name: .shortAndLong,
    help: "Write the bytes of the replies and nothing else.")
  var raw = false

  func validate() throws {
    guard timeout > 0, timeout <= 31_536_000 else {
      throw ValidationError(
        "--timeout takes more than 0 and up to 31536000 seconds, not \(timeout).")
    }
    guard count >= 1 else { throw ValidationError("--count is at least 1, not \(count).") }
    guard !(raw && common.json) else { throw ValidationError("Give --raw or --json, not both.") }
    guard !(all && first) else { throw ValidationError("Give --all or --first, not both.") }
    guard stdinLines else { return try body.checkThatItComes() }
    guard body.isStandardInput, count == 1, !blobs.blob, !stream else {
      throw ValidationError(
        "--stdin-lines sends each line as one request and shows each reply as one line: leave the "
          + "body, --count, --blob and --stream out.")
    }
    guard !all || common.json else {
      throw ValidationError("--stdin-lines with --all needs --json, which names the responders.")
    }
  }

  func run() throws {
    try ArgumentChecks.checkService(service)
    let name = try naming.resolved("req")
    let bytes = try stdinLines ? [] : body.read(most: blobs.bodyMax)
    let session = try Session.open(common, name: name, wait: min(timeout, 5))
    Interrupt.beGraceful()
    var asking = try RequestRunner(session.agent, self)
    let outcome = Result {
      if stdinLines {
        try askLines(&asking)
      } else {
        let body = try blobs.carried(bytes, session.agent)
        for _ in 0..<count { try asking.ask(body.payload) }
        withExtendedLifetime(body) {}
      }
    }
    asking.close()
    session.agent.close()
    try outcome.get()
  }

  /// What became of the lines so far.
  private struct Tally {
    var lines = 0
    var failed = 0
    var first: Failure?
  }

  /// Sends each line and shows its reply before the next one is read.
  private func askLines(_ asking: inout RequestRunner) throws {
    var tally = Tally()
    do {
      try askLines(&asking, &tally)
    } catch is BrokenPipe where tally.first != nil {
      // Who read the replies has had enough; what failed before failed all the same.
    }
    guard let first = tally.first else { return }
    throw Failure(
      "\(tally.failed) of \(tally.lines) requests failed.", remedy: "", exitCode: first.exitCode,
      name: first.name)
  }

  private func askLines(_ asking: inout RequestRunner, _ tally: inout Tally) throws {
    var lines = LineReader(0, limit: BodyArgument.most)
    while !lines.hasEnded {
      let line: Result<[UInt8], Failure>
      do {
        guard let whole = try lines.nextBytes(.milliseconds(200)) else {
          // What comes meanwhile is of requests that nobody waits for any more.
          try asking.passOver()
          continue
        }
        line = .success(whole)
      } catch let long as LineReader.LongLine {
        line = .failure(
          Failure(.payloadTooLarge, "a request holds \(long.limit) bytes, and this has more"))
      }
      tally.lines += 1
      do {
        try asking.ask(line.get(), line: tally.lines)
      } catch {
        guard !Interrupt.isAsked, !(error is BrokenPipe), let failure = Failure(error) else {
          throw error
        }
        tally.failed += 1
        tally.first = tally.first ?? failure
        try tell(failure, line: tally.lines)
      }
    }
  }

  /// Says that there is no reply to a line, where its reply would be.
  private func tell(_ failure: Failure, line: Int) throws {
    if common.json {
      let object = JSONValue.line([
        ("line", .integer(line)), ("error", .text(failure.name)),
        ("exit", .integer(Int(failure.exitCode))), ("message", .text(failure.message)),
        ("responder", JSONValue(failure.responder)),
      ])
      return try Output.write(object + "\n")
    }
    if !raw { try Output.write("\n") }
    common.log(.warning, "line \(line): \(failure.message.printable)")
  }
}
