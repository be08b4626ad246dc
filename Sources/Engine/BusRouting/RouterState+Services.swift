import BusAccess
import BusPorts
import BusWire

// Names that agents answer to, and who wants to know who answers them.

extension RouterState {
  /// An agent answers a name from now on, or no more.
  mutating func answerName(_ frame: AnswerFrame, of agent: Incarnation, _ asker: Requester) {
    guard let name = serviceName(frame.name, frame.group, asker), let own = agents[agent] else {
      return
    }
    guard frame.answers else {
      remove(agent, from: name)
      answer(asker, .done)
      return
    }
    let decision = policy.mayAnswer(own.caller, service: name.topic)
    guard decision.allowed else {
      deny(asker, because: decision.reason)
      return
    }
    // One that comes back had it before the agent with that name was there.
    let isBack = own.handingIn == .underWay
    if name.group == .service, !isBack, let holder = agentsByName[name.topic], holder != agent {
      refuse(
        asker, .nameInUse,
        "\(name.topic) is the name of a living agent, which alone answers it: take another.")
      return
    }
    guard own.answers.contains(name) || own.answers.count < limits.answersPerAgent else {
      refuse(
        asker, because: .limit, "An agent may answer \(limits.answersPerAgent) names.")
      return
    }
    if !own.answers.contains(name), let text = nameObjection(own) {
      refuse(asker, because: .limit, text)
      return
    }
    let isNew = agents[agent]?.answers.insert(name).inserted == true
    answer(asker, .done)
    // Who says it again and again has nobody told again and again.
    guard isNew else { return }
    count(\.names, 1, of: own.caller.uid)
    answering[name, default: []].insert(agent)
    respondersChanged(of: name, by: own.caller.uid)
  }

  /// Says who answers a name, now and at each change.
  mutating func resolve(_ frame: NameFrame, of agent: Incarnation, _ asker: Requester) {
    guard let name = serviceName(frame.name, frame.group, asker), let own = agents[agent] else {
      return
    }
    let decision = policy.mayCall(own.caller, service: name.topic)
    guard decision.allowed else {
      deny(asker, because: decision.reason)
      return
    }
    guard own.interests.contains(name) || own.interests.count < limits.interestsPerAgent else {
      refuse(
        asker, because: .limit,
        "An agent may talk to \(limits.interestsPerAgent) different names at a time: forget some.")
      return
    }
    if !own.interests.contains(name), let text = nameObjection(own) {
      refuse(asker, because: .limit, text)
      return
    }
    if agents[agent]?.interests.insert(name).inserted == true {
      count(\.names, 1, of: own.caller.uid)
    }
    interested[name, default: []].insert(agent)
    if awaitsAgents { provisional.insert(name) }
    var frames = responders(of: name)
    let last = frames.removeLast()
    // An answer is one frame, which ends the list.
    for frame in frames { act(.send(asker.connection, .news, .responders(frame), nil)) }
    answer(asker, .responders(last))
  }

  /// The agent is not notified of the name any more, and its place among its interests is free.
  mutating func forget(_ frame: NameFrame, of agent: Incarnation, _ asker: Requester) {
    guard let name = serviceName(frame.name, frame.group, asker),
      agents[agent]?.interests.remove(name) != nil
    else { return }
    count(\.names, -1, of: agents[agent]?.caller.uid)
    withdrawInterest(of: agent, in: name)
  }

  private func nameObjection(_ agent: Agent) -> String? {
    objection(toOneMore: \.names, "names", of: agent.caller.uid, all: limits.names)
  }

  private mutating func withdrawInterest(of agent: Incarnation, in name: ServiceName) {
    interested[name]?.remove(agent)
    guard interested[name]?.isEmpty == true else { return }
    interested[name] = nil
    provisional.remove(name)
  }

  private mutating func serviceName(
    _ text: String, _ group: ServiceGroup, _ asker: Requester
  ) -> ServiceName? {
    do throws(TopicError) {
      return ServiceName(group: group, topic: try Topic(text))
    } catch {
      refuse(asker, .invalid, "\(error)")
      return nil
    }
  }

  /// Who takes messages for a name, in one frame or more; an agent's own name is answered by it
  /// alone.
  mutating func responders(of name: ServiceName) -> [RespondersFrame] {
    var found = answering[name] ?? []
    if name.group == .service, let owner = agentsByName[name.topic] { found = [owner] }
    walk(found.count * Self.entriesOfResponder)
    let living = found.sorted().compactMap { incarnation -> Responder? in
      guard let agent = agents[incarnation], agent.hasInbox else { return nil }
      return Responder(incarnation: incarnation, name: agent.name)
    }
    let most = RespondersFrame.respondersMax
    let total = UInt16(clamping: living.count)
    return stride(from: 0, to: max(1, Int(total)), by: most).map { first in
      RespondersFrame(
        name: name.topic.text, group: name.group, isProvisional: awaitsAgents,
        before: UInt16(first), total: total,
        responders: Array(living[first..<min(first + most, Int(total))]))
    }
  }

  /// What it takes to look at who answers a name, in entries of tables.
  static var entriesOfResponder: Int { 16 }

  private mutating func remove(_ agent: Incarnation, from name: ServiceName) {
    guard agents[agent]?.answers.remove(name) != nil, let user = agents[agent]?.caller.uid else {
      return
    }
    count(\.names, -1, of: user)
    withdraw(agent, from: name)
    respondersChanged(of: name, by: user)
  }

  private mutating func withdraw(_ agent: Incarnation, from name: ServiceName) {
    answering[name]?.remove(agent)
    if answering[name]?.isEmpty == true { answering[name] = nil }
  }

  /// Takes an agent that ended off every list; `agent` is the copy from before its end.
  mutating func forgetNames(of agent: Agent) {
    for name in agent.interests { withdrawInterest(of: agent.incarnation, in: name) }
    for name in agent.answers.sorted() {
      withdraw(agent.incarnation, from: name)
      respondersChanged(of: name, by: agent.caller.uid)
    }
  }
}

extension ServiceName: Comparable {
  static func < (left: ServiceName, right: ServiceName) -> Bool {
    (left.group.rawValue, left.topic) < (right.group.rawValue, right.topic)
  }
}
