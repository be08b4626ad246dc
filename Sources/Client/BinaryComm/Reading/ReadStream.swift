public import BusCounters
public import BusLog
public import BusMemory
import BusWire

/// One stream being read.
@usableFromInline
struct ReadStream: ~Copyable {
  @usableFromInline var log: LogReader
  @usableFromInline let topics: StreamTopics
  @usableFromInline var verdicts: TopicVerdicts
  @usableFromInline var meter: ReadingRecorder
  @usableFromInline var burst = LatencySampler()
  let source: StreamSource
  var segments: [UInt32: PeerSegment]

  /// `takesAll`: whatever is in its logs is wanted.
  init(
    _ opened: OpenedStream, pattern: TopicPattern, mode: ReadMode, takesAll: Bool
  ) throws(MemoryError) {
    guard let segment = opened.segments[opened.start.generation] else {
      throw .layout(field: "generation", value: UInt64(opened.start.generation))
    }
    log = try LogReader(
      segment, mode: mode, start: opened.start, slot: opened.slot, relay: opened.source.relay,
      owner: opened.source.owner)
    topics = StreamTopics(opened.source, pattern: pattern, table: LogTopicTable(of: log))
    verdicts = TopicVerdicts(takesAll: takesAll)
    meter = ReadingRecorder(opened.row, start: opened.start.sequence)
    source = opened.source
    segments = opened.segments
  }

  /// Hands messages that are there, at most `limit`, to `body`; returns how many were taken, and
  /// how many of them were handed over.
  ///
  /// `takesAll`: all of them are, whatever their topics.
  @inlinable @inline(__always)
  mutating func poll(
    limit: Int, takesAll: Bool, _ clock: inout HostClock, _ body: (borrowing Message) -> Void
  ) -> (taken: Int, handed: Int) {
    var handed = 0
    var unwanted: UInt64 = 0
    let bytesBefore = log.receivedBytes
    let taken = log.poll(limit: limit) { record in
      let verdict = verdicts.of(record)
      if _fastPath(verdict == TopicVerdicts.wanted) || takesAll
        || (verdict == TopicVerdicts.unknown && verdicts.judge(record, topics))
      {
        handed &+= 1
        body(Message(record, topics))
      } else {
        unwanted &+= UInt64(record.header.length)
      }
    }
    #if !BCS_NO_COUNTERS
      if news(taken) != 0 { noteCounts(taken, handed, bytesBefore &+ unwanted, &clock) }
    #endif
    return (taken, handed)
  }

  /// Goes on in the log of the next generation when it is mapped; false when it is still to come.
  mutating func moveOn() throws(MemoryError) -> Bool {
    let old = log.identity.generation
    guard canMoveOn, let following = segments[old &+ 1] else { return false }
    try log.move(to: following)
    segments[old] = nil
    topics.move(to: LogTopicTable(of: log))
    return true
  }

  /// True when the log that continues this one is mapped; one that was announced by a former router
  /// and never used begins elsewhere.
  var canMoveOn: Bool {
    guard let following = segments[log.identity.generation &+ 1] else { return false }
    return log.isContinued(by: following)
  }

  /// True when a poll would find something.
  var hasNews: Bool {
    switch log.state {
    case .open: log.hasNews
    case .rotated: log.hasLeftovers || canMoveOn
    default: true
    }
  }
}

// MARK: What is counted

extension ReadStream {
  /// Messages of the stream so far, as its publisher says.
  var published: UInt64 {
    segments.values.compactMap { log.published(in: $0) }.max() ?? log.settledSequence
  }

  /// What was seen of it so far.
  var statistics: ReaderStatistics {
    ReaderStatistics(
      received: log.received, gaps: log.gaps, superseded: log.superseded, forged: log.forged)
  }

  /// Not 0 when a poll that took so many messages is to be counted.
  ///
  /// One number and one branch: every branch more and the compiler does not take the loop's body
  /// into its caller any more, which costs a quarter of the messages.
  @inlinable @inline(__always)
  func news(_ taken: Int) -> UInt64 {
    UInt64(truncatingIfNeeded: taken) | burst.inBurst | (log.takenSequence ^ meter.sequence)
  }

  /// Counts what a poll took, and now and then how long it was on its way.
  ///
  /// Not inlined: the polling loop is to stay small enough to take its caller's closure in.
  @usableFromInline @inline(never)
  mutating func noteCounts(
    _ taken: Int, _ handed: Int, _ bytesBefore: UInt64, _ clock: inout HostClock
  ) {
    // What an eviction made void does not count.
    guard log.settledSequence != meter.sequence, _fastPath(log.state != .evicted) else {
      if taken == 0 { burst.isResting = true }
      return
    }
    show(taken: taken, handed: handed, bytes: log.receivedBytes &- bytesBefore)
    guard burst.isDue(taken) || log.mode != .lossless, taken > 0, let times = meter.row.times,
      let stamp = log.newestStampNs
    else { return }
    let now = clock.unixNs()
    times.note(ns: now > stamp ? now &- stamp : 0)
  }

  /// Shows what the last poll took.
  private mutating func show(taken: Int, handed: Int, bytes: UInt64) {
    meter.note(
      sequence: log.settledSequence, taken: taken, handed: handed, bytes: bytes,
      losses: log.losses, refused: topics.drainRefused())
  }

  /// Shows what becomes of the messages that this reading leaves behind; nil: it leaves none.
  mutating func leave(_ reason: DropReason?) {
    #if !BCS_NO_COUNTERS
      guard let reason else { return }
      let stands = log.settledSequence
      let published = published
      let left = published > stands ? published - stands : 0
      meter.leave(reason, left: left, voided: stands &- meter.sequence)
      if reason != .left { meter.row.noteError() }
    #endif
  }
}

/// How much of a burst was taken since a time was counted.
///
/// What was taken shows with each poll that brings something: some stores into lines of the
/// reader's own. A look at the clock costs more than they do, so in a burst only one message in a
/// few hundred is timed; a message that comes by itself always is.
@usableFromInline
struct LatencySampler {
  private var taken = 0
  /// The last poll found nothing: what comes next is no burst.
  var isResting: Bool {
    get { inBurst == 0 }
    set { inBurst = newValue ? 0 : 1 }
  }
  /// The same as a number, 1 in a burst, which ``ReadStream/news(_:)`` takes.
  @usableFromInline var inBurst: UInt64 = 0

  /// So many messages of a burst go by until one is timed again.
  private static var most: Int { 256 }

  /// Whether the newest of so many messages is to be timed.
  mutating func isDue(_ count: Int) -> Bool {
    taken &+= count
    guard isResting || taken >= Self.most else { return false }
    isResting = false
    taken = 0
    return true
  }
}
