public import BusJSON

extension BenchReport {
  /// The report as one JSON object; what was not measured is null.
  public var json: JSONValue {
    let counts = runs.map { Double($0.messages) }
    let messages = isUnstable || plan.mode == .floor ? nil : Spread(counts)
    return .object([
      JSONField("mode", .text(plan.mode.rawValue)),
      JSONField("state", JSONValue(state)),
      JSONField("messages", JSONValue(messages.map { UInt64($0.median) })),
      JSONField("payload_bytes", .integer(plan.payload)),
      JSONField("publishers", .integer(plan.publishers)),
      JSONField("readers", .integer(plan.readers)),
      JSONField("seconds", JSONValue(spread(\.seconds)?.median)),
      JSONField("messages_per_second", JSONValue(spread(\.perSecond)?.median)),
      JSONField("bytes_per_second", JSONValue(spread(bytesPerSecond)?.median)),
      JSONField("lost", JSONValue(sum(\.lost))),
      JSONField("corrupt", JSONValue(sum(\.corrupt))),
      JSONField("latency_ns", latencyJSON { spread($0) }),
      JSONField("floor", floorJSON(floor)),
      JSONField("ratio_to_floor", JSONValue(spread(ratio(of:))?.median)),
      JSONField("ratio_compares_with", JSONValue(plan.mode == .floor ? nil : figure.rawValue)),
      JSONField("duplicate", JSONValue(sum(\.duplicate))),
      JSONField("out_of_order", JSONValue(sum(\.outOfOrder))),
      JSONField("batch", .integer(plan.batch)),
      JSONField("wait", .text(plan.wait.rawValue)),
      JSONField("pinned", .boolean(plan.isPinned)),
      JSONField("rate_per_second", JSONValue(plan.rate)),
      JSONField("log_bytes", .integer(plan.logBytes)),
      JSONField("repeated_runs", .integer(rule.repeated)),
      JSONField("clock_ns", clockJSON),
      JSONField("runs", .list(runs.map(runJSON))),
    ])
  }

  private func runJSON(_ run: RunReport) -> JSONValue {
    let isFloor = plan.mode == .floor
    func count(_ value: UInt64) -> JSONValue { isFloor ? .null : .unsigned(value) }
    return .object([
      JSONField("state", JSONValue(run.floor.state?.rawValue)),
      JSONField("messages", count(run.messages)),
      JSONField("seconds", JSONValue(isFloor ? nil : run.seconds)),
      JSONField("messages_per_second", JSONValue(isFloor ? nil : run.perSecond)),
      JSONField("lost", count(run.lost)),
      JSONField("corrupt", count(run.corrupt)),
      JSONField("latency_ns", latencyJSON { figure in Spread([figure(run)].compactMap { $0 }) }),
      JSONField("floor", floorJSON(run.floor)),
      JSONField("ratio_to_floor", JSONValue(ratio(of: run))),
    ])
  }

  /// The percentiles, each by its own median; the maximum is that of all runs.
  private func latencyJSON(_ spread: ((RunReport) -> Double?) -> Spread?) -> JSONValue {
    .object([
      JSONField("p50", JSONValue(spread(\.latency?.p50)?.median)),
      JSONField("p95", JSONValue(spread(\.latency?.p95)?.median)),
      JSONField("p99", JSONValue(spread(\.latency?.p99)?.median)),
      JSONField("p99_9", JSONValue(spread(\.latency?.p999)?.median)),
      JSONField("max", JSONValue(spread(\.latency?.max)?.most)),
    ])
  }

  private func floorJSON(_ floor: FloorReading) -> JSONValue {
    .object([
      JSONField("ping_pong_ns_p50_before", JSONValue(floor.pingPongBefore)),
      JSONField("ping_pong_ns_p50_after", JSONValue(floor.pingPongAfter)),
      JSONField("ring_messages_per_second", JSONValue(floor.ringPerSecond)),
      JSONField("memcpy_bytes_per_second", JSONValue(floor.memcpyPerSecond)),
      JSONField("futex_wake_ns_p50", JSONValue(floor.futexWake)),
    ])
  }

  private var clockJSON: JSONValue {
    guard let clock else { return .null }
    return .object([
      JSONField("counter", JSONValue(clock.ticks)),
      JSONField("clock_gettime", JSONValue(clock.clockGettime)),
      JSONField("syscall", JSONValue(clock.syscall)),
      JSONField("atomic_add", JSONValue(clock.atomicAdd)),
      JSONField("release_store", JSONValue(clock.store)),
      JSONField("pause", JSONValue(clock.pause)),
    ])
  }
}
