public import ArgumentParser
import BusLog

/// The options that all measurements share.
public struct BenchOptions: ParsableArguments, Sendable {
  /// Bytes of each payload.
  @Option(
    help: "Bytes of each payload, 8 (latency: 16) to 16777216. (default: 64, large: 1048576)")
  public var payload: Int?

  /// Publishing processes.
  @Option(help: "Publishing processes, 1 to 64. (default: 1, fanin: 4)")
  public var publishers: Int?

  /// Reading processes.
  @Option(help: "Reading processes, 1 to 64; each reads every message. (default: 1, fanout: 4)")
  public var readers: Int?

  /// Messages made visible by one store.
  @Option(help: "Messages appended before each flush; they share one timestamp.")
  public var batch = 1

  /// Runs that must count.
  @Option(help: "Runs that must count, 1 to 100; medians are shown.")
  public var runs = 5

  /// How readers wait.
  @Option(
    help: "How readers wait: spin, adaptive or sleep. (default: spin with a CPU for each process)")
  public var wait: BenchWait?

  /// Whether each process has a CPU of its own.
  @Flag(
    inversion: .prefixedNo,
    help: "Give each process a CPU of its own. (default: yes with a CPU for each process)")
  public var pin: Bool?

  /// Whether to print JSON.
  @Flag(name: [.customShort("j"), .long], help: "Print one JSON object instead of a table.")
  public var json = false

  /// Messages of one run.
  @Option(help: "Messages of one run, of all publishers together.")
  public var messages: UInt64?

  /// Seconds of one run.
  @Option(help: "Seconds of one run, instead of --messages.")
  public var duration: Double?

  /// Messages a second.
  @Option(help: "Latency only: start this many messages a second, late or not (open loop).")
  public var rate: Double?

  /// Requests on their way at a time.
  @Option(help: "request only: requests on their way at a time, 1 to 1024. (default: 1)")
  public var inflight: Int?

  /// Bytes of each log.
  @Option(help: "Bytes of each publisher's log, rounded up to a power of two. (default: 4 MiB)")
  public var logBytes: Int?

  /// The run directory.
  @Option(help: "The run directory of a running router. (default: a router of its own)")
  public var dir: String?

  /// Whether runs count however the floor moved; for tests of counts on a busy machine.
  @Flag(help: .hidden)
  public var anyFloor = false

  /// All options unset.
  public init() {}

  /// Refuses numbers that make no sense, whatever is measured.
  ///
  /// - Throws: `ValidationError` that names the option and the range.
  public func validate() throws {
    try check("--payload", payload, 8...16 << 20, from: "8 (latency: 16)")
    try check("--publishers", publishers, 1...64)
    try check("--readers", readers, 1...64)
    try check("--batch", batch, 1...65536)
    try check("--runs", runs, 1...100)
    try check("--messages", messages, 1...100_000_000_000)
    try check("--duration", duration, 0.01...86400)
    try check("--rate", rate, 1...100_000_000)
    try check("--inflight", inflight, 1...1024)
    try check("--log-bytes", logBytes, 64 << 10...1 << 30)
    if messages != nil && duration != nil {
      throw ValidationError("--messages and --duration both end a run: give one of them.")
    }
  }

  private func check<Value: Comparable>(
    _ name: String, _ value: Value?, _ range: ClosedRange<Value>, from least: String? = nil
  ) throws {
    guard let value, !range.contains(value) else { return }
    throw ValidationError(
      "\(name) is \(value): give a number from \(least ?? "\(range.lowerBound)") to "
        + "\(range.upperBound).")
  }
}

extension BenchWait: ExpressibleByArgument {}

extension BenchOptions {
  /// The plan for a mode on this machine.
  ///
  /// - Parameters:
  ///   - mode: what is measured.
  ///   - cpus: how many CPUs this process may use.
  /// - Returns: the plan, all choices made.
  /// - Throws: `ValidationError` for options that do not fit the mode.
  public func plan(_ mode: BenchMode, cpus: Int) throws -> BenchPlan {
    try checkFit(mode)
    let publishers = publishers ?? (mode == .fanin ? 4 : 1)
    let readers = readers ?? (mode == .fanout ? 4 : 1)
    let hasOwnCPUs = cpus >= publishers + readers
    var plan = BenchPlan(
      mode: mode, messages: messages, seconds: duration, rate: rate, payload: payload(of: mode),
      publishers: publishers, readers: readers, batch: batch,
      wait: wait ?? (hasOwnCPUs ? .spin : .adaptive), isPinned: pin ?? hasOwnCPUs,
      inFlight: inflight ?? 1, logBytes: 0, runs: runs, judgesFloor: !anyFloor)
    plan.logBytes = try ringBytes(plan)
    if plan.isPinned && !hasOwnCPUs {
      throw ValidationError(
        "--pin needs a CPU for each of \(publishers + readers) processes; \(cpus) may be used. "
          + "Leave it out: the scheduler is then part of what is measured.")
    }
    if plan.messages == nil && plan.seconds == nil { setLength(&plan) }
    if let messages = plan.messages, messages < UInt64(publishers) {
      throw ValidationError("--messages is \(messages): give at least one for each publisher.")
    }
    return plan
  }

  /// Refuses options that make no sense for a mode on this machine.
  ///
  /// - Throws: `ValidationError` that says what to give instead.
  public func check(_ mode: BenchMode) throws {
    try validate()
    _ = try plan(mode, cpus: Machine.allowedCPUs.count)
  }

  private func checkFit(_ mode: BenchMode) throws {
    func refuse(_ isGiven: Bool, _ what: String) throws {
      if isGiven { throw ValidationError("\(mode.rawValue) \(what)") }
    }
    try refuse(rate != nil && mode != .latency, "runs as fast as it can: leave out --rate.")
    try refuse(
      rate != nil && messages != nil, "at a set rate ends by --duration: leave out --messages.")
    try refuse(inflight != nil && mode != .request, "has no requests: leave out --inflight.")
    switch mode {
    case .request:
      try refuse(logBytes != nil, "uses the logs that agents make: leave out --log-bytes.")
      fallthrough
    case .latency:
      try refuse(publishers ?? 1 != 1 || readers ?? 1 != 1, "is of one pair of processes.")
      try refuse(batch != 1, "sends one by one: leave out --batch.")
      try refuse(
        payload(of: mode) < PayloadPattern.stampedBytesLeast,
        "carries a time: give --payload 16 or more.")
      try refuse(
        rate ?? 1 > 2500 && wait == .sleep,
        "of sleeping readers needs pauses to fall asleep in: give --rate 2500 or less.")
    case .large:
      try refuse(logBytes != nil, "uses the log that its payload asks for: leave out --log-bytes.")
      try refuse(batch != 1, "sends one by one: leave out --batch.")
    case .fanout: try refuse(publishers ?? 1 != 1, "has one publisher; see fanin.")
    case .fanin: try refuse(readers ?? 1 != 1, "has one reader; see fanout.")
    case .throughput, .floor: break
    }
  }

  private func payload(of mode: BenchMode) -> Int { payload ?? (mode == .large ? 1 << 20 : 64) }

  /// The log's ring: what was asked for, else room for 32 records and two batches.
  private func ringBytes(_ plan: BenchPlan) throws -> Int {
    if plan.mode == .large {
      var capacity: UInt64 = 64 << 10
      while LogShape.recordBytesMax(capacity: capacity) < UInt64(plan.recordBytes) { capacity *= 2 }
      return Int(capacity)
    }
    let least = plan.recordBytes * max(8, 4 * plan.batch)
    if let logBytes {
      guard roundedUp(logBytes) >= least else {
        throw ValidationError(
          "--log-bytes is \(logBytes): payload and batch need \(roundedUp(least)) or more.")
      }
      return roundedUp(logBytes)
    }
    let wanted = roundedUp(max(4 << 20, plan.recordBytes * max(32, 4 * plan.batch)))
    guard wanted <= 1 << 30 else {
      throw ValidationError("--batch \(plan.batch) of such payloads needs a log over 1 GiB.")
    }
    return wanted
  }

  /// About a second of work.
  private func setLength(_ plan: inout BenchPlan) {
    switch plan.mode {
    case .floor: break
    case .latency where plan.rate != nil: plan.seconds = 2
    case .latency, .request: plan.messages = plan.wait == .sleep ? 2000 : 1_000_000
    case .large: plan.messages = max(64, (16 << 30) / UInt64(plan.recordBytes))
    case .throughput, .fanout, .fanin:
      let fewer = UInt64(plan.processes > 2 ? 2_000_000 : 10_000_000)
      plan.messages = max(1000, min(fewer, (4 << 30) / UInt64(plan.recordBytes)))
    }
  }
}

private func roundedUp(_ bytes: Int) -> Int {
  bytes <= 1 ? 1 : 1 << (Int.bitWidth - (bytes - 1).leadingZeroBitCount)
}
