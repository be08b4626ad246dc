import BusCounters

// Whoever serves many short-lived requesters would have two rows for each of them for as long as it
// lives: those of requesters that have ended are one.

/// The name under which inboxes of agents that have ended are shown together.
public let endedInboxes = "inbox.*"

extension ChannelTraffic {
  /// The same traffic, in which rows about inboxes of agents that have ended are one for each
  /// agent, and those of the ended agents themselves one altogether; `inboxes` are those whose
  /// owners are there.
  static func folded(_ all: [ChannelTraffic], inboxes: Set<String>) -> [ChannelTraffic] {
    var kept: [ChannelTraffic] = []
    var folds: [Key: ChannelTraffic] = [:]
    for one in all {
      guard one.isOver(inboxes) else {
        kept.append(one)
        continue
      }
      var fold = one
      fold.key.channel = endedInboxes
      if one.hasEnded {
        fold.key.incarnation = 0
        (fold.agent, fold.category) = ("(ended)", "")
      }
      if let before = folds[fold.key] { fold.add(before) }
      folds[fold.key] = fold
    }
    return (kept + folds.values).sorted { $0.key < $1.key }
  }

  private func isOver(_ inboxes: Set<String>) -> Bool {
    guard key.kind == .pair else { return false }
    if hasEnded { return true }
    return key.direction == .sent && streams == 0 && !inboxes.contains(key.channel)
  }

  private mutating func add(_ other: ChannelTraffic) {
    streams += other.streams
    counts.add(other.counts)
    depth = depth.flatMap { depth in other.depth.map { max(depth, $0) } }
    times.add(other.times)
    guard var sum = recent, let more = other.recent else { return }
    sum.messagesPerSecond += more.messagesPerSecond
    sum.bytesPerSecond += more.bytesPerSecond
    sum.times.add(more.times)
    recent = sum
  }
}

extension ChannelBalance {
  /// The same channels, in which inboxes of agents that have ended are one; one that does not add
  /// up keeps its name.
  static func folded(_ all: [ChannelBalance], inboxes: Set<String>) -> [ChannelBalance] {
    var kept: [ChannelBalance] = []
    var folds: [CounterLane: ChannelBalance] = [:]
    for one in all {
      let isOver =
        one.kind == .pair && one.streams == 0 && one.readings == 0 && one.holds
        && !inboxes.contains(one.channel)
      guard isOver else {
        kept.append(one)
        continue
      }
      var fold =
        folds[one.lane] ?? ChannelBalance(channel: endedInboxes, kind: .pair, lane: one.lane)
      fold.add(one)
      folds[one.lane] = fold
    }
    return kept
      + folds.values.sorted { $0.lane.rawValue < $1.lane.rawValue }
  }

  private mutating func add(_ other: ChannelBalance) {
    published &+= other.published
    sent &+= other.sent
    delivered &+= other.delivered
    pending &+= other.pending
    gaps &+= other.gaps
    for place in drops.indices { drops[place] &+= other.drops[place] }
    unseen += other.unseen
    unsettled += other.unsettled
  }
}
