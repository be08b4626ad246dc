import BusAccess
import BusPorts
import BusWire

/// One segment of an agent's counters.
struct CounterSegment {
  let token: DescriptorToken
  let bytes: UInt64
}

extension RouterState {
  /// Takes the next segment of an agent's counters and gives it to everybody who watches.
  mutating func addCounters(
    _ frame: AddCountersFrame, _ segment: Segment, of agent: Incarnation, _ asker: Requester
  ) {
    guard let owner = agents[agent] else {
      act(.close(segment.token))
      return
    }
    if let refusal = objection(to: frame, by: owner) {
      turnDown(segment, asker, refusal)
      return
    }
    guard case .counters(let shape) = segment.finding else {
      turnDown(segment, asker, segment.refusal(wanted: "segment of counters"))
      return
    }
    guard shape.agent == owner.uuid, shape.incarnation == agent, shape.part == frame.part,
      shape.segmentBytes == frame.segmentBytes
    else {
      turnDown(segment, asker, Refusal(.invalid, Self.strayCountersText))
      return
    }
    budget.charge(shape.segmentBytes, to: agent)
    let part = CounterSegment(token: segment.token, bytes: shape.segmentBytes)
    agents[agent]?.counters.append(part)
    for watcher in watchers.sorted() {
      showCounters(of: agent, part: Int(frame.part), to: watcher, .news)
    }
    answer(asker, .done)
  }

  /// What stands against a segment of counters, by what its agent says of it; nil: nothing.
  func objection(to frame: AddCountersFrame, by owner: Agent) -> Refusal? {
    guard Int(frame.part) == owner.counters.count, owner.counters.count < limits.countersPerAgent
    else { return Refusal(.invalid, Self.strayCountersText) }
    let text = budget.objection(
      to: frame.segmentBytes, for: owner.incarnation, quota: owner.quota)
    return text.map { Refusal(.resourceExhausted, $0) }
  }

  private static var strayCountersText: String {
    "The counters are another agent's, or not this agent's next segment."
  }

  /// Gives an agent everybody's counters, and from now on those that come.
  mutating func watch(of agent: Incarnation, _ asker: Requester) {
    guard let viewer = agents[agent] else { return }
    let decision = policy.mayWatch(viewer.caller)
    guard decision.allowed else {
      refuse(
        asker, .denied,
        "The policy does not give \(viewer.name) the right to watch other agents' counters: ask "
          + "for `watch: true` in its entry of the router's policy file.")
      say(.notice, "denied: \(decision.reason)")
      return
    }
    // Who watches has been shown everybody, and is told of whoever comes: to show all of them
    // again would let one agent ask for any number of frames.
    if !watchers.contains(agent) {
      watchers.insert(agent)
      showAllCounters(to: agent)
    }
    answer(asker, .done)
  }

  /// Shows an agent no more counters.
  mutating func unwatch(of agent: Incarnation, _ asker: Requester) {
    watchers.remove(agent)
    answer(asker, .done)
  }

  /// Everybody's counters; sent together, so that they are dropped and made up for together.
  mutating func showAllCounters(to viewer: Incarnation) {
    walk(agents.count)
    for agent in agents.keys.sorted() {
      for part in agents[agent]?.counters.indices ?? 0..<0 {
        showCounters(of: agent, part: part, to: viewer, .snapshot)
      }
    }
  }

  /// Closes what an agent that ends had handed in, and tells everybody who watches.
  mutating func dropCounters(of agent: Agent) {
    for part in agent.counters {
      budget.credit(part.bytes, to: agent.incarnation)
      act(.close(part.token))
    }
    guard !agent.counters.isEmpty else { return }
    for watcher in watchers.sorted() {
      tell(watcher, .countersGone(CountersGoneFrame(incarnation: agent.incarnation)))
    }
  }

  private mutating func showCounters(
    of agent: Incarnation, part: Int, to viewer: Incarnation, _ delivery: Delivery
  ) {
    guard let owner = agents[agent], let peer = connections[owner.connection]?.peer,
      let connection = agents[viewer]?.connection
    else { return }
    let segment = owner.counters[part]
    let frame = CountersFrame(
      incarnation: agent, agent: owner.uuid, name: owner.name, category: owner.category,
      pid: UInt32(bitPattern: peer.pid), uid: peer.uid, part: UInt16(part),
      segmentBytes: segment.bytes)
    act(.send(connection, delivery, .counters(frame), segment.token))
  }
}
