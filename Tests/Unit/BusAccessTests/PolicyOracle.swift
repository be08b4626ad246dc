import BusAccess
import BusWire

/// A policy as plain words, from which the tested `Policy` is built and an answer is derived anew.
struct PolicyWords: CustomStringConvertible {
  struct Agent {
    var name: String
    var users: Set<UInt32>
    var read: [String] = []
    var write: [String] = []
    var holdBack: [String] = []
    var call: [String] = []
    var answer: [String] = []
    var watch = false
  }

  var agents: [Agent] = []
  var channels: [String] = []
  var everybodyBroadcasts = true

  var description: String { "\(agents) channels \(channels) free \(everybodyBroadcasts)" }

  func policy() throws -> Policy {
    var policy = Policy()
    policy.broadcast = everybodyBroadcasts ? .everybody : .granted
    for agent in agents {
      var rule = AgentRule(name: try TopicPattern(agent.name), users: agent.users)
      rule.read = try agent.read.map { try Grant($0) }
      rule.write = try agent.write.map { try Grant($0) }
      rule.holdBack = try agent.holdBack.map { try Grant($0) }
      rule.call = try agent.call.map { try TopicPattern($0) }
      rule.answer = try agent.answer.map { try TopicPattern($0) }
      rule.watch = agent.watch
      try policy.add(rule)
    }
    for channel in channels { try policy.add(ChannelRule(name: try Topic(channel))) }
    return policy
  }
}

/// Decides by enumeration: a right is a set of topics, a channel is a set of topics.
///
/// No rule uses the token `z`, and topics go deeper than rules, so what holds for the topics listed
/// here holds for all.
struct PolicyOracle {
  static let topics: [String] = {
    var layer = [""]
    var all: [String] = []
    for _ in 0..<4 {
      layer = layer.flatMap { head in ["a", "b", "z"].map { head.isEmpty ? $0 : head + "." + $0 } }
      all += layer
    }
    let bus = [
      "bcs", "bcs.z", "bcs.a", "bcs.broadcast", "bcs.broadcast.z", "bcs.broadcast.a",
      "bcs.broadcast.a.z",
    ]
    return all + bus
  }()

  let words: PolicyWords
  private let homes: [String: String]

  init(_ words: PolicyWords) {
    self.words = words
    let grants = words.agents.flatMap { $0.read + $0.write + $0.holdBack }
    var declared = Set(words.channels + ["bcs.broadcast"])
    for grant in grants where grant != ">" {
      declared.insert(grant.hasSuffix(".>") ? String(grant.dropLast(2)) : grant)
    }
    homes = Dictionary(
      uniqueKeysWithValues: Self.topics.map { topic in
        let above = declared.filter { topic == $0 || topic.hasPrefix($0 + ".") }
        let longest = above.max { $0.count < $1.count }
        return (topic, longest ?? String(topic.prefix { $0 != "." }))
      })
  }

  func takes(_ name: String, _ uid: UInt32) -> Bool { !entries(name, uid).isEmpty }

  func writes(_ name: String, _ uid: UInt32, topic: String) -> Bool {
    guard let home = homes[topic] else { return false }
    return writes(name, uid, channel: home)
  }

  func writes(_ name: String, _ uid: UInt32, channel: String) -> Bool {
    has(name, uid, \.write, free: true, channel: channel)
  }

  func subscribes(_ name: String, _ uid: UInt32, _ pattern: String) -> Bool {
    guard takes(name, uid) else { return false }
    let grants = entries(name, uid).flatMap(\.read)
    if pattern.first == "*" || pattern.first == ">" { return !grants.isEmpty }
    let wanted = Self.topics.filter { Self.matches(pattern, $0) }
    return wanted.allSatisfy { given($0, grants, free: true) }
  }

  func maps(_ name: String, _ uid: UInt32, _ pattern: String, channel: String) -> Bool {
    let own = Self.topics.filter { homes[$0] == channel && Self.matches(pattern, $0) }
    return !own.isEmpty && has(name, uid, \.read, free: true, channel: channel)
  }

  func holdsBack(_ name: String, _ uid: UInt32, channel: String) -> Bool {
    has(name, uid, \.read, free: true, channel: channel)
      && has(name, uid, \.holdBack, free: false, channel: channel)
  }

  func watches(_ name: String, _ uid: UInt32) -> Bool {
    words.agents.contains { $0.watch && $0.users.contains(uid) && Self.matches($0.name, name) }
  }

  func calls(_ name: String, _ uid: UInt32, _ service: String) -> Bool {
    entries(name, uid).flatMap(\.call).contains { Self.matches($0, service) }
  }

  func answers(_ name: String, _ uid: UInt32, _ service: String) -> Bool {
    takes(name, uid)
      && (service == name
        || entries(name, uid).flatMap(\.answer).contains { Self.matches($0, service) })
  }

  private func entries(_ name: String, _ uid: UInt32) -> [PolicyWords.Agent] {
    words.agents.filter { $0.users.contains(uid) && Self.matches($0.name, name) }
  }

  private func has(
    _ name: String, _ uid: UInt32, _ rights: KeyPath<PolicyWords.Agent, [String]>, free: Bool,
    channel: String
  ) -> Bool {
    guard takes(name, uid), homes[channel] == channel else { return false }
    let grants = entries(name, uid).flatMap { $0[keyPath: rights] }
    let whole = Self.topics.filter { $0 == channel || $0.hasPrefix(channel + ".") }
    return whole.allSatisfy { given($0, grants, free: free) }
  }

  private func given(_ topic: String, _ grants: [String], free: Bool) -> Bool {
    if free, words.everybodyBroadcasts, (topic + ".").hasPrefix("bcs.broadcast.") { return true }
    return grants.contains { grant in
      Self.matches(grant, topic) || Self.matches(grant + ".>", topic)
        || (grant.hasSuffix(".>") && grant.dropLast(2) == topic)
    }
  }

  private static func matches(_ pattern: String, _ topic: String) -> Bool {
    let open = pattern.hasPrefix("*") || pattern.hasPrefix(">")
    if open && (topic == "bcs" || topic.hasPrefix("bcs.")) { return false }
    var tokens = topic.split(separator: ".")
    for part in pattern.split(separator: ".") {
      guard !tokens.isEmpty else { return false }
      if part == ">" { return true }
      let token = tokens.removeFirst()
      if part != "*" && part != token { return false }
    }
    return tokens.isEmpty
  }
}
