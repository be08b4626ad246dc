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
  /// Readings that do not add up, or stand before what their publisher has sent; they are in no
  /// other figure, so that an agent that lies spoils nobody else's.
  public var faults = 0
  /// Who may have said what cannot be true, each once: whose readings these are, and the publisher
  /// where a reading stands before it, or where it said that the reading begins may be the lie.
  public private(set) var suspects: [String] = []
  private var named: Set<String> = []
  /// Readings that were caught in the middle of a change; they are in no other figure either.
  public var unsettled = 0

  init(channel: String, kind: CounterKind, lane: CounterLane) {
    self.channel = channel
    self.kind = kind
    self.lane = lane
  }

  /// Messages not handed over for any reason.
  public var dropped: UInt64 { drops.reduce(0, &+) }

  /// Whether every message is accounted for: readings of which that is not so are faults.
  public var holds: Bool { suspects.isEmpty }

  /// Takes a row of the channel that has not ended, of whose stream so much was published.
  mutating func add(
    _ row: CounterReading, of agent: AgentCounters, published: @autoclosure () -> UInt64?
  ) {
    switch (row.identity.direction, row.state) {
    case (.sent, let state):
      self.published &+= row.counts.messages
      if state == .live { streams += 1 }
    case (.received, .live) where !agent.hasEnded:
      add(live: row, published: published(), of: agent.name)
    case (.received, _): add(past: row, of: agent.name)
    }
  }

  /// What an agent has read on streams that are over.
  mutating func add(past row: CounterReading, of agent: String) {
    add(row, sent: row.counts.expected, of: agent)
  }

  /// A reading that goes on, of a stream on which its publisher has sent so many messages.
  mutating func add(live row: CounterReading, published count: UInt64?, of agent: String) {
    let counts = row.counts
    readings += 1
    guard let count else {
      unseen += 1
      add(row, sent: counts.expected, of: agent, from: row.identity.peer)
      return
    }
    guard count >= counts.sequence else { return doubt(row, of: [agent, row.identity.peer]) }
    add(row, sent: count &- counts.start, of: agent, from: row.identity.peer)
  }

  private mutating func add(
    _ row: CounterReading, sent count: UInt64, of agent: String, from publisher: String? = nil
  ) {
    let counts = row.counts
    guard counts.addsUp else {
      // A reader begins, and goes on behind a gap, where its publisher says: who counts soundly
      // from an absurd number may be honest. What does not add up even so is the reader's own.
      let mayBeSound = counts.accounted == counts.expected
      return doubt(row, of: [agent] + (mayBeSound ? [publisher].compactMap { $0 } : []))
    }
    sent &+= count
    pending &+= count &- counts.accounted
    delivered &+= counts.messages
    gaps &+= counts.gapMessages
    for place in drops.indices { drops[place] &+= counts.drops[place] }
  }

  /// A row that cannot be true, unless it was caught in the middle of a change.
  private mutating func doubt(_ row: CounterReading, of agents: [String]) {
    guard row.isSettled else { return unsettled += 1 }
    faults += 1
    // By name: a reader may say of each of its rows that another publisher wrote the stream.
    for agent in agents where named.insert(agent).inserted { suspects.append(agent) }
  }
}
