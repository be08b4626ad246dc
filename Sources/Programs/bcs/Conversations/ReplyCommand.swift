import ArgumentParser
import BinaryComm
import BusOptions

/// Makes a command line a service.
struct ReplyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "reply", abstract: "Serve requests with a command, or echo them.",
    discussion: """
      The command is started for each request: it reads the request from standard input, and what \
      it writes to standard output is the reply. An exit status other than 0 is an error: its code \
      is 1000 + the status, or 1000 + 128 + the signal; its text is the end of standard error. \
      The command finds BCS_SERVICE, BCS_REQUESTER, BCS_CORRELATION, BCS_DEADLINE_MS, \
      BCS_DEADLINE_NS, BCS_CONVERSATION and BCS_HOPS in its environment; `bcs req`, `tell` and \
      `trace` pass the last four on, so that loops of services are stopped. No shell is involved \
      unless you name one.

      The command and all that it started end when the request is cancelled, at its time limit, \
      and with bcs reply, however that ends.

      Examples:
        bcs reply upper --exec tr a-z A-Z
        bcs reply app.log --lines --exec tail -n 100 app.log
        bcs reply sum --exec sh -c 'read a b; echo $((a + b))'
        bcs reply echo --echo --count 10
      """)

  @OptionGroup var common: CommonOptions
  @OptionGroup var naming: NameOptions
  @Argument(help: "The service.", completion: NameCompletion.services) var service: String
  @Flag(help: "Reply with the request's own bytes.") var echo = false
  @Option(
    parsing: .remaining,
    help: ArgumentHelp(
      "The command and its arguments: all that follows --exec.", valueName: "command"))
  var exec: [String] = []
  @Option(help: "Commands that may run at a time, 1 to 1024.") var concurrency = 8
  @Option(help: ArgumentHelp("How long a command may run.", valueName: "seconds"))
  var timeLimit = 30.0
  @Option(
    help: ArgumentHelp("Largest output of a command. (default: 16 MiB)", valueName: "size"),
    transform: ByteSize.parse)
  var outputLimit: ByteSize?
  @Flag(help: "Each line of the output is a part of the reply, sent as it comes.") var lines = false
  @Option(name: .shortAndLong, help: "End after that many requests.") var count: Int?

  func validate() throws {
    guard !(echo && !exec.isEmpty) else {
      throw ValidationError("Give --echo or --exec, not both.")
    }
    guard echo || !exec.isEmpty else {
      throw ValidationError("Say how to answer: --echo, or --exec COMMAND at the end.")
    }
    guard (1...1024).contains(concurrency) else {
      throw ValidationError("--concurrency takes 1 to 1024, not \(concurrency).")
    }
    guard timeLimit > 0, timeLimit <= 31_536_000 else {
      throw ValidationError(
        "--time-limit takes more than 0 and up to 31536000 seconds, not \(timeLimit).")
    }
    if let count, count < 1 { throw ValidationError("--count is at least 1, not \(count).") }
    guard !(echo && lines) else { throw ValidationError("--lines goes with --exec.") }
  }

  func run() throws {
    try ArgumentChecks.checkService(service)
    if let command = exec.first { try CommandPath.check(command) }
    let name = try naming.resolved("reply")
    // Before the session, which has threads.
    let guardian = exec.isEmpty ? nil : try Guardian()
    let session = try Session.open(common, name: name)
    Interrupt.beGraceful()
    Reports.begin(asJSON: common.json)
    defer { Reports.end() }
    defer { session.agent.close() }
    let common = common
    session.agent.onRouterChange { isThere in
      common.report(
        .warning,
        isThere
          ? "the router is back" : "the router is gone; known clients can still send requests")
    }
    var answering = try ServiceRunner(session.agent, self, guardian)
    common.log(.notice, "answering \(service) as \(session.agent.name)")
    let outcome = Result { try answering.run() }
    session.agent.onRouterChange { _ in }
    answering.close()
    try outcome.get()
  }
}
