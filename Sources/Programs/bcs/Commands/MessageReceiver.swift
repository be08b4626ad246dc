import BinaryComm
import BusText
import BusWire

/// One reader at work for a command: prints what comes, tells of gaps, and goes on with all other
/// publishers after trouble with one.
struct MessageReceiver: ~Copyable {
  private var reader: Reader
  private let agent: Agent
  private let printer: MessagePrinter
  private let common: CommonOptions
  private(set) var bodies: BodyCount
  /// The first trouble with a publisher.
  private var trouble: StreamProblem?
  private var isEvictedOnly = true
  private var missing = 0
  private var pending = PendingPublishers()
  /// Who had not let the reader in when it was closed.
  private var leftOut: String?
  /// Messages that were taken out of a log and then dropped.
  private var void: UInt64 = 0

  init(
    _ reader: consuming Reader, of agent: Agent, isLatest: Bool, printer: MessagePrinter,
    common: CommonOptions
  ) {
    bodies = BodyCount(isRaw: printer.form == .raw, isLatest: isLatest)
    self.reader = reader
    self.agent = agent
    self.printer = printer
    self.common = common
  }

  /// Messages lost so far.
  var lost: UInt64 { reader.statistics.gaps + void }

  /// Publishers of whose messages nothing more is read, or never was, though they did not end.
  var problems: UInt64 { reader.statistics.problems }

  /// Messages so far; a body in parts is one, and counts when its last part has come.
  var received: Int { bodies.messages }

  /// Prints what is there, at most `limit` messages or parts; waits for more when there is nothing.
  mutating func step(limit: Int, wait: Duration) throws {
    var batch: [(ReceivedMessage, channel: String)] = []
    var count = 0
    do {
      count = try reader.poll(limit: limit) { message in
        batch.append((message.copy(), message.channel))
      }
    } catch {
      try take(error, &batch)
      count = batch.count
    }
    var bytes: [UInt8] = []
    for (message, channel) in batch {
      bodies.take(message)
      if message.gapBefore > 0 { tellGap(message) }
      if printer.form == .raw, let blob = message.blobReference {
        try Output.write(bytes)
        bytes = []
        try write(blob, of: message)
      } else {
        printer.append(message, on: channel, to: &bytes)
      }
    }
    if !bytes.isEmpty { try Output.write(bytes) }
    lookForPending()
    guard count == 0 else { return }
    // A signal ends the sleep; the bound is for one that came just before it.
    _ = try reader.wait(timeout: min(wait, .seconds(1)))
  }

  private mutating func lookForPending() {
    let nowNs = System.monotonicNs
    guard pending.isDue(nowNs) else { return }
    if let text = pending.look(reader.pendingPublishers, nowNs) { common.log(.warning, text) }
  }

  mutating func close() {
    let nowNs = System.monotonicNs
    _ = pending.look(reader.pendingPublishers, nowNs)
    leftOut = pending.text(nowNs)
    reader.close()
  }

  /// Reports a missing blob and continues.
  private mutating func write(_ blob: BlobReference, of message: ReceivedMessage) throws {
    let opened: Blob
    do {
      opened = try agent.openBlob(blob)
    } catch {
      missing += 1
      return common.log(
        .warning,
        "the blob of message \(message.sequence) of \(message.publisher.printable) is not here: "
          + error.description)
    }
    try Output.write(opened)
  }

  /// A subscription that could not read a publisher to its end did not keep its promise; nor did
  /// one that showed bytes and could not show all, of a blob or of a body in parts.
  ///
  /// `hasAll`: as many messages came as were asked for, so that of others nothing is missing.
  func failIfIncomplete(hasAll: Bool) throws {
    guard missing == 0 else {
      throw Failure(
        "\(missing) blobs could not be opened: the output is not complete.",
        remedy: "Have them sent again, and read sooner, or with a longer --keep.",
        name: "NOT_FOUND")
    }
    if let trouble { throw failure(trouble) }
    if let leftOut, !hasAll {
      throw Failure(
        "\(leftOut): what was published there meanwhile is missing.",
        remedy: "`bcs agent` lists their processes: let them go on (`kill -CONT`), or end them.",
        name: "INCOMPLETE")
    }
    guard bodies.cut > 0 else { return }
    throw Failure(
      "Parts of \(bodies.cut) bodies are missing or mixed: the output is not complete.",
      remedy: bodies.isLatest
        ? "A body in parts needs every message: leave --latest out."
        : "Read with --lossless, from before the first part on, one publisher at a time.",
      name: "INCOMPLETE")
  }

  /// Tells of every publisher of which no more is read; what is about the reader itself ends it.
  private mutating func take(
    _ error: BusError, _ batch: inout [(ReceivedMessage, channel: String)]
  ) throws {
    drop(reader.evictedStream, from: &batch)
    let found = reader.drainProblems()
    for problem in found {
      if problem.error.code != .evicted { isEvictedOnly = false }
      trouble = trouble ?? problem
      common.log(.warning, problem.error.description)
    }
    if !found.isEmpty { bodies.lose() }
    // What is none of these is about the reader itself, and may have come in one look with them.
    guard found.contains(where: { $0.error == error }) else { throw error }
  }

  /// Drops what this batch holds of a stream whose publisher has gone on without this reader.
  ///
  /// It may have been overwritten while it was copied. What others gave stands.
  private mutating func drop(
    _ stream: StreamID?, from batch: inout [(ReceivedMessage, channel: String)]
  ) {
    guard let stream else { return }
    let before = batch.count
    batch.removeAll { message, _ in message.stream == stream }
    let dropped = before - batch.count
    guard dropped > 0 else { return }
    void += UInt64(dropped)
    common.log(
      .warning, "dropped the last \(dropped) messages: they may have been overwritten by then")
  }

  private func failure(_ first: StreamProblem) -> Failure {
    guard !isEvictedOnly else {
      return Failure(.evicted, "This reader was evicted \(problems) times: it is not complete.")
    }
    let others = problems > 1 ? " (the first of \(problems) such publishers)" : ""
    let message = "Messages are missing\(others): \(first.error.detail.endedByPeriod)"
    return Failure(
      message, remedy: Remedy(for: first.error).text, exitCode: first.error.code.exitCode,
      name: first.error.code.name, isOfTheBus: true)
  }

  private func tellGap(_ message: ReceivedMessage) {
    common.log(
      .warning,
      "gap: \(message.gapBefore) lost before message \(message.sequence) of "
        + "\(message.publisher.printable) on \(message.topic.printable)")
  }
}
