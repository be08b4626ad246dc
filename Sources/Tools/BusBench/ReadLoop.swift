import BinaryComm
import CBusPlatform

/// The loop of a reader: reads and checks every byte of every message.
struct ReadLoop {
  private let bytes: Int
  private let isStamped: Bool
  private let warm: UInt64
  private var audit: DeliveryAudit
  private var tally = LatencyTally()
  private var idle: IdleWatch
  private var ended: UInt64 = 0

  init(_ plan: WorkerPlan, ticksPerSecond: Double) {
    bytes = plan.bench.payload
    isStamped = plan.bench.mode == .latency
    warm = plan.bench.warmUp
    audit = DeliveryAudit(publishers: plan.bench.publishers)
    idle = IdleWatch(ticksPerSecond: ticksPerSecond)
  }

  /// What arrived.
  var result: WorkerResult {
    var result = WorkerResult()
    result.note(audit)
    result.ended = ended
    result.latencies = tally.counts
    return result
  }

  /// Reads until the last message of every publisher is there.
  ///
  /// - Parameters:
  ///   - reader: of the channel.
  ///   - attached: called once, when the warm-up of every publisher has arrived.
  /// - Throws: `BusError`, or `WorkerFailure` when nothing arrives any more.
  mutating func run(_ reader: inout Reader, attached: () -> Void) throws {
    var isAttached = false
    while audit.open > 0 {
      let count = isStamped ? try pollTimed(&reader) : try poll(&reader)
      if count == 0 {
        let mayHave = try reader.wait(timeout: .milliseconds(100))
        // The first message may be long in coming: the program that started us watches the time.
        if isAttached { try idle.note(hasWaited: !mayHave, audit) }
        continue
      }
      idle.reset()
      if !isAttached && audit.hasReached(warm) {
        isAttached = true
        attached()
      }
    }
    ended = plat_ticks()
  }

  private mutating func poll(_ reader: inout Reader) throws(BusError) -> Int {
    let bytes = bytes
    return try reader.poll(limit: 256) { message in
      let payload = message.payload
      guard let identity = PayloadPattern.identity(payload, bytes: bytes) else {
        audit.noteUnreadable()
        return
      }
      let intact = PayloadPattern.isIntact(payload, identity, isStamped: false)
      audit.take(identity, intact: intact)
    }
  }

  private mutating func pollTimed(_ reader: inout Reader) throws(BusError) -> Int {
    let bytes = bytes
    let warm = warm
    return try reader.poll(limit: 256) { message in
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
  }
}
