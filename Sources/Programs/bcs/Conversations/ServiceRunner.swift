import BinaryComm
import BusJSON
import BusOptions
import BusSystem
import BusText
import BusWire

/// One messenger at work for `bcs reply`.
struct ServiceRunner: ~Copyable {
  private var messenger: Messenger
  private let agent: Agent
  private let command: ReplyCommand
  private let guardian: Guardian?
  private let queues: ServiceQueues
  private var running: [ServiceWork] = []
  /// Commands that were stopped and have left something behind that is still ending.
  private var leaving: [ServiceChild] = []
  private var taken = 0
  private var answered = 0
  private var hasToldStray = false

  init(_ agent: Agent, _ command: ReplyCommand, _ guardian: Guardian?) throws {
    var messenger = try agent.messenger()
    try messenger.answer(command.service)
    self.messenger = messenger
    self.agent = agent
    self.command = command
    self.guardian = guardian
    queues = ServiceQueues(command.common)
  }

  /// Answers until an interruption, or until so many requests are answered.
  mutating func run() throws {
    while command.count.map({ answered < $0 }) ?? true {
      try Interrupt.check()
      let came = try receive()
      forgetTheDead()
      if let change = guardian?.renew() { command.common.log(.warning, change) }
      start()
      turn()
      guard came == 0 else { continue }
      // The pipes of children are looked at every few milliseconds.
      let isIdle = running.isEmpty && leaving.isEmpty && queues.isEmpty && queues.isSettled
      _ = try messenger.wait(timeout: isIdle ? .seconds(1) : .milliseconds(2))
    }
  }

  /// Ends what still runs; who waits for it is told.
  mutating func close() {
    for work in running { work.stop(.cancelled("the service was stopped")) }
    for job in queues.drainAll() { fail(job.incoming, .cancelled("the service was stopped")) }
    let limit = Deadline(after: .seconds(2))
    while !(running.isEmpty && leaving.isEmpty && queues.isSettled), !limit.isOver {
      turn()
      System.sleep(.milliseconds(2))
    }
    messenger.close()
  }

  /// Moves what can be moved: bytes of commands, answers that waited.
  private mutating func turn() {
    for at in running.indices.reversed() { move(at) }
    leaving.removeAll { $0.hasLeftNothing() }
    queues.retry(&messenger.out)
    messenger.flush()
  }

  private mutating func receive() throws -> Int {
    let (queues, isEcho) = (queues, command.echo)
    let most = command.count.map { $0 - taken } ?? .max
    var fresh: [InboxMessage] = []
    var cancels: [InboxMessage] = []
    var stray: InboxMessage?
    let came = try messenger.poll(limit: min(64, max(1, most))) { message, incoming, out in
      switch incoming.kind {
      case .request where fresh.count >= most:
        let why = BusError.noResponders("this responder has answered all it was to answer")
        queues.send(incoming, .failure(why), &out)
      case .request where isEcho:
        queues.send(incoming, .success(message.bytes), &out)
        fresh.append(incoming)
      case .request:
        if queues.take(message, incoming, &out) { fresh.append(incoming) }
      case .cancel: cancels.append(incoming)
      case .event, .command: stray = incoming
      case .response: break
      }
    }
    if let stray, !hasToldStray {
      hasToldStray = true
      command.common.log(
        .warning, "dropped a message of \(name(of: stray)): this takes requests, and nothing else")
    }
    command.common.tellProblems(of: &messenger)
    if let lost = command.common.tellLostNames(of: &messenger).first { throw lost.error }
    taken += fresh.count
    for incoming in fresh {
      if isEcho {
        answered += 1
        tell(incoming, "ok", 0)
      } else {
        command.common.log(
          .debug, "request \(incoming.correlationId) of \(name(of: incoming)): taken")
      }
    }
    for cancel in cancels { stop(cancel) }
    return came
  }

  private mutating func stop(_ cancel: InboxMessage) {
    for work in running
    where work.incoming.peer == cancel.peer && work.incoming.correlationId == cancel.correlationId {
      work.stop(.cancelled("the command was stopped"))
    }
    for job in queues.remove(cancel) {
      fail(job.incoming, .cancelled("the request was not started"))
    }
  }

  /// Nobody waits for the reply to a requester that has ended: what works on it is stopped.
  private mutating func forgetTheDead() {
    for work in running where messenger.name(of: work.incoming.peer) == nil {
      work.stop(.cancelled("the requester has ended"))
    }
    answered += queues.forget { messenger.name(of: $0) == nil }
  }

  /// Starts commands for requests that wait, as many as may run.
  private mutating func start() {
    let late = "the request's time was over before it was started"
    for job in queues.expire() { fail(job.incoming, .timeout(late)) }
    while let guardian, guardian.hasRoom, running.count < command.concurrency,
      let job = queues.popFirst()
    {
      let left = job.incoming.context.timeLeft(System.monotonicNs)
      if left == 0 {
        fail(job.incoming, .timeout(late))
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
        running.append(ServiceWork(job.incoming, child))
      } catch {
        fail(job.incoming, error)
      }
    }
  }

  /// What the command reads: the request, or the bytes of the blob that it refers to.
  ///
  /// Not waited for long, while other commands run: without a router the request fails.
  private func input(of job: ServiceQueues.Job) throws(BusError) -> ServiceChild.Input {
    guard let reference = BlobReference(job.payload) else { return .message(job.payload) }
    return .blob(try agent.openBlob(reference, timeout: .milliseconds(100)))
  }

  private func environment(_ job: ServiceQueues.Job, _ left: UInt64?) -> [(String, String)] {
    [
      ("BCS_SERVICE", command.service), ("BCS_REQUESTER", job.requester),
      ("BCS_CORRELATION", "\(job.incoming.correlationId)"),
    ] + InheritedContext.variables(of: job.incoming.context, timeLeftNs: left)
  }

  /// Moves the bytes of one command, and answers when it has ended and its lines have gone out.
  private mutating func move(_ at: Int) {
    let work = running[at]
    // Output for which there is no room stays in the command's pipe, so that the command waits.
    let isReady =
      work.lines.isDrained && !(command.lines && queues.isCrowded(work.incoming, messenger.out))
    let end = work.child.step(reads: isReady)
    if command.lines { sendLines(of: work) }
    guard let end, let answer = work.answer(to: end) else { return }
    running.remove(at: at)
    if !work.child.hasLeftNothing() { leaving.append(work.child) }
    tell(work.incoming, "\(end)", System.monotonicNs - work.beganNs)
    answered += 1
    queues.send(work.incoming, answer, &messenger.out)
  }

  /// Sends lines as parts of the reply while there is room; an error ends it, also that of a
  /// command which has ended already.
  private mutating func sendLines(of work: ServiceWork) {
    work.lines.append(work.child.takeOutput())
    while work.failure == nil, !queues.isCrowded(work.incoming, messenger.out),
      let line = work.lines.next()
    {
      do throws(BusError) {
        try messenger.out.reply(to: work.incoming, line, more: true)
      } catch {
        work.stop(error)
      }
    }
  }

  private mutating func fail(_ incoming: InboxMessage, _ error: BusError) {
    answered += 1
    queues.send(incoming, .failure(error), &messenger.out)
  }

  private func name(of incoming: InboxMessage) -> String {
    messenger.name(of: incoming.peer) ?? "?"
  }

  /// A line about each request, for who asks for it.
  private func tell(_ incoming: InboxMessage, _ end: String, _ ns: UInt64) {
    if command.common.json {
      Reports.show(
        JSONValue.line([
          ("request", .unsigned(UInt64(incoming.correlationId))),
          ("requester", .text(name(of: incoming))), ("end", .text(end)),
          ("milliseconds", JSONValue(Double(ns) / 1e6)),
        ]))
    } else {
      command.common.log(
        .info, "request \(incoming.correlationId) of \(name(of: incoming)): \(end)")
    }
  }
}
