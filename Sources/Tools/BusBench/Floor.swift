import CBusFloor
import Glibc

/// Measures the machine's floor through the C functions; on one CPU there is none between two.
struct Floor {
  private let pair: (Int32, Int32)?
  private let itemBytes: UInt32
  private let ringBytes: UInt64
  private let batch: UInt32
  private let blockBytes: UInt64

  /// The floor on the first two of these CPUs, with a ring that looks like the plan's log.
  init(cpus: [Int32], plan: BenchPlan) {
    pair = cpus.count >= 2 ? (cpus[0], cpus[1]) : nil
    itemBytes = UInt32(plan.recordBytes)
    ringBytes = UInt64(max(plan.logBytes, plan.recordBytes * max(8, 8 * plan.batch)))
    batch = UInt32(plan.batch)
    // Large payloads beside a copy of the same length, the others beside one in the cache.
    blockBytes = plan.mode == .large ? UInt64(plan.payload) : 256 << 10
  }

  /// The rate of the CPU's counter.
  static var ticksPerNs: Double { floor_ticks_per_ns() }

  /// Half a round trip of a cache line, median in nanoseconds; takes milliseconds.
  func pingPong() throws(BenchError) -> Double? {
    guard let pair else { return nil }
    var summary = floor_summary()
    try check("ping-pong", unsafe floor_ping_pong(pair.0, pair.1, 50_000, nil, &summary))
    return summary.p50_ns
  }

  /// Everything but the ping-pong after the run; takes about half a second.
  func reading() throws(BenchError) -> FloorReading {
    var reading = FloorReading()
    var bytes = 0.0
    try check("memcpy", unsafe floor_memcpy(blockBytes, &bytes))
    reading.memcpyPerSecond = bytes
    if let pair {
      var setup = floor_ring_setup()
      setup.messages = max(200, min(10_000_000, (2 << 30) / UInt64(itemBytes)))
      setup.capacity = ringBytes
      setup.item_bytes = itemBytes
      setup.batch = batch
      var perSecond = 0.0
      try check("ring", unsafe floor_ring(pair.0, pair.1, &setup, &perSecond))
      reading.ringPerSecond = perSecond
      var summary = floor_summary()
      try check("futex wake", unsafe floor_futex_wake(pair.0, pair.1, 500, nil, &summary))
      reading.futexWake = summary.count > 0 ? summary.p50_ns : nil
    }
    // Last, so that it lies next to the run.
    reading.pingPongBefore = try pingPong()
    return reading
  }

  /// What clocks and atomic operations cost.
  static func clockCost() throws(BenchError) -> ClockCost {
    var clock = floor_clock()
    let error = unsafe floor_clock(&clock)
    guard error == 0 else { throw .floor("clock", error: -error) }
    return ClockCost(
      ticks: clock.ticks_ns, clockGettime: clock.clock_gettime_ns, syscall: clock.syscall_ns,
      atomicAdd: clock.rmw_ns, store: clock.store_ns, pause: clock.pause_ns)
  }

  private func check(_ what: String, _ error: Int32) throws(BenchError) {
    guard error == 0 else { throw .floor(what, error: -error) }
  }
}
