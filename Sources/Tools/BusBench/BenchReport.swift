/// One run: what arrived in what time, beside the floor of the same seconds.
public struct RunReport: Equatable, Sendable {
  /// Messages received and checked; with several readers, deliveries.
  public var messages: UInt64 = 0
  /// From before the first message was published until after the last was checked.
  public var seconds: Double = 0
  /// Messages published and never received.
  public var lost: UInt64 = 0
  /// Messages whose bytes were not those published.
  public var corrupt: UInt64 = 0
  /// Messages received more than once.
  public var duplicate: UInt64 = 0
  /// Messages received after a later one of the same publisher.
  public var outOfOrder: UInt64 = 0
  /// One-way times; nil where none are measured.
  public var latency: LatencySummary?
  /// The floor of the same run.
  public var floor = FloorReading()

  /// An empty run.
  public init() {}

  /// Messages a second; nil without a time.
  public var perSecond: Double? { seconds > 0 ? Double(messages) / seconds : nil }
}

/// What a ratio compares with.
public enum FloorFigure: String, Sendable {
  /// A cache line, one way.
  case pingPong = "ping_pong_ns_p50"
  /// A plain ring in C.
  case ring = "ring_messages_per_second"
  /// A wake by futex.
  case futexWake = "futex_wake_ns_p50"
  /// A copy of blocks as large as the payload.
  case memcpy = "memcpy_bytes_per_second"
}

/// The outcome of a measurement: the runs that count.
public struct BenchReport: Equatable, Sendable {
  /// What was measured.
  public let plan: BenchPlan
  /// The runs that count; when the machine was unstable, those that do not.
  public let runs: [RunReport]
  /// The rule that chose them, with the number of repeated runs.
  public let rule: StabilityRule
  /// What clocks cost; only of the floor.
  public var clock: ClockCost?

  /// A report of these runs.
  public init(plan: BenchPlan, runs: [RunReport], rule: StabilityRule, clock: ClockCost? = nil) {
    self.plan = plan
    self.runs = runs
    self.rule = rule
    self.clock = clock
  }

  /// True when the floor moved too often for figures.
  public var isUnstable: Bool { rule.verdict == .unstable }

  /// The medians of the floor.
  public var floor: FloorReading { FloorReading.median(runs.map(\.floor)) }

  /// Near, far, `unstable`; nil without a ping-pong.
  public var state: String? { isUnstable ? "unstable" : floor.state?.rawValue }

  /// Median, least and most of a figure over the runs; nil when unstable or not measured.
  public func spread(_ figure: (RunReport) -> Double?) -> Spread? {
    isUnstable || plan.mode == .floor ? nil : Spread(runs.compactMap(figure))
  }

  /// The sum of a count over the runs; nil when nothing was sent.
  public func sum(_ count: (RunReport) -> UInt64) -> UInt64? {
    isUnstable || plan.mode == .floor ? nil : runs.reduce(0) { $0 + count($1) }
  }

  /// Payload bytes a second of one run.
  func bytesPerSecond(_ run: RunReport) -> Double? {
    run.perSecond.map { $0 * Double(plan.payload) }
  }

  /// What `ratio(of:)` compares with.
  public var figure: FloorFigure {
    if plan.mode == .large { return .memcpy }
    guard plan.isPair else { return .ring }
    return plan.wait == .sleep ? .futexWake : .pingPong
  }

  /// Ours ÷ floor of one run.
  public func ratio(of run: RunReport) -> Double? {
    guard plan.mode != .floor else { return nil }
    let (ours, floor) =
      switch figure {
      case .memcpy: (bytesPerSecond(run), run.floor.memcpyPerSecond)
      case .ring: (run.perSecond, run.floor.ringPerSecond)
      case .pingPong: (run.latency?.p50, run.floor.pingPong)
      case .futexWake: (run.latency?.p50, run.floor.futexWake)
      }
    guard let ours, let floor, floor > 0 else { return nil }
    return ours / floor
  }

  /// True when something was lost, damaged, doubled or out of order.
  public var hasFaults: Bool {
    runs.contains { $0.lost + $0.corrupt + $0.duplicate + $0.outOfOrder > 0 }
  }
}
