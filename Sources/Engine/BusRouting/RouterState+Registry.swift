import BusAccess
import BusPorts
import BusWire

extension RouterState {
  mutating func connected(_ connection: ConnectionID, _ peer: Peer) {
    let ofUser = connectionsOfUser[peer.uid] ?? 0
    guard connections.count < limits.connections, ofUser < limits.connectionsPerUser else {
      let text =
        "The router has \(connections.count) connections, \(ofUser) of them of user "
        + "\(peer.uid): end some agents."
      refuse(Requester(connection: connection, request: 0), because: .limit, text)
      act(.drop(connection, reason: text))
      return
    }
    // Of a user who may take no name nothing is wanted; a few may come and be told so.
    let isStranger = peer.uid != identity.uid && peer.uid != 0 && !policy.names(user: peer.uid)
    guard !isStranger || strangers < limits.connectionsOfStrangers else {
      let text = strangerText(peer) + " Too many such users are here."
      refuse(Requester(connection: connection, request: 0), .denied, text)
      act(.drop(connection, reason: text))
      return
    }
    if isStranger { strangers += 1 }
    connections[connection] = Connection(peer: peer, isStranger: isStranger)
    connectionsOfUser[peer.uid] = ofUser + 1
  }

  /// What a user is told to whom no name can be given.
  func strangerText(_ peer: Peer) -> String {
    policy.isSameUser
      ? "This is user \(peer.uid), not the router's user \(identity.uid), and no policy file is in "
        + "force."
      : "The policy gives user \(peer.uid) no name."
  }

  mutating func greet(_ hello: HelloFrame, _ asker: Requester) {
    guard hello.layoutVersion == ControlFormat.layoutVersion else {
      let text =
        "The agent was built with layout version \(hello.layoutVersion), the router with "
        + "\(ControlFormat.layoutVersion): install the same release for both."
      refuse(asker, .incompatibleVersion, text)
      act(.drop(asker.connection, reason: text))
      return
    }
    guard connections[asker.connection]?.incarnation == nil else {
      refuse(asker, .invalid, "This connection has said hello already.")
      return
    }
    let own = Incarnation(nextNumber())
    connections[asker.connection]?.incarnation = own
    connections[asker.connection]?.program = String(hello.program.prefix(64))
    let welcome = WelcomeFrame(
      routerIncarnation: incarnation, incarnation: own, arenaBytes: limits.arenaBytes,
      routerPid: identity.pid, logBytesFirst: limits.logBytesFirst,
      logBytesMax: limits.logBytesMax, stallMs: limits.stallMs)
    answer(asker, .welcome(welcome), with: clockPage)
  }

  mutating func register(_ frame: RegisterFrame, _ segment: Segment, _ asker: Requester) {
    guard let connection = connections[asker.connection], let own = connection.incarnation,
      connection.agent == nil
    else {
      turnDown(segment, asker, Refusal(.invalid, "Register once, after hello."))
      return
    }
    let claim = Claim(
      name: frame.name, category: frame.category, agent: frame.agent, incarnation: own)
    guard admit(claim, segment, connection.peer, asker) else { return }
    sendRegistered(own, connection.peer, asker)
  }

  /// Who an agent says it is.
  struct Claim {
    let name: String
    let category: String
    let agent: BusUUID
    let incarnation: Incarnation
  }

  /// Puts the agent into the registry, or answers why not and closes the segment.
  mutating func admit(
    _ claim: Claim, _ segment: Segment, _ peer: Peer, _ asker: Requester
  ) -> Bool {
    guard let caller = check(claim, peer, asker) else {
      act(.close(segment.token))
      return false
    }
    guard case .reader(let shape) = segment.finding else {
      turnDown(segment, asker, segment.refusal(wanted: "reader segment"))
      return false
    }
    guard shape.agent == claim.agent, shape.incarnation == claim.incarnation else {
      turnDown(
        segment, asker, Refusal(.invalid, "The reader segment names another agent or incarnation."))
      return false
    }
    let quota = policy.quotaBytes(of: caller) ?? limits.agentBytes
    budget.open(claim.incarnation, user: caller.uid)
    if let text = budget.objection(
      to: shape.segmentBytes, for: claim.incarnation, quota: quota)
    {
      budget.close(claim.incarnation)
      turnDown(segment, asker, Refusal(.resourceExhausted, text))
      return false
    }
    budget.charge(shape.segmentBytes, to: claim.incarnation)
    agents[claim.incarnation] = Agent(
      connection: asker.connection, caller: caller, category: claim.category, uuid: claim.agent,
      incarnation: claim.incarnation, reader: segment.token, readerBytes: shape.segmentBytes,
      quota: quota)
    agentsByName[caller.name] = claim.incarnation
    agentsByUUID[claim.agent] = claim.incarnation
    connections[asker.connection]?.agent = claim.incarnation
    respondersChanged(ofOwnNameOf: caller)
    return true
  }

  private mutating func check(_ claim: Claim, _ peer: Peer, _ asker: Requester) -> Principal? {
    let name: Topic
    do {
      try AgentName.check(claim.name)
      name = try Topic(claim.name)
    } catch {
      refuse(asker, .invalid, "\(error)")
      return nil
    }
    guard claim.category.utf8.count <= limits.categoryBytes, claim.agent.isAgent else {
      refuse(
        asker, .invalid,
        "A category has at most \(limits.categoryBytes) bytes, and an agent a UUID.")
      return nil
    }
    guard claim.agent.mayBelong(toAgent: claim.name) else {
      refuse(
        asker, .invalid,
        "\(claim.agent) is not the UUID of the name \(name), nor one that an agent may bring: "
          + "leave it out, or make one of version 4 or 7.")
      return nil
    }
    let caller = Principal(name: name, uid: peer.uid)
    let decision = policy.mayTakeName(caller)
    guard decision.allowed else {
      if policy.isSameUser, peer.uid != identity.uid {
        // Nothing is given away: there are no rules that could be found out.
        refuse(
          asker, .denied,
          "The router runs as user \(identity.uid) without a policy file and serves that user "
            + "alone, this process is user \(peer.uid): run it as that user, or start the router "
            + "with a policy file that lists user \(peer.uid).")
        say(.notice, "denied: \(decision.reason)")
      } else {
        deny(asker, because: decision.reason)
      }
      return nil
    }
    guard agentsByName[name] == nil, agentsByUUID[claim.agent] == nil else {
      refuse(
        asker, .nameInUse,
        "A living agent holds the name \(name) or its UUID.")
      return nil
    }
    return caller
  }

  mutating func sendRegistered(_ incarnation: Incarnation, _ peer: Peer, _ asker: Requester) {
    guard let agent = agents[incarnation] else { return }
    let ticket = seal(ticketBytes(agent.name, agent.uuid, incarnation, peer))
    let channels = policy.channelMap.channels.map { channel in
      let most = policy.settings(of: channel).logBytesMax ?? limits.logBytesMax
      return ChannelLimit(prefix: channel.text, logBytesMax: most)
    }
    answer(
      asker,
      .registered(
        RegisteredFrame(
          agent: agent.uuid, incarnation: incarnation, ticket: ticket, channels: channels)))
    act(.log(.debug, "agent \(agent.name) is process \(peer.pid) of user \(peer.uid)"))
  }
}
