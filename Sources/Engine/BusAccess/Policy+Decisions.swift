public import BusWire

extension Policy {
  /// Whether the caller's process may register under its name.
  public func mayTakeName(_ caller: Principal) -> Decision {
    if caller.name.isReserved { return .deny("\(caller.name) is reserved for the bus itself.") }
    if case .sameUser(let uid) = basis {
      guard caller.uid == uid else {
        return .deny("\(caller) is not the router's user \(uid), and no policy file is in force.")
      }
      return .allow("No policy file is in force: user \(uid) may take every name.")
    }
    if let entry = agents.first(where: { $0.holds(caller) }) {
      return .allow("Agent entry \(entry.name) lists user \(caller.uid).")
    }
    let named = agents.filter { $0.name.matches(caller.name) }
    guard !named.isEmpty else { return .deny("No agent entry names \(caller.name).") }
    let names = named.map(\.name.text).joined(separator: ", ")
    return .deny("User \(caller.uid) is not among the users of \(names).")
  }

  /// Whether the caller may publish on a topic; the answer is that for the topic's channel.
  public func mayWrite(_ caller: Principal, topic: Topic) -> Decision {
    mayWrite(caller, channel: channelMap.channel(of: topic))
  }

  /// Whether the caller may have a log on a channel.
  public func mayWrite(_ caller: Principal, channel: Topic) -> Decision {
    decide(caller, "write", channel, \.write)
  }

  /// Whether the caller may subscribe to a pattern.
  ///
  /// A pattern with a wildcard first is never more than the channels the caller may read. Each log
  /// still needs `mayRead(_:_:channel:)` before it is handed out.
  public func mayRead(_ caller: Principal, _ pattern: TopicPattern) -> Decision {
    let name = mayTakeName(caller)
    guard name.allowed else { return name }
    guard case .rules = basis else { return readFreely(pattern, because: name) }
    let everybody = Grant(channel: ChannelMap.broadcast)
    if broadcast == .everybody, everybody.covers(pattern) {
      return .allow("Everybody may read \(ChannelMap.broadcast).")
    }
    let grants = entries(for: caller).flatMap(\.read)
    if pattern.firstTokenIsWildcard {
      guard !grants.isEmpty else { return .deny("\(caller) has no right to read any channel.") }
      return .allow("\(pattern) is narrowed to the channels \(caller) may read.")
    }
    if let grant = grants.first(where: { $0.covers(pattern) }) {
      return .allow("\(caller) may read \(grant).")
    }
    return .deny("\(caller) may not read all of \(pattern); \(Self.listed(grants)).")
  }

  /// Whether the caller may map a log of a channel to serve a subscription.
  public func mayRead(_ caller: Principal, _ pattern: TopicPattern, channel: Topic) -> Decision {
    guard channelMap.reaches(pattern, channel: channel) else {
      return .deny("\(pattern) matches nothing in the channel \(channel).")
    }
    return decide(caller, "read", channel, \.read)
  }

  /// Whether the caller may read anything in a channel.
  public func mayRead(_ caller: Principal, channel: Topic) -> Decision {
    decide(caller, "read", channel, \.read)
  }

  /// Whether the caller may make the publishers of a channel wait for it.
  ///
  /// It needs the right to read the channel and, apart from it, the right to hold back.
  public func mayHoldBack(_ caller: Principal, channel: Topic) -> Decision {
    let read = decide(caller, "read", channel, \.read)
    guard read.allowed else { return read }
    return decide(caller, "hold back publishers of", channel, \.holdBack, broadcastIsFree: false)
  }

  /// Whether the caller may send requests to a service or an agent's own name.
  public func mayCall(_ caller: Principal, service: Topic) -> Decision {
    decide(caller, "call", service: service, \.call)
  }

  /// The services the caller may send requests to; empty: none.
  public func callPatterns(of caller: Principal) -> [TopicPattern] {
    guard mayTakeName(caller).allowed else { return [] }
    guard case .rules = basis else { return (try? TopicPattern(">")).map { [$0] } ?? [] }
    return entries(for: caller).flatMap(\.call)
  }

  /// Whether the caller may answer requests to a service; always so for its own name.
  public func mayAnswer(_ caller: Principal, service: Topic) -> Decision {
    let name = mayTakeName(caller)
    guard name.allowed else { return name }
    if service == caller.name { return .allow("\(service) is the caller's own name.") }
    return decide(caller, "answer", service: service, \.answer)
  }

  /// Whether the caller may watch the counters of every agent: names, channels, how much and how
  /// fast, but no message.
  public func mayWatch(_ caller: Principal) -> Decision {
    let name = mayTakeName(caller)
    guard name.allowed else { return name }
    guard case .rules = basis else { return name }
    if let entry = entries(for: caller).first(where: \.watch) {
      return .allow("Agent entry \(entry.name) may watch.")
    }
    return .deny("\(caller) may not watch: no entry for it says watch: true.")
  }

  private func readFreely(_ pattern: TopicPattern, because name: Decision) -> Decision {
    guard let prefix = pattern.literalPrefix, prefix.isReserved else { return name }
    guard prefix.isWithin(ChannelMap.broadcast) else {
      return .deny("\(pattern) is reserved for the bus itself.")
    }
    return name
  }

  private func decide(
    _ caller: Principal, _ verb: String, _ channel: Topic, _ rights: KeyPath<AgentRule, [Grant]>,
    broadcastIsFree: Bool = true
  ) -> Decision {
    let name = mayTakeName(caller)
    guard name.allowed else { return name }
    guard channelMap.isChannel(channel) else {
      let home = channelMap.channel(of: channel)
      return .deny("\(channel) is not a channel; its messages belong to the channel \(home).")
    }
    guard !channel.isReserved || channel.isWithin(ChannelMap.broadcast) else {
      return .deny("\(channel) is reserved for the bus itself.")
    }
    guard case .rules = basis else { return name }
    if broadcastIsFree, broadcast == .everybody, channel.isWithin(ChannelMap.broadcast) {
      return .allow("Everybody may \(verb) \(ChannelMap.broadcast).")
    }
    let grants = entries(for: caller).flatMap { $0[keyPath: rights] }
    if let grant = grants.first(where: { $0.covers(channel: channel) }) {
      return .allow("\(caller) may \(verb) \(grant).")
    }
    return .deny("\(caller) may not \(verb) the channel \(channel); \(Self.listed(grants)).")
  }

  private func decide(
    _ caller: Principal, _ verb: String, service: Topic,
    _ rights: KeyPath<AgentRule, [TopicPattern]>
  ) -> Decision {
    let name = mayTakeName(caller)
    guard name.allowed else { return name }
    guard !service.isReserved else { return .deny("\(service) is reserved for the bus itself.") }
    guard case .rules = basis else { return name }
    let patterns = entries(for: caller).flatMap { $0[keyPath: rights] }
    if let pattern = patterns.first(where: { $0.matches(service) }) {
      return .allow("\(caller) may \(verb) \(pattern).")
    }
    return .deny("\(caller) may not \(verb) \(service); \(Self.listed(patterns)).")
  }

  private static func listed(_ grants: [some CustomStringConvertible]) -> String {
    if grants.isEmpty { return "it has no such right at all" }
    return "it may only " + grants.map(\.description).joined(separator: ", ")
  }
}
