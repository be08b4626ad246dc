import BinaryComm
import CBusPlatform

/// The loops of a publisher: the hot code of a throughput measurement.
struct PublishLoop {
  private let index: Int
  private let bytes: Int
  private let batch: Int
  private let isStamped: Bool
  private let warm: UInt64
  /// One behind the last number; nil: the time ends it.
  private let end: UInt64?
  private let seconds: Double?
  private let ticksPerSecond: Double

  init(_ plan: WorkerPlan, ticksPerSecond: Double) {
    let bench = plan.bench
    index = plan.index
    bytes = bench.payload
    batch = bench.batch
    isStamped = bench.mode == .latency
    warm = bench.warmUp
    end = bench.share(of: plan.index).map { $0 + bench.warmUp }
    seconds = bench.seconds
    self.ticksPerSecond = ticksPerSecond
  }

  /// Publishes what is not measured.
  func warmUp(_ publisher: inout Publisher, _ topic: TopicHandle) throws {
    try send(&publisher, topic, 0..<warm, endsStream: false)
  }

  /// One publish call a message; returns how many were sent, warm-up included.
  func singles(_ publisher: inout Publisher, _ topic: TopicHandle) throws -> UInt64 {
    var next = warm
    let deadline = deadline()
    while true {
      let isLast = end.map { next + Self.chunk >= $0 } ?? (plat_ticks() >= deadline)
      let stop = end.map { min($0, next + Self.chunk) } ?? next + (isLast ? 1 : Self.chunk)
      try send(&publisher, topic, next..<stop, endsStream: isLast)
      next = stop
      if isLast { return next }
    }
  }

  /// Batches that one store makes visible; returns how many were sent, warm-up included.
  func batches(_ publisher: inout Publisher, _ topic: TopicHandle) throws -> UInt64 {
    var next = warm
    let deadline = deadline()
    let bytes = bytes
    while true {
      let size = UInt64(batch)
      let isLast = end.map { next + size >= $0 } ?? (plat_ticks() >= deadline)
      let stop = end.map { min($0, next + size) } ?? next + size
      while next < stop {
        let identity = MessageIdentity(
          publisher: index, sequence: next, isLast: isLast && next + 1 == stop)
        try publisher.append(topic, count: bytes) { out in
          PayloadPattern.write(identity, stamp: nil, bytes: bytes, to: &out)
        }
        next &+= 1
      }
      publisher.flush()
      if isLast { return next }
    }
  }

  /// One message each time it is due, whether or not the last one was late.
  ///
  /// Its payload carries the time at which it should have been sent. Returns how many were sent,
  /// warm-up included.
  func pace(_ publisher: inout Publisher, _ topic: TopicHandle, rate: Double) throws -> UInt64 {
    let interval = ticksPerSecond / rate
    let count = max(1, UInt64((seconds ?? 1) * rate))
    let start = plat_ticks() &+ UInt64(ticksPerSecond / 1000)
    let bytes = bytes
    for message in 0..<count {
      let due = start &+ UInt64(Double(message) * interval)
      while plat_ticks() < due { plat_pause() }
      let identity = MessageIdentity(
        publisher: index, sequence: warm + message, isLast: message + 1 == count)
      try publisher.publish(topic, count: bytes) { out in
        PayloadPattern.write(identity, stamp: due, bytes: bytes, to: &out)
      }
    }
    return warm + count
  }

  /// So many messages go out between two looks at the clock.
  private static let chunk: UInt64 = 1024

  private func deadline() -> UInt64 {
    plat_ticks() &+ UInt64((seconds ?? 0) * ticksPerSecond)
  }

  private func send(
    _ publisher: inout Publisher, _ topic: TopicHandle, _ numbers: Range<UInt64>, endsStream: Bool
  ) throws {
    let bytes = bytes
    let stop = numbers.upperBound
    var next = numbers.lowerBound
    while next < stop {
      let identity = MessageIdentity(
        publisher: index, sequence: next, isLast: endsStream && next &+ 1 == stop)
      let stamp: UInt64? = isStamped ? plat_ticks() : nil
      try publisher.publish(topic, count: bytes) { out in
        PayloadPattern.write(identity, stamp: stamp, bytes: bytes, to: &out)
      }
      next &+= 1
    }
  }
}
