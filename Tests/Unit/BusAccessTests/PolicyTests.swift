import BusAccess
import BusWire
import Testing

@Suite("Policy")
struct PolicyTests {
  @Test("Without a policy one user may take every name and do everything, others nothing")
  func sameUser() throws {
    let policy = Policy.sameUser(1000)
    let own = Principal(name: try Topic("any.name"), uid: 1000)
    let other = Principal(name: try Topic("any.name"), uid: 1001)
    let channel = try Topic("alerts")
    for (caller, expected) in [(own, true), (other, false)] {
      #expect(policy.mayTakeName(caller).allowed == expected)
      #expect(policy.mayWrite(caller, topic: try Topic("alerts.disk")).allowed == expected)
      #expect(policy.mayRead(caller, try TopicPattern(">")).allowed == expected)
      #expect(
        policy.mayRead(caller, try TopicPattern("alerts.*"), channel: channel).allowed == expected)
      #expect(policy.mayHoldBack(caller, channel: channel).allowed == expected)
      #expect(policy.mayWatch(caller).allowed == expected)
      #expect(policy.mayCall(caller, service: channel).allowed == expected)
      #expect(policy.mayAnswer(caller, service: channel).allowed == expected)
      #expect(policy.mayWrite(caller, channel: ChannelMap.broadcast).allowed == expected)
    }
    #expect(policy.isSameUser && !Policy().isSameUser)
  }

  @Test("The bus's own names are refused to everybody, policy or not")
  func reservedNames() throws {
    let own = Principal(name: try Topic("x"), uid: 1)
    let policy = Policy.sameUser(1)
    #expect(!policy.mayTakeName(Principal(name: try Topic("bcs.router"), uid: 1)).allowed)
    #expect(!policy.mayWrite(own, topic: try Topic("bcs.other")).allowed)
    #expect(!policy.mayRead(own, try TopicPattern("bcs.>")).allowed)
    #expect(!policy.mayRead(own, try TopicPattern(">"), channel: ChannelMap.broadcast).allowed)
    #expect(!policy.mayCall(own, service: try Topic("bcs.x")).allowed)
  }

  @Test("A log on a name that is no channel is refused, though the right covers its topics")
  func onlyChannels() throws {
    var policy = Policy()
    var rule = AgentRule(name: try TopicPattern("x"), users: [1])
    rule.write = [try Grant("alerts.>")]
    try policy.add(rule)
    let caller = Principal(name: try Topic("x"), uid: 1)
    #expect(policy.mayWrite(caller, topic: try Topic("alerts.disk.sda")).allowed)
    let decision = policy.mayWrite(caller, channel: try Topic("alerts.disk"))
    #expect(!decision.allowed)
    #expect(
      decision.reason
        == "alerts.disk is not a channel; its messages belong to the channel alerts.")
  }

  @Test("A denial names the caller, the right and what is granted instead; a caller learns nothing")
  func reasons() throws {
    var policy = Policy()
    var rule = AgentRule(name: try TopicPattern("worker.*"), users: [7])
    rule.read = [try Grant("tasks"), try Grant("news.>")]
    try policy.add(rule)
    let caller = Principal(name: try Topic("worker.1"), uid: 7)
    #expect(
      policy.mayRead(caller, try TopicPattern("secret.>")).reason
        == "worker.1 (user 7) may not read all of secret.>; it may only tasks.>, news.>.")
    #expect(
      policy.mayWrite(caller, topic: try Topic("tasks.x")).reason
        == "worker.1 (user 7) may not write the channel tasks; it has no such right at all.")
    #expect(
      policy.mayTakeName(Principal(name: caller.name, uid: 8)).reason
        == "User 8 is not among the users of worker.*.")
    #expect(!Decision.remoteText.contains("tasks"))
  }

  @Test(
    "A right that is not a whole channel, or the bus's own, is refused",
    arguments: [
      ("a.*", PolicyError.partOfAChannel("a.*")), ("*.b", .partOfAChannel("*.b")),
      ("*", .partOfAChannel("*")), ("a.*.>", .partOfAChannel("a.*.>")),
      ("*.>", .partOfAChannel("*.>")), ("bcs.x", .reservedName("bcs.x")),
      ("bcs.>", .reservedName("bcs.>")), ("a..b", .badName("a..b", .emptyToken(position: 2))),
    ])
  func badGrants(text: String, error: PolicyError) {
    #expect(throws: error) { try Grant(text) }
    #expect(error.description.contains(text.debugDescription))
  }

  @Test("A channel name too long for anything below it can still be granted")
  func longGrant() throws {
    let name = String(repeating: "x", count: 127)
    let grant = try Grant(name)
    #expect(grant.description == name)
    #expect(try grant.covers(TopicPattern(name)) && grant.covers(channel: Topic(name)))
    #expect(try !grant.covers(TopicPattern(">")))
  }

  @Test("Rules that cannot be meant are refused and change nothing")
  func badRules() throws {
    var policy = Policy()
    let rule = AgentRule(name: try TopicPattern("x"), users: [1])
    try policy.add(rule)
    #expect(throws: PolicyError.duplicateAgent("x")) { try policy.add(rule) }
    #expect(throws: PolicyError.noUsers("y")) {
      try policy.add(AgentRule(name: TopicPattern("y"), users: []))
    }
    #expect(throws: PolicyError.reservedName("bcs.>")) {
      try policy.add(AgentRule(name: TopicPattern("bcs.>"), users: [1]))
    }
    var greedy = AgentRule(name: try TopicPattern("y"), users: [1])
    greedy.read = [try Grant("new.channel")]
    greedy.quotaBytes = 0
    #expect(throws: PolicyError.quotaIsZero("y")) { try policy.add(greedy) }
    var settings = ChannelSettings()
    settings.logBytesMax = 100_000
    #expect(throws: PolicyError.logOutOfRange(100_000)) {
      try policy.add(ChannelRule(name: Topic("c.d"), settings: settings))
    }
    #expect(throws: PolicyError.reservedName("bcs.x")) {
      try policy.add(ChannelRule(name: Topic("bcs.x")))
    }
    #expect(policy.channelMap == ChannelMap())
    #expect(!policy.mayTakeName(Principal(name: try Topic("y"), uid: 1)).allowed)
  }

  @Test("Settings come from the nearest entry above, the quota from the most generous entry")
  func settings() throws {
    var policy = Policy()
    var settings = ChannelSettings()
    settings.logBytesMax = 1 << 20
    try policy.add(ChannelRule(name: Topic("frames"), settings: settings))
    try policy.add(ChannelRule(name: Topic("frames.left")))
    #expect(policy.settings(of: try Topic("frames.right.eye")) == settings)
    #expect(policy.settings(of: try Topic("frames.left.eye")) == ChannelSettings())
    #expect(policy.settings(of: try Topic("other")) == ChannelSettings())
    #expect(throws: PolicyError.duplicateChannel("frames")) {
      try policy.add(ChannelRule(name: Topic("frames")))
    }
    for (name, quota) in [("a.*", 10), ("a.>", 20), (">", nil)] as [(String, UInt64?)] {
      var rule = AgentRule(name: try TopicPattern(name), users: [1])
      rule.quotaBytes = quota
      try policy.add(rule)
    }
    #expect(policy.quotaBytes(of: Principal(name: try Topic("a.b"), uid: 1)) == 20)
    #expect(policy.quotaBytes(of: Principal(name: try Topic("b"), uid: 1)) == nil)
  }
}
