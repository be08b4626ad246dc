public import BusMemory
public import CBusABI

/// A row of the agent's own counters: what one thread counts of one stream and lane.
///
/// Words are stored, never added to from outside: whoever owns the row keeps the numbers in its own
/// memory and shows them here, without a lock and without a locked instruction.
///
/// ```swift
/// let row = table.open(.sent("inbox.auditor", kind: .pair, lane: .urgent, to: "auditor"))
/// row.show(messages: sequence, bytes: bytes)        // per publish: two plain stores
/// table.end(row)                                    // once
/// ```
@frozen @safe
public struct CounterRow: @unchecked Sendable, BitwiseCopyable {
  // @unchecked Sendable: one thread at a time stores; the table keeps the memory.
  @usableFromInline let base: UnsafeMutableRawPointer
  /// Which row of the table it is, and how many have lain there: a row that ended is not ended
  /// again.
  @usableFromInline let place: CounterPlace
  @usableFromInline let tenancy: UInt32
  /// The row of the past that this one is added to when it ends.
  @usableFromInline let past: UnsafeMutableRawPointer
  @usableFromInline let histogram: UnsafeMutableRawPointer?

  @inlinable
  func word(_ offset: Int32) -> OwnedWord64 { unsafe OwnedWord64(at: base + Int(offset)) }

  /// Messages: of a publisher the log's own sequence, of a reader those handed over.
  @inlinable public var messages: OwnedWord64 { word(BUS_COUNT_MESSAGES) }
  /// Bytes of their payloads.
  @inlinable public var bytes: OwnedWord64 { word(BUS_COUNT_BYTES) }
  /// Where the times of this reading are counted; nil in a row of what was sent.
  @inlinable public var times: TimeCounts? { unsafe histogram.map { unsafe TimeCounts($0) } }

  /// Shows what a publisher has sent: two plain stores, before the commit that readers see.
  @inlinable @inline(__always)
  public func show(messages count: UInt64, bytes sum: UInt64) {
    messages.storeRelaxed(count)
    bytes.storeRelaxed(sum)
  }

  /// Counts a call that failed.
  public func noteError() { add(1, to: BUS_COUNT_ERRORS) }

  /// Counts a full window.
  public func noteBlocked() { add(1, to: BUS_COUNT_BLOCKED) }

  /// Counts messages that a sender refused, or that were dropped outside of a reading.
  public func noteDrop(_ reason: DropReason, _ count: UInt64 = 1) {
    add(count, to: BUS_COUNT_DROPS + Int32(reason.rawValue) * 8)
  }

  func add(_ count: UInt64, to offset: Int32) {
    let word = word(offset)
    word.storeRelaxed(word.loadRelaxed() &+ count)
  }
}

/// Which row of which part.
@frozen @usableFromInline
struct CounterPlace: Hashable, Sendable, BitwiseCopyable {
  @usableFromInline let part: Int
  @usableFromInline let row: Int
}

/// A histogram that one thread counts in.
@frozen @safe
public struct TimeCounts: @unchecked Sendable, BitwiseCopyable {
  // @unchecked Sendable: one thread at a time stores; the table keeps the memory.
  @usableFromInline let base: UnsafeMutableRawPointer

  @inlinable
  init(_ base: UnsafeMutableRawPointer) { unsafe self.base = base }

  /// Counts one time.
  @inlinable @inline(__always)
  public func note(ns: UInt64) {
    let bucket = unsafe OwnedWord64(at: base + LatencyScale.bucket(ofNs: ns) &* 8)
    bucket.storeRelaxed(bucket.loadRelaxed() &+ 1)
    let sum = unsafe OwnedWord64(at: base + Int(BUS_HISTOGRAM_SUM))
    sum.storeRelaxed(sum.loadRelaxed() &+ ns)
  }
}
