/// What the machine itself reached around one run; nil where it could not be measured, as with a
/// single CPU.
public struct FloorReading: Equatable, Sendable {
  /// One way of a cache line between two processes before the run, median in nanoseconds.
  public var pingPongBefore: Double?
  /// The same, after the run.
  public var pingPongAfter: Double?
  /// Messages a second through a plain ring in C, items of the size of our records.
  public var ringPerSecond: Double?
  /// Bytes a second that memcpy copies: in the second-level cache, for large payloads blocks of
  /// their length.
  public var memcpyPerSecond: Double?
  /// From FUTEX_WAKE until the sleeper runs, median in nanoseconds.
  public var futexWake: Double?

  /// Nothing measured yet.
  public init() {}

  /// The mean of both ping-pongs.
  public var pingPong: Double? {
    guard let pingPongBefore, let pingPongAfter else { return pingPongBefore ?? pingPongAfter }
    return (pingPongBefore + pingPongAfter) / 2
  }

  /// Near or far; nil without a ping-pong.
  public var state: MachineState? { pingPong.map(MachineState.init(pingPong:)) }

  /// The medians of several readings, each figure for itself.
  public static func median(_ readings: [FloorReading]) -> FloorReading {
    func middle(_ figure: (FloorReading) -> Double?) -> Double? {
      Spread(readings.compactMap(figure))?.median
    }
    var result = FloorReading()
    result.pingPongBefore = middle(\.pingPongBefore)
    result.pingPongAfter = middle(\.pingPongAfter)
    result.ringPerSecond = middle(\.ringPerSecond)
    result.memcpyPerSecond = middle(\.memcpyPerSecond)
    result.futexWake = middle(\.futexWake)
    return result
  }
}

/// What clocks and atomic operations cost, in nanoseconds.
public struct ClockCost: Equatable, Sendable {
  /// Reading the CPU's counter.
  public let ticks: Double
  /// clock_gettime, monotonic.
  public let clockGettime: Double
  /// A system call.
  public let syscall: Double
  /// An atomic addition to a line nobody else touches.
  public let atomicAdd: Double
  /// A release store to such a line.
  public let store: Double
  /// The spin-loop hint.
  public let pause: Double
}
