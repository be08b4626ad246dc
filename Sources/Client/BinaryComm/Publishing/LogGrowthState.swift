package import BusLog

/// A larger log on its way from the wish for it to its use.
///
///     none ─ask─▶ asked ─begin─▶ making ─offer─▶ offered ─registered─▶ ready ─take─▶ moving
///                   ▲               │               │                    ▲             │ │
///                   └──routerLost───┴───────────────┘                    └──giveBack───┘ │
///     none ◀───────────────────────────────────────────────────────────── moved ─────────┘
///
/// `refused` leads from `making` and `offered` to `none`, and stands for a second: memory may be
/// free again then, and a publisher that asks for each message would only make and drop memory.
/// Pure: the publishing thread and the service thread share one under a mutex.
package struct LogGrowthState<Log: ~Copyable & Sendable>: ~Copyable, Sendable {
  private enum Phase: Sendable {
    case none
    case asked(LogShape)
    case making(LogShape)
    case offered(LogShape)
    case ready
    case moving
  }

  private struct Refusal: Sendable {
    let why: BusError
    let capacity: UInt64
    /// When it may be asked for again; nil while nobody was told.
    var endNs: UInt64?
  }

  private var phase = Phase.none
  private var log: Log?
  private var refusal: Refusal?

  /// How long a refusal stands from when it is told.
  package static var refusalNs: UInt64 { 1_000_000_000 }

  /// Nothing is wanted.
  package init() { log = nil }

  /// The publishing thread is about to go over to the log, or to give it back.
  package var isMoving: Bool {
    if case .moving = phase { return true }
    return false
  }

  /// The publishing thread wants a larger log; false when one is on its way already.
  package mutating func ask(for shape: LogShape) -> Bool {
    guard case .none = phase else { return false }
    phase = .asked(shape)
    return true
  }

  /// The service thread makes the log that was asked for; nil when none is to be made now.
  package mutating func begin() -> LogShape? {
    guard case .asked(let shape) = phase else { return nil }
    phase = .making(shape)
    return shape
  }

  /// It is made, and the router is about to be asked to register it; nil when none was wanted.
  @discardableResult
  package mutating func offer(_ made: consuming Log) -> LogShape? {
    guard case .making(let shape) = phase else { return nil }
    log = consume made
    phase = .offered(shape)
    return shape
  }

  /// The router has registered it; false when it was given up meanwhile.
  package mutating func registered() -> Bool {
    guard case .offered = phase else { return false }
    phase = .ready
    return true
  }

  /// There was no router to register it: it is made again for the next one.
  package mutating func routerLost() {
    switch phase {
    case .making(let shape), .offered(let shape):
      log = nil
      phase = .asked(shape)
    case .none, .asked, .ready, .moving: break
    }
  }

  /// It cannot be made, or the router refused it.
  package mutating func refused(_ why: BusError) {
    switch phase {
    case .making(let shape), .offered(let shape):
      log = nil
      phase = .none
      refusal = Refusal(why: why, capacity: shape.capacity)
    case .none, .asked, .ready, .moving: break
    }
  }

  /// The log that the publishing thread goes over to; nil when none is ready.
  package mutating func take() -> Log? {
    guard case .ready = phase else { return nil }
    phase = .moving
    return log.take()
  }

  /// There was no room to go over to it now.
  package mutating func giveBack(_ unused: consuming Log) {
    guard case .moving = phase else { return }
    log = consume unused
    phase = .ready
  }

  /// The publishing thread writes it.
  package mutating func moved() {
    if case .moving = phase { phase = .none }
  }

  /// Another router takes over; true when a log was dropped for that.
  ///
  /// One that is not in use has no place in the stream yet.
  package mutating func restore() -> Bool {
    switch phase {
    case .ready:
      log = nil
      phase = .none
      return true
    case .offered(let shape):
      log = nil
      phase = .asked(shape)
      return true
    case .none, .asked, .making, .moving: return false
    }
  }

  /// Why a log of this size is refused; nil when it is not, or is to be asked for again.
  ///
  /// A refusal is told at least once.
  package mutating func refusal(of shape: LogShape, nowNs: UInt64) -> BusError? {
    guard let refused = refusal, shape.capacity >= refused.capacity else { return nil }
    let endNs = refused.endNs ?? nowNs &+ Self.refusalNs
    refusal?.endNs = endNs
    if nowNs < endNs { return refused.why }
    refusal = nil
    return nil
  }

  /// Whether a log of this size is refused now; leaves the refusal as it is.
  package func isRefused(_ shape: LogShape, nowNs: UInt64) -> Bool {
    guard let refusal, shape.capacity >= refusal.capacity else { return false }
    return refusal.endNs.map { nowNs < $0 } ?? true
  }
}

/// A simulation copies its agents.
extension LogGrowthState: Copyable where Log: Copyable {}
