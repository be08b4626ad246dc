public import BusMemory
public import CBusABI
public import Synchronization

/// What one reader has taken of one stream: numbers of its own, shown in its row once a poll.
///
/// Where it stands and what became of each message are shown together: whoever looks sees
/// `sequence - start = handed over + lost in gaps + dropped`, or looks again.
@frozen
public struct ReadingRecorder: Sendable {
  /// Where the numbers are shown.
  public let row: CounterRow
  /// Messages of the stream before the next to take, as shown.
  @inlinable public var sequence: UInt64 { stands }
  @usableFromInline var stands: UInt64
  @usableFromInline var version: UInt64 = 0
  @usableFromInline var messages: UInt64 = 0
  @usableFromInline var bytes: UInt64 = 0
  @usableFromInline var filtered: UInt64 = 0
  @usableFromInline var losses: UInt64 = 0

  /// A meter of a reading that begins behind `start` messages; its row shows that already.
  public init(_ row: CounterRow, start: UInt64) {
    self.row = row
    stands = start
  }

  /// Numbers that seldom change, so that most polls need not store them.
  @frozen
  public struct Losses: Sendable {
    /// How often the reader was overtaken.
    public var gapEvents: UInt64
    /// Messages lost by that.
    public var gaps: UInt64
    /// Messages that a newer one replaced.
    public var superseded: UInt64
    /// Messages of a foreign source.
    public var forged: UInt64

    /// Takes the counts of the whole reading.
    @inlinable
    public init(gapEvents: UInt64, gaps: UInt64, superseded: UInt64, forged: UInt64) {
      self.gapEvents = gapEvents
      self.gaps = gaps
      self.superseded = superseded
      self.forged = forged
    }

    @inlinable var sum: UInt64 { gaps &+ superseded &+ forged }
  }

  /// Shows the outcome of a poll: `taken` messages, of which `handed` were wanted.
  ///
  /// Those that were looked into and then refused are among the ones handed.
  @inlinable @inline(__always)
  public mutating func note(
    sequence now: UInt64, taken: Int, handed: Int, bytes sum: UInt64, losses lost: Losses,
    refused: RefusedMessages? = nil
  ) {
    stands = now
    messages &+= UInt64(truncatingIfNeeded: handed)
    bytes &+= sum
    filtered &+= UInt64(truncatingIfNeeded: taken &- handed)
    begin()
    if let refused { show(refused) }
    row.word(BUS_COUNT_SEQUENCE).storeRelaxed(now)
    row.show(messages: messages, bytes: bytes)
    row.word(BUS_COUNT_DROPS + BUS_DROP_FILTERED * 8).storeRelaxed(filtered)
    if _slowPath(lost.sum != losses) { show(lost) }
    finish()
  }

  /// Shows that the reading is over, `left` messages behind where it stands.
  ///
  /// Why those are not handed over is the reason; with `voided` the last poll's messages are among
  /// them. Nil: everything was read.
  public mutating func leave(_ reason: DropReason?, left: UInt64, voided: UInt64 = 0) {
    guard let reason else { return }
    begin()
    stands &+= left &+ voided
    row.word(BUS_COUNT_SEQUENCE).storeRelaxed(stands)
    row.noteDrop(reason, left &+ voided)
    finish()
  }

  @inlinable @inline(__always)
  mutating func begin() {
    version &+= 1
    row.word(BUS_COUNT_VERSION).storeRelaxed(version)
    atomicMemoryFence(ordering: .releasing)
  }

  @inlinable @inline(__always)
  mutating func finish() {
    version &+= 1
    row.word(BUS_COUNT_VERSION).storeRelease(version)  // SYNC: counters.row
  }

  @usableFromInline @inline(never)
  mutating func show(_ refused: RefusedMessages) {
    messages &-= refused.count
    bytes &-= refused.bytes
    for reason in DropReason.allCases where refused.byReason[reason.rawValue] > 0 {
      row.noteDrop(reason, refused.byReason[reason.rawValue])
    }
  }

  @usableFromInline @inline(never)
  mutating func show(_ lost: Losses) {
    losses = lost.sum
    row.word(BUS_COUNT_GAP_EVENTS).storeRelaxed(lost.gapEvents)
    row.word(BUS_COUNT_GAP_MESSAGES).storeRelaxed(lost.gaps)
    row.word(BUS_COUNT_DROPS + BUS_DROP_SUPERSEDED * 8).storeRelaxed(lost.superseded)
    row.word(BUS_COUNT_DROPS + BUS_DROP_FORGED * 8).storeRelaxed(lost.forged)
  }
}
