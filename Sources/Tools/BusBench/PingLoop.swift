import BinaryComm
import CBusPlatform

/// The loops of two agents that answer each other; each times what it receives.
struct PingLoop {
  private let bytes: Int
  private let warm: UInt64
  private let end: UInt64?
  private let durationTicks: UInt64
  private let pauseTicks: UInt64
  private var audit = DeliveryAudit(publishers: 1)
  private var tally = LatencyTally()
  private var idle: IdleWatch
  /// What was done and seen, when a loop has ended.
  private(set) var result = WorkerResult()

  init(_ plan: WorkerPlan, ticksPerSecond: Double) {
    let bench = plan.bench
    bytes = bench.payload
    warm = bench.warmUp
    end = bench.messages.map { $0 + bench.warmUp }
    durationTicks = UInt64((bench.seconds ?? 0) * ticksPerSecond)
    // Long enough for the other side to fall asleep.
    pauseTicks = bench.wait == .sleep ? UInt64(200e-6 * ticksPerSecond) : 0
    idle = IdleWatch(ticksPerSecond: ticksPerSecond)
  }

  /// Sends and waits for each answer.
  mutating func ping(
    _ publisher: inout Publisher, _ topic: TopicHandle, _ reader: inout Reader
  ) throws {
    var next: UInt64 = 0
    var began: UInt64 = 0
    while audit.open > 0 {
      if next == warm { began = plat_ticks() }
      let isLast = end.map { next + 1 >= $0 } ?? isOver(next, began)
      pause()
      try send(&publisher, topic, next, isLast: isLast)
      next += 1
      while !audit.hasReached(next) { try receive(&reader) }
    }
    finish(sent: next, began: began)
  }

  /// Answers each message.
  mutating func pong(
    _ publisher: inout Publisher, _ topic: TopicHandle, _ reader: inout Reader
  ) throws {
    var next: UInt64 = 0
    while audit.open > 0 {
      while !audit.hasReached(next + 1) { try receive(&reader) }
      pause()
      try send(&publisher, topic, next, isLast: audit.open == 0)
      next += 1
    }
    finish(sent: next, began: nil)
  }

  private func isOver(_ next: UInt64, _ began: UInt64) -> Bool {
    next >= warm && plat_ticks() &- began >= durationTicks
  }

  private func pause() {
    guard pauseTicks > 0 else { return }
    let start = plat_ticks()
    while plat_ticks() &- start < pauseTicks { plat_pause() }
  }

  private func send(
    _ publisher: inout Publisher, _ topic: TopicHandle, _ number: UInt64, isLast: Bool
  ) throws(BusError) {
    let identity = MessageIdentity(publisher: 0, sequence: number, isLast: isLast)
    let bytes = bytes
    try publisher.publish(topic, count: bytes) { out in
      PayloadPattern.write(identity, stamp: plat_ticks(), bytes: bytes, to: &out)
    }
  }

  private mutating func receive(_ reader: inout Reader) throws {
    let bytes = bytes
    let warm = warm
    let count = try reader.poll(limit: 16) { message in
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
      if intact && identity.sequence >= warm { tally.record(sent: stamp, received: now) }
    }
    if count > 0 {
      idle.reset()
    } else {
      let mayHave = try reader.wait(timeout: .milliseconds(100))
      try idle.note(hasWaited: !mayHave, audit)
    }
  }

  private mutating func finish(sent: UInt64, began: UInt64?) {
    result.note(audit)
    result.sent = sent
    result.began = began
    result.ended = plat_ticks()
    result.latencies = tally.counts
  }
}
