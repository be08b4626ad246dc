public import BusCounters

/// What became of the messages of a channel.
///
/// For every reading this holds:
///
///     sent = delivered + pending + lost in gaps + dropped, by reason
///
/// A topic channel has no one receiver: each reading of each publisher's stream answers for what
/// was sent on it since the reading began, so `sent` counts a message once for each of them.
public struct ChannelBalance: Equatable, Sendable {
  /// Which channel.
  public var channel: String
  /// Which kind of log.
  public var kind: CounterKind
  /// Which lane.
  public var lane: CounterLane
  /// Messages published, as the logs themselves count them.
  public var published: UInt64 = 0
  /// Streams that are published now.
  public var streams = 0
  /// Readings now.
  public var readings = 0
  /// Messages that readings answer for.
  public var sent: UInt64 = 0
  /// Of these: handed over.
  public var delivered: UInt64 = 0
  /// Waiting.
  public var pending: UInt64 = 0
  /// Overwritten before a lossy reader came by.
  public var gaps: UInt64 = 0
  /// Not handed over for a reason.
  public var drops = [UInt64](repeating: 0, count: DropReason.allCases.count)
  /// Readings whose publisher cannot be watched: they answer for what they have passed only.
  public var unseen = 0
  /// Readings that do not add up, or stand before what their publisher has sent.
  public var faults = 0

  /// Messages not handed over for any reason.
  public var dropped: UInt64 { drops.reduce(0, &+) }

  /// Whether every message is accounted for.
  public var holds: Bool {
    faults == 0 && sent == delivered &+ pending &+ gaps &+ dropped
  }

  mutating func add(past row: CounterReading) {
    add(row.counts)
    sent &+= row.counts.expected
    if row.isSettled, row.counts.expected != row.counts.accounted { faults += 1 }
  }

  /// A reading that goes on, of a stream on which its publisher has sent so many messages.
  mutating func add(live row: CounterReading, published count: UInt64?) {
    let counts = row.counts
    add(counts)
    readings += 1
    guard let count else {
      unseen += 1
      sent &+= counts.expected
      if row.isSettled, counts.expected != counts.accounted { faults += 1 }
      return
    }
    guard count >= counts.sequence, counts.sequence >= counts.start else {
      faults += 1
      return
    }
    sent &+= count - counts.start
    pending &+= count - counts.sequence
    if row.isSettled, counts.expected != counts.accounted { faults += 1 }
  }

  private mutating func add(_ counts: CounterCounts) {
    delivered &+= counts.messages
    gaps &+= counts.gapMessages
    for place in drops.indices { drops[place] &+= counts.drops[place] }
  }
}
