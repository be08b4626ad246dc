import BinaryComm

/// Runs of one plan until enough of them count.
struct BenchSeries {
  private let plan: BenchPlan
  private let cpus: [Int32]
  private let floor: Floor
  private let program: WorkerProgram
  private let ticksPerNs: Double
  private let progress: (String) -> Void

  /// - Parameters:
  ///   - plan: what to measure.
  ///   - cpus: those this process may use.
  ///   - program: how to start workers.
  ///   - progress: told what runs.
  init(
    _ plan: BenchPlan, cpus: [Int32], program: WorkerProgram, progress: @escaping (String) -> Void
  ) {
    self.plan = plan
    self.cpus = cpus
    self.program = program
    self.progress = progress
    floor = Floor(cpus: cpus, plan: plan)
    ticksPerNs = Floor.ticksPerNs
  }

  /// Measures, with the floor around every run.
  ///
  /// - Parameter directory: of a running router; nil: start one.
  /// - Returns: the runs that count, or that the machine was unstable.
  /// - Throws: why there can be no figures.
  func measure(directory: String?) throws(BenchError) -> BenchReport {
    guard plan.mode != .floor else { return try floorOnly() }
    guard Machine.hasConstantCounter else { throw .counter }
    let router = directory == nil ? try PrivateRouter(for: plan, program) : nil
    defer { router?.stop() }
    let place = directory ?? router?.directory ?? ""
    var number = 0
    return try collect { run throws(BenchError) in
      number += 1
      var crew = WorkerGroup(program, router: router)
      let plans = workers(directory: place, number: number)
      fill(&run, zip(plans, try crew.run(plans)).map { ($0, $1) })
    }
  }

  private func floorOnly() throws(BenchError) -> BenchReport {
    var report = try collect { _ throws(BenchError) in }
    report.clock = try Floor.clockCost()
    return report
  }

  private func collect(
    _ body: (inout RunReport) throws(BenchError) -> Void
  ) throws(BenchError) -> BenchReport {
    var rule = StabilityRule(runsWanted: plan.runs, judgesFloor: plan.judgesFloor)
    var kept: [RunReport] = []
    var dropped: [RunReport] = []
    while rule.verdict == .goOn {
      let again = rule.repeated > 0 ? ", \(rule.repeated) repeated" : ""
      progress("\(plan.mode.rawValue): run \(rule.accepted + 1) of \(plan.runs)\(again)")
      var run = RunReport()
      run.floor = try floor.reading()
      try body(&run)
      run.floor.pingPongAfter = try floor.pingPong()
      if rule.take(before: run.floor.pingPongBefore, after: run.floor.pingPongAfter) {
        kept.append(run)
      } else {
        dropped.append(run)
      }
    }
    return BenchReport(plan: plan, runs: rule.verdict == .unstable ? dropped : kept, rule: rule)
  }

  /// The workers of one run, readers first; each run has a channel of its own.
  private func workers(directory: String, number: Int) -> [WorkerPlan] {
    let roles: [(WorkerPlan.Role, Int)] =
      if plan.mode == .request {
        [(.serve, 0), (.ask, 0)]
      } else if plan.mode == .latency && plan.rate == nil {
        [(.ping, 0), (.pong, 0)]
      } else {
        (0..<plan.readers).map { (.read, $0) } + (0..<plan.publishers).map { (.publish, $0) }
      }
    let channel = "bench\(Machine.pid)run\(number)"
    return roles.enumerated().map { place, role in
      WorkerPlan(
        role: role.0, index: role.1, cpu: plan.isPinned ? cpus[place] : nil, bench: plan,
        directory: directory, ticksPerNs: ticksPerNs, channel: channel)
    }
  }

  /// Sums up what the workers saw, without the warm-up.
  private func fill(_ run: inout RunReport, _ workers: [(plan: WorkerPlan, result: WorkerResult)]) {
    let isPair = plan.mode == .latency && plan.rate == nil
    let sent = workers.reduce(0) { $0 + $1.result.sent }
    var latencies: [LatencyCount] = []
    for (worker, result) in workers where worker.role != .publish && worker.role != .serve {
      // Each reader gets what all publishers sent; of a pair each gets what the other sent.
      let due = isPair ? sent - result.sent : plan.mode == .request ? result.sent : sent
      let warm = plan.warmUp * UInt64(isPair ? 1 : plan.publishers)
      run.messages += result.received > warm ? result.received - warm : 0
      let arrived = result.received + result.corrupt
      run.lost += due > arrived ? due - arrived : 0
      run.corrupt += result.corrupt
      run.duplicate += result.duplicate
      run.outOfOrder += result.outOfOrder
      latencies += result.latencies
    }
    run.latency = LatencySummary(latencies, ticksPerNs: ticksPerNs)
    if let began = workers.compactMap(\.result.began).min(),
      let ended = workers.compactMap(\.result.ended).max(), ended > began
    {
      run.seconds = Double(ended - began) / ticksPerNs / 1e9
    }
  }
}
