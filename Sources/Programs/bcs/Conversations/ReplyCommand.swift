import ArgumentParser
import BinaryComm
import BusJSON
import BusOptions
import BusSystem
import BusText
import BusWire

/// Makes a command line a service.
struct ReplyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "reply", abstract: "Serve requests with a command, or echo them.",
    discussion: """
      The command is started for each request: it reads the request from standard input, and what \
      it writes to standard output is the reply. An exit status other than 0 is an error: its code \
      is 1000 + the status, or 1000 + 128 + the signal; its text is the end of standard error. \
      The command finds BCS_SERVICE, BCS_REQUESTER, BCS_CORRELATION, BCS_DEADLINE_MS and \
      BCS_CONVERSATION in its environment. No shell is involved unless you name one.

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
    defer { session.agent.close() }
    let common = common
    session.agent.onRouterChange { isThere in
      common.log(
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

/// One messenger at work for `bcs reply`.
struct ServiceRunner: ~Copyable {
  private struct Work {
    let incoming: InboxMessage
    let child: ServiceChild
    let beganNs: UInt64
    /// The start of a line whose end has not come yet.
    var line: [UInt8] = []
  }
  private struct Job {
    let incoming: InboxMessage
    let payload: [UInt8]
    let requester: String
  }

  /// Requests that may wait for a command to end.
  private static let waitingMax = 16384
  private var messenger: Messenger
  private let agent: Agent
  private let command: ReplyCommand
  private let guardian: Guardian?
  private var running: [Work] = []
  /// Commands that were stopped and have left something behind that is still ending.
  private var leaving: [ServiceChild] = []
  private var waiting: [Job] = []
  private var taken = 0
  private var answered = 0

  init(_ agent: Agent, _ command: ReplyCommand, _ guardian: Guardian?) throws {
    var messenger = try agent.messenger()
    try messenger.answer(command.service)
    self.messenger = messenger
    self.agent = agent
    self.command = command
    self.guardian = guardian
  }

  /// Answers until an interruption, or until so many requests are answered.
  mutating func run() throws {
    while command.count.map({ answered < $0 }) ?? true {
      try Interrupt.check()
      let came = try receive()
      forgetTheDead()
      start()
      for at in running.indices.reversed() { move(at) }
      leaving.removeAll { $0.hasLeftNothing() }
      messenger.flush()
      guard came == 0 else { continue }
      // The pipes of children are looked at every few milliseconds.
      let isIdle = running.isEmpty && leaving.isEmpty
      _ = try messenger.wait(timeout: isIdle ? .seconds(1) : .milliseconds(2))
    }
  }

  /// Ends what still runs; who waits for it is told.
  mutating func close() {
    for work in running { work.child.stop(.cancelled("the service was stopped")) }
    let limit = Deadline(after: .seconds(2))
    while !(running.isEmpty && leaving.isEmpty), !limit.isOver {
      for at in running.indices.reversed() { move(at) }
      leaving.removeAll { $0.hasLeftNothing() }
      messenger.flush()
      System.sleep(.milliseconds(2))
    }
    for job in waiting { fail(job.incoming, .cancelled("the service was stopped")) }
    messenger.close()
  }

  private mutating func receive() throws -> Int {
    var jobs: [Job] = []
    var cancels: [InboxMessage] = []
    let most = command.count.map { $0 - taken } ?? .max
    let queued = waiting.count
    let came = try messenger.poll(limit: min(64, max(1, most))) { message, incoming, out in
      switch incoming.kind {
      case .request where queued + jobs.count >= Self.waitingMax:
        try? out.fail(
          incoming,
          .resourceExhausted("\(Self.waitingMax) requests wait here already", cause: .queue))
      case .request where jobs.count >= most:
        try? out.fail(incoming, .noResponders("this responder has answered all it was to answer"))
      case .request:
        jobs.append(Job(incoming: incoming, payload: message.bytes, requester: message.publisher))
      case .cancel: cancels.append(incoming)
      default: break
      }
    }
    taken += jobs.count
    for job in jobs {
      if command.echo {
        tell(job.incoming, "ok", 0)
        finish(job.incoming, job.payload)
      } else {
        waiting.append(job)
      }
    }
    for cancel in cancels { stop(cancel) }
    return came
  }

  private mutating func stop(_ cancel: InboxMessage) {
    func isMeant(_ other: InboxMessage) -> Bool {
      other.peer == cancel.peer && other.correlationId == cancel.correlationId
    }
    for work in running where isMeant(work.incoming) {
      work.child.stop(.cancelled("the command was stopped"))
    }
    guard let at = waiting.firstIndex(where: { isMeant($0.incoming) }) else { return }
    fail(waiting.remove(at: at).incoming, .cancelled("the request was not started"))
  }

  /// Nobody waits for the reply to a requester that has ended: what works on it is stopped.
  private mutating func forgetTheDead() {
    for work in running where messenger.name(of: work.incoming.peer) == nil {
      work.child.stop(.cancelled("the requester has ended"))
    }
    let queued = waiting.count
    waiting.removeAll { messenger.name(of: $0.incoming.peer) == nil }
    answered += queued - waiting.count
  }

  /// Starts commands for requests that wait, as many as may run.
  private mutating func start() {
    while let guardian, running.count < command.concurrency, !waiting.isEmpty {
      let job = waiting.removeFirst()
      let left = job.incoming.context.timeLeft(System.monotonicNs)
      if left == 0 {
        fail(job.incoming, .timeout("the request's time was over before it was started"))
        continue
      }
      let own = UInt64(command.timeLimit * 1e9)
      let isOwn = left.map { own < $0 } ?? true
      do throws(BusError) {
        let child = try ServiceChild(
          command.exec, input: try input(of: job), environment: environment(job, left),
          limit: Deadline(after: .nanoseconds(Int64(clamping: min(own, left ?? own)))),
          limitCause: isOwn ? .timeLimit : .deadline,
          outputMax: command.outputLimit.map { Int($0.bytes) } ?? WireLimit.payloadBytesMax,
          guardian: guardian)
        running.append(
          Work(incoming: job.incoming, child: child, beganNs: System.monotonicNs))
      } catch {
        fail(job.incoming, error)
      }
    }
  }

  /// What the command reads: the request, or the bytes of the blob that it refers to.
  ///
  /// Not waited for long, while other commands run: without a router the request fails.
  private func input(of job: Job) throws(BusError) -> [UInt8] {
    guard let reference = BlobReference(job.payload) else { return job.payload }
    return try agent.openBlob(reference, timeout: .milliseconds(100)).copy()
  }

  private func environment(_ job: Job, _ left: UInt64?) -> [(String, String)] {
    [
      ("BCS_SERVICE", command.service), ("BCS_REQUESTER", job.requester),
      ("BCS_CORRELATION", "\(job.incoming.correlationId)"),
      ("BCS_DEADLINE_MS", left.map { "\($0 / 1_000_000)" } ?? ""),
      ("BCS_CONVERSATION", job.incoming.context.conversation.map { "\($0)" } ?? ""),
    ]
  }

  /// Moves the bytes of one command, and answers when it has ended.
  private mutating func move(_ at: Int) {
    let incoming = running[at].incoming
    let isCrowded = command.lines && messenger.out.isCrowded(incoming.peer, incoming.lane)
    let end = running[at].child.step(reads: !isCrowded)
    if command.lines { sendLines(at) }
    guard let end else { return }
    let work = running.remove(at: at)
    if !work.child.hasLeftNothing() { leaving.append(work.child) }
    tell(incoming, "\(end)", System.monotonicNs - work.beganNs)
    switch end {
    case .exited(0): finish(incoming, command.lines ? work.line : work.child.takeOutput())
    case .exited(let code): fail(incoming, Self.failure(work, 1000 + code, "exit status \(code)"))
    case .killed(let number): fail(incoming, Self.failure(work, 1128 + number, "signal \(number)"))
    case .stopped(let why): fail(incoming, why)
    }
  }

  private mutating func sendLines(_ at: Int) {
    let fresh = running[at].child.takeOutput()
    guard !fresh.isEmpty else { return }
    var pieces = (running[at].line + fresh).split(separator: 0x0A, omittingEmptySubsequences: false)
    running[at].line = Array(pieces.removeLast())
    for piece in pieces {
      do throws(BusError) {
        try messenger.out.reply(to: running[at].incoming, Array(piece), more: true)
      } catch {
        running[at].child.stop(error)
        return
      }
    }
  }

  private static func failure(_ work: Work, _ code: Int32, _ how: String) -> BusError {
    let said = String(decoding: work.child.complaint, as: UTF8.self)
      .split(separator: "\n").joined(separator: " | ")
    return .failed(code: UInt32(code), said.isEmpty ? how : "\(how): \(said)")
  }

  private mutating func finish(_ incoming: InboxMessage, _ payload: [UInt8]) {
    answered += 1
    do throws(BusError) {
      try messenger.out.reply(to: incoming, payload)
    } catch {
      command.common.log(.warning, "a reply could not be sent: \(error.description)")
      if case .peerDied = error { return }
      try? messenger.out.fail(incoming, error)
    }
  }

  private mutating func fail(_ incoming: InboxMessage, _ error: BusError) {
    answered += 1
    do throws(BusError) {
      try messenger.out.fail(incoming, error)
    } catch {
      command.common.log(.warning, "an error could not be sent: \(error.description)")
    }
  }

  /// A line about each request, for who asks for it.
  private func tell(_ incoming: InboxMessage, _ end: String, _ ns: UInt64) {
    let requester = messenger.name(of: incoming.peer) ?? "?"
    if command.common.json {
      let line = JSONValue.line([
        ("request", .unsigned(UInt64(incoming.correlationId))), ("requester", .text(requester)),
        ("end", .text(end)), ("milliseconds", JSONValue(Double(ns) / 1e6)),
      ])
      try? Output.write(line + "\n")
    } else {
      command.common.log(.info, "request \(incoming.correlationId) of \(requester): \(end)")
    }
  }
}
