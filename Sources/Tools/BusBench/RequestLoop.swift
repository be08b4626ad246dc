import BinaryComm
import CBusPlatform

/// An agent that sends requests to one that answers each with the request's own bytes, and times
/// the way there and back.
struct RequestLoop {
  private let bytes: Int
  private let warm: UInt64
  private let end: UInt64?
  private let inFlight: UInt64
  private let durationTicks: UInt64
  private let pauseTicks: UInt64
  private var audit = DeliveryAudit(publishers: 1)
  private var tally = LatencyTally()
  private var idle: IdleWatch
  private var failure: BusError?
  /// What was done and seen, when a loop has ended.
  private(set) var result = WorkerResult()

  init(_ plan: WorkerPlan, ticksPerSecond: Double) {
    let bench = plan.bench
    bytes = bench.payload
    warm = bench.warmUp
    end = bench.messages.map { $0 + bench.warmUp }
    inFlight = UInt64(bench.inFlight)
    durationTicks = UInt64((bench.seconds ?? 0) * ticksPerSecond)
    // Long enough for the other side to fall asleep.
    pauseTicks = bench.wait == .sleep ? UInt64(200e-6 * ticksPerSecond) : 0
    idle = IdleWatch(ticksPerSecond: ticksPerSecond)
  }

  /// Keeps so many requests on their way until all are answered.
  mutating func ask(_ messenger: inout Messenger, _ recipient: Recipient) throws {
    var next: UInt64 = 0
    var began: UInt64 = 0
    var isLast = false
    var payload = [UInt8](repeating: 0, count: bytes)
    while audit.open > 0 {
      while !isLast, next &- audit.received < inFlight {
        if next == warm { began = plat_ticks() }
        isLast = end.map { next + 1 >= $0 } ?? isOver(next, began)
        pause()
        let identity = MessageIdentity(publisher: 0, sequence: next, isLast: isLast)
        PayloadPattern.write(identity, stamp: plat_ticks(), to: &payload)
        _ = try messenger.out.request(recipient, payload, SendOptions())
        next &+= 1
      }
      try receive(&messenger)
    }
    finish(sent: next, began: began)
  }

  private mutating func receive(_ messenger: inout Messenger) throws {
    let bytes = bytes
    let warm = warm
    let taken = try messenger.poll { message, _, _ in
      let now = plat_ticks()
      let payload = message.payload
      guard let identity = PayloadPattern.identity(payload, bytes: bytes),
        let stamp = PayloadPattern.stamp(payload)
      else {
        audit.noteUnreadable()
        return
      }
      let intact = PayloadPattern.isIntact(payload, identity, isStamped: true)
      audit.take(identity, intact: intact)
      if intact, identity.sequence >= warm, now > stamp {
        tally.record(sent: 0, received: (now &- stamp) / 2)
      }
    } onFailure: { failed, _ in
      failure = failed.error
    }
    if let failure { throw failure }
    try rest(taken, &messenger)
  }

  /// Answers until the last request.
  mutating func serve(_ messenger: inout Messenger) throws {
    let bytes = bytes
    while audit.open > 0 {
      let taken = try messenger.poll { message, incoming, out in
        guard let identity = PayloadPattern.identity(message.payload, bytes: bytes) else {
          audit.noteUnreadable()
          return
        }
        let intact = PayloadPattern.isIntact(message.payload, identity, isStamped: true)
        audit.take(identity, intact: intact)
        do throws(BusError) {
          try out.reply(to: incoming, message.payload)
        } catch {
          failure = error
        }
      }
      if let failure { throw failure }
      try rest(taken, &messenger)
    }
    finish(sent: audit.received, began: nil)
  }

  private mutating func rest(_ taken: Int, _ messenger: inout Messenger) throws {
    guard taken == 0 else {
      idle.reset()
      return
    }
    let mayHave = try messenger.wait(timeout: .milliseconds(100))
    try idle.note(hasWaited: !mayHave, audit)
  }

  private func isOver(_ next: UInt64, _ began: UInt64) -> Bool {
    next >= warm && plat_ticks() &- began >= durationTicks
  }

  private func pause() {
    guard pauseTicks > 0 else { return }
    let start = plat_ticks()
    while plat_ticks() &- start < pauseTicks { plat_pause() }
  }

  private mutating func finish(sent: UInt64, began: UInt64?) {
    result.note(audit)
    result.sent = sent
    result.began = began
    result.ended = plat_ticks()
    result.latencies = tally.counts
  }
}
