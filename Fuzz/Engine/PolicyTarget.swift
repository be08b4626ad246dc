import BusAccess
import BusFuzz
import BusPolicyFile
import BusWire

/// A policy file as text, through the YAML parser, and the decisions of what comes out of it.
final class PolicyTarget: FuzzTarget {
  static let name = "policy"
  static let bytesMax = 512

  private let callers: [Principal]
  private let stranger: Principal
  private let topics: [Topic]
  private let patterns: [TopicPattern]
  private static let users: [String: UInt32] = ["alice": 1000, "bob": 1001]

  init() throws {
    callers = [
      Principal(name: try Topic("hub"), uid: 1000), Principal(name: try Topic("cli.1"), uid: 1001),
    ]
    // No text names this user: the number is not among those a file can hold.
    stranger = Principal(name: try Topic("hub"), uid: .max)
    topics = try ["a", "alerts", "alerts.disk", "bcs.broadcast", "bcs.x", "bcs"].map {
      try Topic($0)
    }
    patterns = try [">", "alerts.>", "a.*", "bcs.>"].map { try TopicPattern($0) }
  }

  func run(_ input: inout FuzzInput) throws(Broken) {
    let bytes = input.rest()
    guard let text = String(validating: bytes, as: UTF8.self) else { return }
    let policy: Policy
    do throws(PolicyFileError) {
      policy = try PolicyFile.parse(text, file: "f") { name in Self.users[name] }
    } catch {
      try claim(!"\(error)".isEmpty, "an error without words")
      return
    }
    try claim(!policy.isSameUser, "a file that makes the policy of one user")
    try claim(!policy.mayTakeName(stranger).allowed, "a user of no entry may take a name")
    for caller in callers { try ask(policy, caller) }
    let isRich = policy.agents.contains { !$0.read.isEmpty && !$0.answer.isEmpty && $0.watch }
    Canary.sing(when: isRich && policy.broadcast == .granted)
  }

  private func ask(_ policy: Policy, _ caller: Principal) throws(Broken) {
    let may = policy.mayTakeName(caller).allowed
    let rights = [
      policy.mayWatch(caller).allowed, !policy.callPatterns(of: caller).isEmpty,
    ]
    try claim(may || !rights.contains(true), "rights without a name")
    for topic in topics {
      let isOfBus = topic.isReserved && !topic.isWithin(ChannelMap.broadcast)
      let channel = policy.channelMap.channel(of: topic)
      try claim(topic.isWithin(channel), "\(topic) belongs to \(channel)")
      let write = policy.mayWrite(caller, topic: topic).allowed
      let held = policy.mayHoldBack(caller, channel: topic).allowed
      let given = [
        write, held, policy.mayWrite(caller, channel: topic).allowed,
        policy.mayCall(caller, service: topic).allowed,
        topic != caller.name && policy.mayAnswer(caller, service: topic).allowed,
      ]
      try claim(may || !given.contains(true), "\(caller) has a right and may not take its name")
      try claim(!isOfBus || !given.contains(true), "\(caller) has a right to \(topic)")
      _ = policy.settings(of: topic)
      for pattern in patterns {
        let whole = policy.mayRead(caller, pattern).allowed
        let part = policy.mayRead(caller, pattern, channel: topic).allowed
        try claim(may || !(whole || part), "\(caller) may read \(pattern)")
        try claim(!isOfBus || !part, "\(caller) may read \(topic)")
      }
    }
    _ = policy.quotaBytes(of: caller)
  }

  static func seeds() -> [[UInt8]] {
    let full = """
      agents:
        - name: hub
          users: [alice, 1001]
          read: ["alerts.>", a]
          write: [alerts]
          hold_back: [a]
          services: {call: ["x.>"], answer: [math]}
          watch: true
          quota: 64 MiB
        - {name: cli.>, users: [bob]}
      channels:
        - alerts.disk
        - name: a
          max_log: 1 MiB
      broadcast: granted
      """
    return [
      full, "agents: []", "agents:\n  - name: \">\"\n    users: [1000]\n    read: [\">\"]\n",
      "agents: [{name: hub, users: [alice], write: [\"bcs.broadcast\"]}]\n",
      "a: &x [*x]", "agents: &a\n- <<: *a\n", "? [a]\n: b\n", "agents: |\n  text\n",
      "%YAML 1.1\n---\n",
      "agents: [{name: hub, users: [0], quota: 18446744073709551615 GiB}]",
      "agents: []\nchannels: [bcs.x]\n", "agents: []\nagents: []\n", "\u{FEFF}agents: []\n...\n",
    ].map { Array($0.utf8) }
  }
}
