package import BusCounters
package import BusWire

/// One look at the counters of many agents; each row is copied once unless its agent disturbs it.
package struct CounterLook {
  /// What everybody counts.
  package private(set) var agents: [AgentCounters] = []
  /// What readers that have ended had not taken, as far as this look is the first to ask.
  package private(set) var left: [Incarnation: [CounterReading.Key: UInt64]] = [:]
  /// How often a row was read.
  package private(set) var tries = 0

  /// Looks at these agents.
  package init(at entries: [WatchedAgents.Entry], nowNs: UInt64) {
    // Readers before publishers: the other way round a message could be taken before it was sent.
    var received: [[CounterReading]] = []
    for entry in entries { received.append(entry.view.look(.received, tries: &tries)) }
    var sent: [[CounterReading]] = []
    for entry in entries { sent.append(entry.view.look(.sent, tries: &tries)) }
    findLeft(entries, received, sent)
    for (place, entry) in entries.enumerated() {
      let left = entry.left ?? self.left[entry.incarnation] ?? [:]
      let readers = received[place].map { row in left[row.key].map { row.leaving($0) } ?? row }
      agents.append(
        AgentCounters(
          name: entry.name, category: entry.category, pid: entry.pid, uid: entry.uid,
          incarnation: entry.incarnation.value, hasEnded: (entry.endNs ?? .max) <= nowNs,
          fault: entry.fault, rows: sent[place] + readers))
    }
  }

  /// One lane of a publisher's stream.
  private struct Lane: Hashable {
    let publisher: UInt64
    let stream: UInt64
    let lane: CounterLane

    init(_ row: CounterReading, publisher: UInt64) {
      self.publisher = publisher
      stream = row.identity.stream
      lane = row.identity.lane
    }
  }

  /// What agents that are no more will not take.
  ///
  /// Their publishers go on, and what these send after this look is not their business. Lanes are
  /// collected first, so that the rows of publishers are gone through once, whoever reads them.
  private mutating func findLeft(
    _ entries: [WatchedAgents.Entry], _ received: [[CounterReading]], _ sent: [[CounterReading]]
  ) {
    var counts: [Lane: UInt64?] = [:]
    let ended = entries.indices.filter { entries[$0].left == nil }
    for place in ended {
      for row in received[place] where row.state == .live {
        counts[Lane(row, publisher: row.identity.peerIncarnation)] = .some(nil)
      }
    }
    guard !ended.isEmpty else { return }
    for (place, entry) in entries.enumerated() {
      for row in sent[place] where row.state != .past {
        let lane = Lane(row, publisher: entry.incarnation.value)
        if case .some(nil) = counts[lane] { counts[lane] = row.counts.messages }
      }
    }
    for place in ended {
      var unread: [CounterReading.Key: UInt64] = [:]
      for row in received[place] where row.state == .live {
        let lane = Lane(row, publisher: row.identity.peerIncarnation)
        guard let count = counts[lane] ?? nil, count > row.counts.sequence else { continue }
        unread[row.key] = count - row.counts.sequence
      }
      left[entries[place].incarnation] = unread
    }
  }
}
