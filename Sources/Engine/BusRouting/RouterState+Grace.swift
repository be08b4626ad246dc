import BusPorts
import BusWire

extension RouterState {
  /// Ends the time in which agents of a former router come back: who is not here is gone.
  ///
  /// What follows for each stream, its readers are told in turns: there may be thousands of each.
  mutating func endGrace() {
    inGrace = false
    fenceStragglers()
    endedHere = settleClaims()
    letUnclaimedGo()
    handedInReaders = [:]
    for (id, stream) in streams.sorted(by: { $0.key < $1.key }) {
      unsettled.add(id, of: stream.publisherUser)
    }
    settleStreams()
    allRespondersChanged()
    act(.log(.notice, "grace is over: \(agents.count) agents, \(streams.count) streams"))
  }

  /// Agents that began to hand in and did not end may not go on with half of what they had.
  private mutating func fenceStragglers() {
    for incarnation in agents.keys.sorted() {
      guard let agent = agents[incarnation], agent.handsIn else { continue }
      agents[incarnation]?.handsIn = false
      let text = "The agent did not finish handing in within the grace: register again."
      refuse(Requester(connection: agent.connection, request: 0), .fenced, text)
      act(.drop(agent.connection, reason: text))
    }
  }
}
