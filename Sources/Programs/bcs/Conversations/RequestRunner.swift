import BinaryComm
import BusJSON
import BusSystem
import BusText
import BusWire

/// One messenger at work for `bcs req`.
struct RequestRunner: ~Copyable {
  /// A part of a reply; most replies have one.
  private struct Part {
    let payload: [UInt8]
    let responder: String
    let correlation: UInt32
    let number: Int
    var isLast: Bool
    let microseconds: Double
  }

  /// Bytes of a reply in parts that are kept until its last part has come; a part counts at least
  /// as much as its row takes.
  private static let heldMax = 256 << 20
  private static let partBytes = 256

  private var messenger: Messenger
  private let service: String
  private let options: SendOptions
  private let isForAll: Bool
  private let isFirstOnly: Bool
  private let isStreamed: Bool
  private let printer: PayloadPrinter
  private let common: CommonOptions
  /// The requests that wait, each with when it was sent.
  private var open: [UInt32: UInt64] = [:]
  private var parts: [UInt32: Int] = [:]
  /// Parts that are not shown yet, and their bytes.
  private var held: [UInt32: [Part]] = [:]
  private var heldBytes: [UInt32: Int] = [:]
  private var answered = 0
  /// What failed, each with who was asked, if anybody was.
  private var failures: [(error: BusError, responder: String?)] = []
  private var line: Int?

  init(_ agent: Agent, _ command: ReqCommand) throws {
    messenger = try agent.messenger()
    service = command.service
    options = SendOptions(
      timeoutNs: UInt64(command.timeout * 1e9), priority: command.urgency.value,
      context: InheritedContext.own)
    isForAll = command.all || command.first
    isFirstOnly = command.first
    isStreamed = command.stream
    let text = command.stdinLines ? PayloadPrinter.Form.line : .text
    printer = PayloadPrinter(
      form: command.raw ? .raw : command.common.json ? .json : text, agent: agent)
    common = command.common
  }

  /// Sends one request, or one to everybody, and shows what comes until all have ended.
  ///
  /// `line`: the number of the line of the input that it stood in.
  mutating func ask(_ payload: [UInt8], line: Int? = nil) throws {
    answered = 0
    failures = []
    self.line = line
    try send(payload)
    while !open.isEmpty {
      if Interrupt.isAsked { try giveUp() }
      if try turn() == 0 { _ = try messenger.wait(timeout: .milliseconds(200)) }
    }
    // One failure of all is the end of the command; the others are told before.
    for failed in answered > 0 ? failures[...] : failures.dropFirst() { tell(failed) }
    guard answered == 0, let first = failures.first else { return }
    throw Failure(reply: first.error, of: isForAll ? first.responder : nil)
  }

  /// Says which of several responders failed.
  private func tell(_ failed: (error: BusError, responder: String?)) {
    guard common.logLevel <= .warning else { return }
    let failure = Failure(reply: failed.error, of: failed.responder)
    guard common.json else { return common.log(.warning, failure.message.printable) }
    Output.note(
      JSONValue.line([
        ("log", .text(LogLevel.warning.rawValue)), ("text", .text(failure.message)),
        ("responder", JSONValue(failed.responder)), ("error", .text(failure.name)),
        ("exit", .integer(Int(failure.exitCode))),
      ]))
  }

  /// Takes what comes while nothing is asked.
  mutating func passOver() throws { _ = try turn() }

  mutating func close() { messenger.close() }

  private mutating func send(_ payload: [UInt8]) throws {
    let limit = Deadline(after: .nanoseconds(Int64(clamping: options.timeoutNs)))
    let recipient = try messenger.out.service(service)
    // Who has come or gone meanwhile: a refusal would come before anything is heard of that.
    _ = try turn()
    var isToldToWait = false
    while try !begin(payload, to: recipient) {
      try Interrupt.check()
      guard !limit.isOver else { throw unsent(recipient) }
      if !isToldToWait, messenger.out.awaitsReturns(recipient) {
        isToldToWait = true
        common.log(.notice, "waiting for agents that come back after a restart of the router")
      }
      if try turn() == 0 { _ = try messenger.wait(timeout: .milliseconds(5)) }
    }
  }

  /// Sends the requests; false while it is not known to whom, or nobody takes more of them.
  private mutating func begin(_ payload: [UInt8], to recipient: Recipient) throws -> Bool {
    let ids: [UInt32]
    do throws(BusError) {
      ids =
        isForAll
        ? try messenger.out.scatter(recipient, payload, options)
        : [try messenger.out.request(recipient, payload, options)]
    } catch {
      guard error.code == .wouldBlock else { throw error }
      return false
    }
    for id in ids {
      open[id] = System.monotonicNs
      common.log(.info, "request \(id) to \(service)")
    }
    return true
  }

  /// Nothing was sent, and there is no time left for it.
  private func unsent(_ recipient: Recipient) -> Failure {
    let why = messenger.out.whyUnknown(recipient, isForAll: isForAll)
    return Failure(
      .timeout,
      "Nobody was asked in time: "
        + "\(why ?? "who answers \(service) has as many requests as it takes").")
  }

  /// Takes what came; prints it outside of the poll, which must not wait for a terminal.
  private mutating func turn() throws -> Int {
    var replies: [(InboxMessage, [UInt8], String)] = []
    var failed: [RequestFailure] = []
    let taken = try messenger.poll { message, incoming, _ in
      if incoming.kind == .response {
        replies.append((incoming, message.bytes, message.publisher))
      }
    } onFailure: { failure, _ in
      failed.append(failure)
    }
    common.tellProblems(of: &messenger)
    for (incoming, payload, responder) in replies { try take(incoming, payload, responder) }
    // What comes late of a request that is over, the end of one that was stopped, say, is nobody's.
    for failure in failed where open[failure.correlationId] != nil {
      forget(failure.correlationId)
      failures.append((failure.error, failure.responder))
    }
    return taken + failed.count
  }

  private mutating func take(
    _ incoming: InboxMessage, _ payload: [UInt8], _ responder: String
  ) throws {
    let id = incoming.correlationId
    guard let began = open[id] else { return }
    let number = parts[id, default: 0]
    parts[id] = number + 1
    let part = Part(
      payload: payload, responder: responder, correlation: id, number: number,
      isLast: incoming.isLast, microseconds: Double(System.monotonicNs - began) / 1000)
    if isStreamed {
      // Parts of several responders would be mixed: who comes first is the one.
      if isFirstOnly, number == 0 { stopAll(but: id) }
      try show(part)
    } else if !hold(part) {
      return
    }
    guard part.isLast else { return }
    let whole = held[id] ?? []
    forget(id)
    answered += 1
    try show(whole)
    if isFirstOnly { stopAll(but: id) }
  }

  /// Keeps a part; false when the reply is larger than what is kept, and was given up.
  private mutating func hold(_ part: Part) -> Bool {
    let bytes = heldBytes[part.correlation, default: 0] + part.payload.count + Self.partBytes
    guard bytes <= Self.heldMax else {
      stop(part.correlation)
      failures.append(
        (
          .resourceExhausted(
            "the parts of the reply take more than \(Self.heldMax) bytes", cause: .heldReply),
          part.responder
        ))
      return false
    }
    heldBytes[part.correlation] = bytes
    held[part.correlation, default: []].append(part)
    return true
  }

  /// Shows a whole reply.
  private func show(_ whole: [Part]) throws {
    guard printer.form == .line, let last = whole.last else {
      for part in whole { try show(part) }
      return
    }
    // One line for the reply, however many parts it has.
    let shown = Self.isEnd(last) ? whole.dropLast() : whole[...]
    try printer.show(Array(shown.map(\.payload).joined(separator: [0x0A])), [])
  }

  private func show(_ part: Part) throws {
    if Self.isEnd(part), printer.form != .json { return }
    let place: [(String, JSONValue)] = line.map { [("line", .integer($0))] } ?? []
    try printer.show(
      part.payload,
      place + [
        ("responder", .text(part.responder)),
        ("correlation", .unsigned(UInt64(part.correlation))),
        ("part", .integer(part.number)), ("last", .boolean(part.isLast)),
        ("microseconds", JSONValue(part.microseconds)),
      ])
  }

  /// Whether a part only says that there are no more: its sender had nothing to add.
  private static func isEnd(_ part: Part) -> Bool {
    part.isLast && part.number > 0 && part.payload.isEmpty
  }

  private mutating func forget(_ id: UInt32) {
    open[id] = nil
    parts[id] = nil
    heldBytes[id] = nil
    held[id] = nil
  }

  /// Wants no more of a request.
  private mutating func stop(_ id: UInt32) {
    forget(id)
    try? messenger.out.cancel(id)
  }

  private mutating func stopAll(but chosen: UInt32) {
    for id in Array(open.keys) where id != chosen { stop(id) }
  }

  /// A signal: the responders are told, and what they say of it is waited for, shortly.
  private mutating func giveUp() throws {
    for id in open.keys { try? messenger.out.cancel(id) }
    let limit = Deadline(after: .seconds(1))
    while !open.isEmpty, !limit.isOver {
      if try turn() == 0 { _ = try messenger.wait(timeout: .milliseconds(20)) }
    }
    let how =
      open.isEmpty ? "the responder has stopped" : "the responder was told, and says nothing"
    throw Failure(cancelled: how)
  }
}

extension Failure {
  /// The end of a request that a signal to this command cancelled.
  ///
  /// Ctrl-C cancels the request; the other signals end the command. Whoever sent one knows why, and
  /// needs no advice.
  init(cancelled how: String) {
    let code = BusErrorCode.cancelled
    self.init(
      "The request was cancelled: \(how).", remedy: "",
      exitCode: Interrupt.isCtrlC ? code.exitCode : Interrupt.exitCode, name: code.name)
  }

  /// The failure of a request; `responder`: who failed, of several that were asked.
  init(reply error: BusError, of responder: String? = nil) {
    let who = responder.map { "\($0) failed: " } ?? ""
    self.init(
      who + error.detail.endedByPeriod, remedy: Remedy(for: error).text,
      exitCode: error.code.exitCode, name: error.code.name, isOfTheBus: true)
    self.responder = responder
  }
}
