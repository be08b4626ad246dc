import BusPorts
import BusWire

extension RouterState {
  /// Ends the time in which agents of a former router come back: who is not here is gone.
  ///
  /// What follows for each stream, its readers are told in turns: there may be thousands of each.
  mutating func endGrace() {
    inGrace = false
    // From here on none of them hands in anything, whenever it is told.
    for incarnation in agents.keys.sorted() where agents[incarnation]?.handingIn == .underWay {
      agents[incarnation]?.handingIn = .cutShort
      stragglers.append(incarnation)
    }
    unsettled = awaited
    awaited = FairQueue()
    settleStreams()
    tellProvisional()
    act(.log(.notice, "grace is over: \(agents.count) agents, \(streams.count) streams"))
  }

  /// An agent that began to hand in and did not end may not go on with half of what it had; false:
  /// it is none of those, or was told.
  @discardableResult
  mutating func fence(_ incarnation: Incarnation) -> Bool {
    guard let agent = agents[incarnation], agent.handingIn == .cutShort else { return false }
    agents[incarnation]?.handingIn = .refused
    let text = "The agent did not finish handing in within the grace: register again."
    refuse(Requester(connection: agent.connection, request: 0), .fenced, text)
    act(.drop(agent.connection, reason: text))
    return true
  }
}
