public import BasicContainers
public import BusLog
public import BusMemory
import BusWire
import CBusPlatform

/// How a reader waits when there is nothing to read.
public enum WaitStrategy: String, Sendable, CaseIterable {
  /// Never sleeps: lowest latency, a core for itself.
  case spin
  /// Spins for a few microseconds, yields, then sleeps.
  case adaptive
  /// Sleeps at once.
  case sleep
}

/// What a reader has seen so far, over all of its streams.
public struct ReaderStatistics: Sendable, Equatable {
  /// Messages taken out of logs, those that the pattern did not want included.
  public var received: UInt64 = 0
  /// Messages lost to overwriting: `received + gaps + superseded` is what was sent.
  public var gaps: UInt64 = 0
  /// In the mode `latest`: messages replaced by a newer one of their topic.
  public var superseded: UInt64 = 0
  /// Messages dropped because they claimed a foreign source.
  public var forged: UInt64 = 0
  /// Streams being read now.
  public var streams = 0
  /// Streams that ended and were read to their end.
  public var ended = 0
  /// Streams of which nothing more is read, or never was, though they did not end; see
  /// ``Reader/drainProblems()``.
  public var problems: UInt64 = 0

  /// Adds what was seen of a stream.
  mutating func add(_ stream: ReaderStatistics) {
    received &+= stream.received
    gaps &+= stream.gaps
    superseded &+= stream.superseded
    forged &+= stream.forged
  }
}

/// A polling reader of every stream that matches a pattern: for the thread that owns it.
///
/// ```swift
/// var reader = try agent.reader("ticks.>", mode: .lossless)
/// while running {
///   let taken = try reader.poll { message in sum &+= message.payload.byteCount }
///   if taken == 0 { _ = try reader.wait(timeout: .seconds(1)) }
/// }
/// ```
///
/// Costs no allocation and no reference counting per message. A handler that takes long holds a
/// lossless publisher back: copy and hand over instead, or use ``Agent/subscribe(_:mode:buffer:)``.
public struct Reader: ~Copyable, @unchecked Sendable {
  // @unchecked Sendable: one owner at a time; what it shares is in the core.
  let core: SubscriptionShared
  let strategy: WaitStrategy
  @usableFromInline let changes: OwnedWord64
  @usableFromInline var seenChanges: UInt64 = 0
  @usableFromInline var streams = UniqueArray<ReadStream>()
  @usableFromInline var next = 0
  @usableFromInline var pace = PollBackoff()
  @usableFromInline var clock: HostClock
  var past = ReaderStatistics()
  /// True for a spinning reader of exactly one stream.
  @usableFromInline var lingers = false
  /// An inbox: whatever is in its logs is for this agent.
  @usableFromInline let takesAll: Bool
  /// Streams at the front of the table that are looked at before all others, in each poll.
  @usableFromInline var urgentCount = 0
  /// Which of them is looked at next.
  var nextUrgent = 0
  /// Whether a poll for one message was the urgent streams' last.
  var urgentHadTurn = false
  /// What urgent streams may bring this poll to, and one of them what was taken before it.
  var urgentRoom = 0
  var urgentShare = 1
  var watches = WatchList()
  var lastNewsNs: UInt64 = 0
  /// What happened to single streams and was not taken yet.
  var problems: [StreamProblem] = []
  /// The stream whose publisher was found to have gone on without this reader, until
  /// ``drainProblems()``: what the ``poll(limit:_:)`` that threw `evicted` handed over of it is
  /// void, what it handed over of others is not.
  public internal(set) var evictedStream: StreamID?
  /// Why nothing comes any more, nil while something may.
  var agentEnd: BusError?
  var isClosed = false

  init(_ core: SubscriptionShared, _ strategy: WaitStrategy) {
    self.core = core
    self.strategy = strategy
    takesAll = InboxChannel.owner(ofPattern: core.pattern.text) != nil
    changes = core.changes.word
    clock = core.agent.clock.clock()
  }

  deinit {
    if !isClosed { core.close() }
  }

  /// Hands messages that are there, at most `limit`, to `body`; returns how many.
  ///
  /// A reader of the strategy `spin` with one stream looks for about a microsecond before it
  /// returns 0: what comes in that time is handed over without a call in between.
  ///
  /// Throws `evicted` or `corrupt` once per stream it happens to, after which the reader goes on
  /// with the others. After `evicted` what this call handed over of ``evictedStream`` is void. Once
  /// the agent has ended, each call throws `closed`, or why no router takes it back.
  @inlinable @inline(__always)
  public mutating func poll(
    limit: Int = 256, _ body: (borrowing Message) -> Void
  ) throws(BusError) -> Int {
    if _slowPath(changes.loadRelaxed() != seenChanges) { try applyChanges() }
    pace.rest()
    if lingers, streams[0].log.linger(looks: 256) { pace.forget() }
    var delivered = 0
    var looked = 0
    var taken = 0
    while looked < streams.count, taken < limit {
      if next >= streams.count { next = urgentCount }
      // The urgent ones first; `next` goes round the others.
      var at = next
      var most = limit
      if looked < urgentCount {
        (at, most) = urgentTurn(looked, taken, of: limit)
        if at < 0 {
          looked = urgentCount
          continue
        }
      }
      let (here, handed) = streams[at].poll(
        limit: most &- taken, takesAll: takesAll, &clock, body)
      if at == next { next &+= 1 }
      taken &+= here
      delivered &+= handed
      looked &+= 1
      if _slowPath(streams[at].log.state != .open) { try follow(at) }
    }
    pace.note(taken)
    return delivered
  }
}

/// Looks that find little make the next look later, so that a busy publisher keeps its lines.
///
/// A look at a publisher's commit word takes the cache line away from it, and its stores wait. A
/// reader that is always caught up would halve the throughput; one that looks again only when a
/// batch is there costs nothing. A look that finds nothing at all ends the restraint, so a reader
/// that waits for one message sees it at once.
@frozen
@usableFromInline
struct PollBackoff {
  @usableFromInline var pauses = 0

  @inlinable init() {}

  @inlinable @inline(__always)
  func rest() {
    var left = pauses
    while left > 0 {
      relax()
      left &-= 1
    }
  }

  /// A look found nothing: the reader is the faster one.
  @inlinable @inline(__always)
  mutating func forget() { pauses = 0 }

  @inlinable @inline(__always)
  mutating func note(_ taken: Int) {
    if taken == 0 {
      forget()
    } else if taken < 16 {
      if pauses < 24 { pauses &+= 1 }
    } else if taken > 64, pauses > 0 {
      pauses &-= 1
    }
  }
}
