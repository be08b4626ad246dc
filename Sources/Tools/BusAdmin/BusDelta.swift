public import BusCounters

/// Everybody's counters at one moment.
public struct BusSample: Equatable, Sendable {
  /// When, on a clock that never steps.
  public var timeNs: UInt64
  /// What each agent counts.
  public var agents: [AgentCounters]
  /// For how long there has been no router, in ns; nil while there is one.
  public var routerGoneNs: UInt64?
  /// How many agents have ended so far whose last counts are in no sample.
  public var endedUnseen: Int

  /// Takes a look.
  public init(
    timeNs: UInt64, agents: [AgentCounters], routerGoneNs: UInt64? = nil, endedUnseen: Int = 0
  ) {
    self.timeNs = timeNs
    self.agents = agents
    self.routerGoneNs = routerGoneNs
    self.endedUnseen = endedUnseen
  }
}

/// What a sample says, and what changed since the one before.
public struct BusDelta: Equatable, Sendable {
  /// For how long there has been no router, in ns; nil while there is one.
  public let routerGoneNs: UInt64?
  /// Agents that live and can be watched.
  public let agents: Int
  /// Agents whose counters cannot be read, each with the reason.
  public let faults: [Fault]
  /// Agents that have ended since the sample before whose last counts are in no figure.
  public let endedUnseen: Int
  /// What each agent does on each channel.
  public let traffic: [ChannelTraffic]
  /// What became of each channel's messages.
  public let channels: [ChannelBalance]
  /// Seconds since the sample before; nil for the first.
  public let seconds: Double?

  /// An agent whose counters cannot be read.
  public struct Fault: Equatable, Sendable {
    /// Its name.
    public var agent: String
    /// Why.
    public var reason: String
  }

  /// The picture of a sample; with an earlier one also rates.
  public init(_ sample: BusSample, since earlier: BusSample? = nil) {
    let index = StreamIndex(sample)
    var traffic = Self.traffic(of: sample, index)
    var seconds: Double?
    if let earlier, sample.timeNs > earlier.timeNs {
      let passed = Double(sample.timeNs - earlier.timeNs) / 1e9
      let before = Self.traffic(of: earlier, StreamIndex(earlier))
      Self.addRates(to: &traffic, since: before, seconds: passed)
      seconds = passed
    }
    let here = Set(sample.agents.filter { !$0.hasEnded }.map { "inbox.\($0.name)" })
    self.traffic = ChannelTraffic.folded(traffic, inboxes: here)
    self.seconds = seconds
    routerGoneNs = sample.routerGoneNs
    endedUnseen = max(0, sample.endedUnseen - (earlier?.endedUnseen ?? 0))
    agents = sample.agents.count { !$0.hasEnded && $0.fault == nil }
    faults = sample.agents.compactMap { agent in
      agent.fault.map { Fault(agent: agent.name, reason: $0) }
    }
    channels = ChannelBalance.folded(Self.channels(of: sample, index), inboxes: here)
  }

  /// Messages a second that were published; 0 at the first look.
  public var sentPerSecond: Double { rate(.sent) }
  /// Messages a second that were handed over; 0 at the first look.
  public var receivedPerSecond: Double { rate(.received) }

  /// That agents have ended whose last counts nobody saw; nil when there were none.
  public var unseenEnds: String? {
    switch endedUnseen {
    case 0: nil
    case 1: "1 agent has ended unseen: its last counts are in no figure"
    default: "\(endedUnseen) agents have ended unseen: their last counts are in no figure"
    }
  }

  private func rate(_ direction: CounterDirection) -> Double {
    traffic.reduce(0) { $0 + ($1.key.direction == direction ? $1.rate : 0) }
  }

  /// A percentile of all one-way times since the sample before, in ns; nil when there were none.
  public func recentPercentile(_ share: Double) -> UInt64? {
    var all = LatencyHistogram()
    for one in traffic { if let recent = one.recent { all.add(recent.times) } }
    return all.percentile(share)
  }

  // MARK: Making one

  private static func traffic(of sample: BusSample, _ index: StreamIndex) -> [ChannelTraffic] {
    var found: [ChannelTraffic.Key: ChannelTraffic] = [:]
    for agent in sample.agents {
      for row in agent.rows where row.state != .ended {
        let key = ChannelTraffic.Key(agent.incarnation, row.identity)
        var one =
          found[key]
          ?? ChannelTraffic(
            key: key, agent: agent.name, category: agent.category, hasEnded: agent.hasEnded,
            streams: 0, counts: CounterCounts(), depth: 0, times: LatencyHistogram())
        one.counts.add(row.counts)
        if let times = row.times { one.times.add(times) }
        if row.state == .live {
          one.streams += 1
          one.depth = index.depth(of: row, by: agent.incarnation, with: one.depth)
        }
        found[key] = one
      }
    }
    return found.values.sorted { $0.key < $1.key }
  }

  private static func addRates(
    to traffic: inout [ChannelTraffic], since before: [ChannelTraffic], seconds: Double
  ) {
    let earlier = Dictionary(before.map { ($0.key, $0) }) { first, _ in first }
    for place in traffic.indices {
      let (now, then) = (traffic[place], earlier[traffic[place].key])
      func rate(_ count: KeyPath<CounterCounts, UInt64>) -> Double {
        let (more, less) = (now.counts[keyPath: count], then?.counts[keyPath: count] ?? 0)
        return more >= less ? Double(more - less) / seconds : 0
      }
      traffic[place].recent = ChannelTraffic.Recent(
        messagesPerSecond: rate(\.messages), bytesPerSecond: rate(\.bytes),
        times: now.times.since(then?.times ?? LatencyHistogram()))
    }
  }

  private static func channels(of sample: BusSample, _ index: StreamIndex) -> [ChannelBalance] {
    struct Key: Hashable {
      let channel: String
      let kind: CounterKind
      let lane: CounterLane
    }
    var found: [Key: ChannelBalance] = [:]
    for agent in sample.agents {
      for row in agent.rows where row.state != .ended {
        let identity = row.identity
        let key = Key(channel: identity.channel, kind: identity.kind, lane: identity.lane)
        // In place: a balance that is taken out and put back is copied with all that it names.
        found[key, default: ChannelBalance(channel: key.channel, kind: key.kind, lane: key.lane)]
          .add(row, of: agent, published: index.published(for: row))
      }
    }
    return found.values.sorted {
      ($0.channel, $0.kind.rawValue, $0.lane.rawValue)
        < ($1.channel, $1.kind.rawValue, $1.lane.rawValue)
    }
  }
}

extension ChannelTraffic.Key: Comparable {
  /// By agent, then channel, then the rest: an order that stays from look to look.
  public static func < (left: ChannelTraffic.Key, right: ChannelTraffic.Key) -> Bool {
    if left.incarnation != right.incarnation { return left.incarnation < right.incarnation }
    if left.channel != right.channel { return left.channel < right.channel }
    return (left.direction.rawValue, left.kind.rawValue, left.lane.rawValue, left.mode.rawValue)
      < (right.direction.rawValue, right.kind.rawValue, right.lane.rawValue, right.mode.rawValue)
  }
}

/// Finds the two sides of a stream.
struct StreamIndex {
  private struct Key: Hashable {
    let stream: UInt64
    let publisher: UInt64
    let lane: CounterLane
  }
  private var published: [Key: UInt64] = [:]
  private var slowest: [Key: UInt64] = [:]

  init(_ sample: BusSample) {
    for agent in sample.agents {
      // Ended rows, too: what was sent on a stream that was closed may still be read.
      for row in agent.rows where row.identity.direction == .sent && row.state != .past {
        let key = Self.key(row, publisher: agent.incarnation)
        published[key] = row.counts.messages
      }
    }
    for agent in sample.agents where !agent.hasEnded {
      for row in agent.rows where row.identity.direction == .received && row.state == .live {
        let key = Self.key(row, publisher: row.identity.peerIncarnation)
        slowest[key] = min(slowest[key] ?? .max, row.counts.sequence)
      }
    }
  }

  private static func key(_ row: CounterReading, publisher: UInt64) -> Key {
    Key(stream: row.identity.stream, publisher: publisher, lane: row.identity.lane)
  }

  /// How many messages the publisher of a reading has sent on its stream; nil: it is not seen.
  func published(for row: CounterReading) -> UInt64? {
    published[Self.key(row, publisher: row.identity.peerIncarnation)]
  }

  /// What waits for an agent, or for the slowest of its readers, with one row more.
  func depth(of row: CounterReading, by agent: UInt64, with before: UInt64?) -> UInt64? {
    guard let before else { return nil }
    switch row.identity.direction {
    case .received:
      guard let count = published(for: row) else { return nil }
      return before &+ (count > row.counts.sequence ? count - row.counts.sequence : 0)
    case .sent:
      guard let position = slowest[Self.key(row, publisher: agent)] else { return before }
      return max(before, row.counts.messages > position ? row.counts.messages - position : 0)
    }
  }
}
