import BusWire

/// A lack of descriptors or memory that may pass.
package struct LaneShortage: Sendable {
  package var why: BusError
  /// Since when nothing was sent because of it.
  package let sinceNs: UInt64
  /// When the log is to be tried again.
  package var retryNs: UInt64

  /// How long a message waits that has no deadline of its own.
  package static var patienceNs: UInt64 { 5_000_000_000 }
  /// How long one try is from the next.
  package static var pauseNs: UInt64 { 20_000_000 }

  /// Whether a message has waited for long enough.
  package func isOver(_ message: PendingMessage, _ nowNs: UInt64) -> Bool {
    let endNs = message.deadlineNs ?? max(sinceNs, message.keptNs) &+ Self.patienceNs
    return nowNs >= endNs
  }
}

extension BusError {
  /// It may be there again in a moment, when others have given back what they hold.
  package var mayPass: Bool { cause == .descriptors || cause == .memory }
}

/// Whether a lane to a peer has a log, what waits for one or for room in it, and for how long.
///
/// A plain value: whoever owns it makes the logs and writes the messages.
package struct LaneState: Sendable {
  package enum Phase: Sendable {
    /// There is no log, and none was asked for.
    case none
    /// The router was asked for the log.
    case making
    case ready
    case refused(BusError)
  }
  package private(set) var phase = Phase.none
  /// In the order in which they go out.
  package private(set) var waiting = BoundedQueue<PendingMessage>(
    room: waitingMax, bytesMax: waitingBytesMax)
  /// What is missing to make its log, or to make it larger; nil while nothing is.
  package private(set) var shortage: LaneShortage?
  /// When its next log may be made.
  private var nextLogNs: UInt64 = 0

  /// A lane without a log, for which nothing waits.
  package init() {}

  /// How many messages may wait for one lane.
  package static var waitingMax: Int { 4096 }
  /// How many bytes of payload may wait for one lane, the last message not counted.
  package static var waitingBytesMax: Int { 64 << 20 }
  /// From so many on, further parts of a reply should pause.
  package static var crowdedCount: Int { 64 }

  /// A message can be written at once: there is a log, and nothing waits for it.
  @inline(__always)
  package var isOpen: Bool {
    guard case .ready = phase else { return false }
    return waiting.isEmpty
  }

  /// Nothing was sent, and nothing is to be.
  package var isUnused: Bool {
    guard case .none = phase else { return false }
    return waiting.isEmpty
  }

  /// So much waits that further parts of a reply should pause.
  @inline(__always)
  package var isCrowded: Bool { waiting.count >= Self.crowdedCount || isOutOfMemory }

  /// So many bytes wait that no further message may.
  @inline(__always)
  package var isOutOfMemory: Bool { waiting.bytes >= Self.waitingBytesMax }

  // MARK: Logs

  /// Whether a log may be made now: not again at once where that has just failed, or where another
  /// one was just made, for a peer that has room for none would be offered one after the other.
  ///
  /// Throws what is missing while that is not to be tried again.
  package func mayBegin(_ nowNs: UInt64) throws(BusError) -> Bool {
    if let shortage, nowNs < shortage.retryNs { throw shortage.why }
    return nowNs >= nextLogNs
  }

  /// The router was asked for a log.
  package mutating func began(_ nowNs: UInt64) {
    phase = .making
    nextLogNs = nowNs &+ LaneShortage.pauseNs
  }

  /// A log is there: what waits goes out with the next flush.
  package mutating func opened() {
    phase = .ready
    shortage?.retryNs = 0
    if waiting.isEmpty { shortage = nil }
  }

  /// A log could not be made: it is tried again, or never; returns what waits no longer.
  ///
  /// Without a router it is tried again, and so it is while something is missing that may be there
  /// again next time: then each message goes on waiting for as long as it may. `isWanted`: whether
  /// somebody still wants a message.
  package mutating func notOpened(
    _ why: BusError, _ nowNs: UInt64, isWanted: (OutboundHeader) -> Bool
  ) -> [PendingMessage] {
    phase = .none
    if why.code == .noRouter { return [] }
    guard why.mayPass else {
      if why.code == .denied { phase = .refused(why) }
      return waiting.drainAll()
    }
    let shortage = note(why, nowNs)
    let over = waiting.removeAll { shortage.isOver($0, nowNs) || !isWanted($0.header) }
    if waiting.isEmpty { self.shortage = nil }
    return over
  }

  /// Its log was ended.
  package mutating func closed() { phase = .none }

  // MARK: Shortages

  /// Notes what the lane lacks.
  @discardableResult
  private mutating func note(_ why: BusError, _ nowNs: UInt64) -> LaneShortage {
    let retryNs = nowNs &+ LaneShortage.pauseNs
    let noted = LaneShortage(why: why, sinceNs: shortage?.sinceNs ?? nowNs, retryNs: retryNs)
    shortage = noted
    return noted
  }

  /// Whether a message waits until what the log lacks is there again; notes what that is.
  ///
  /// Requests and their answers do, until their deadline: somebody waits for them. Whoever sends
  /// anything else is told at once, and may send it again.
  package mutating func outlasts(_ why: BusError, _ header: OutboundHeader, _ nowNs: UInt64) -> Bool
  {
    guard why.mayPass, header.isAwaited else { return false }
    note(why, nowNs)
    return true
  }

  /// Whether the first message that waits is to wait on until a larger log can be made.
  package mutating func holds(_ message: PendingMessage, _ why: BusError, _ nowNs: UInt64) -> Bool {
    guard why.mayPass else { return false }
    return !note(why, nowNs).isOver(message, nowNs)
  }

  /// Whether what is missing was looked for a moment ago.
  package func pauses(_ nowNs: UInt64) -> Bool { shortage.map { nowNs < $0.retryNs } ?? false }

  // MARK: What waits

  /// Takes a message in that cannot be written now; false when too much waits.
  package mutating func enqueue(_ message: PendingMessage) -> Bool {
    waiting.append(message, bytes: message.payload.count)
  }

  /// The first message that waits was written, or dropped.
  package mutating func finishFirst() {
    _ = waiting.popFirst()
    shortage = nil
  }

  /// Everything that waits, in order, which is forgotten.
  package mutating func drainWaiting() -> [PendingMessage] { waiting.drainAll() }
}
