import BusAccess
import BusPolicyFile
import BusWire
import Testing

@Suite("Policy file: what it says")
struct PolicyFileTests {
  private static func parse(_ text: String) throws -> Policy {
    try PolicyFile.parse(text, file: "p.yaml") { ["ann": 1001, "bob": 1002][$0] }
  }

  /// Lines 1 to 3 of a policy; what a case adds starts at line 4.
  private static let head = "agents:\n  - name: x\n    users: [ann]\n"

  private static func expect(_ text: String, line: Int?, _ problem: PolicyFileError.Problem) {
    #expect(throws: PolicyFileError(file: "p.yaml", line: line, problem)) { try parse(text) }
  }

  @Test("Every key reaches the policy")
  func everyKey() throws {
    let policy = try Self.parse(
      """
      # comment
      agents:
        - name: hub.*
          users: [ann, "1005", 0]
          read: [alerts.>, bcs.broadcast]
          write:
            - ticks
          hold_back: [alerts.disk]
          services: {call: ["*.b"], answer: [sum.up]}
          watch: true
          quota: 3 MiB
        - {name: idle, users: [bob]}
      channels:
        - ticks.fast
        - {name: ticks, max_log: 128KiB}
      broadcast: granted
      """)
    let hub = Principal(name: try Topic("hub.1"), uid: 1005)
    let idle = Principal(name: try Topic("idle"), uid: 1002)
    for uid: UInt32 in [0, 1001, 1005] {
      #expect(policy.mayTakeName(Principal(name: hub.name, uid: uid)).allowed)
    }
    #expect(!policy.mayTakeName(Principal(name: hub.name, uid: 1002)).allowed)
    #expect(policy.mayRead(hub, try TopicPattern("alerts.*")).allowed)
    #expect(policy.mayRead(hub, try TopicPattern("bcs.broadcast")).allowed)
    #expect(!policy.mayRead(idle, try TopicPattern("bcs.broadcast")).allowed)
    #expect(policy.mayWrite(hub, channel: try Topic("ticks.fast")).allowed)
    #expect(!policy.mayWrite(hub, channel: try Topic("alerts")).allowed)
    #expect(policy.mayHoldBack(hub, channel: try Topic("alerts.disk")).allowed)
    #expect(!policy.mayHoldBack(hub, channel: try Topic("alerts")).allowed)
    #expect(policy.mayCall(hub, service: try Topic("a.b")).allowed)
    #expect(policy.mayAnswer(hub, service: try Topic("sum.up")).allowed)
    #expect(!policy.mayAnswer(idle, service: try Topic("sum.up")).allowed)
    #expect(policy.mayWatch(hub).allowed && !policy.mayWatch(idle).allowed)
    #expect(policy.quotaBytes(of: hub) == 3 << 20)
    let settings = policy.settings(of: try Topic("ticks"))
    #expect(settings.logBytesMax == 128 << 10)
    #expect(
      policy.channelMap.channels.map(\.text)
        == ["alerts", "alerts.disk", "bcs.broadcast", "ticks", "ticks.fast"])
  }

  @Test(
    "A text without content is empty, not a policy",
    arguments: ["", "\n", "# only a comment\n", "---\n", "~", "null"])
  func empty(text: String) {
    #expect(throws: PolicyFileError.self) { try Self.parse(text) }
    do {
      _ = try Self.parse(text)
    } catch {
      #expect((error as? PolicyFileError)?.problem == .empty)
    }
  }

  @Test("Unknown keys are named with their line and the keys that exist")
  func unknownKeys() {
    Self.expect(
      Self.head + "roles: []\n", line: 4,
      .unknownKey("roles", allowed: ["agents", "channels", "broadcast"]))
    let keys = ["name", "users", "read", "write", "hold_back", "services", "watch", "quota"]
    Self.expect(
      Self.head + "    read: []\n    reads: []\n", line: 5, .unknownKey("reads", allowed: keys))
    Self.expect(
      Self.head + "    services:\n      calls: []\n", line: 5,
      .unknownKey("calls", allowed: ["call", "answer"]))
    Self.expect(
      Self.head + "channels:\n  - name: a\n    max: 1\n", line: 6,
      .unknownKey("max", allowed: ["name", "max_log"]))
    Self.expect(
      Self.head + "    [read]: []\n", line: 4,
      .unknownKey("a list or mapping", allowed: keys))
  }

  @Test("watch is true or false and nothing else")
  func watchFlag() throws {
    let on = try Self.parse(Self.head + "    watch: true\n")
    let off = try Self.parse(Self.head + "    watch: false\n")
    let caller = Principal(name: try Topic("x"), uid: 1001)
    #expect(on.mayWatch(caller).allowed && !off.mayWatch(caller).allowed)
    for word in ["yes", "1", "True"] {
      Self.expect(
        Self.head + "    watch: \(word)\n", line: 4,
        .unknownWord(word, key: "watch", allowed: ["true", "false"]))
    }
  }

  @Test("Missing and doubled keys are named with their line")
  func keysMissingOrTwice() {
    Self.expect("channels: []\n", line: 1, .missingKey("agents", in: "the policy"))
    Self.expect("agents:\n  - users: [ann]\n", line: 2, .missingKey("name", in: "agents[1]"))
    Self.expect("agents:\n  - name: x\n", line: 2, .missingKey("users", in: "agents[1]"))
    Self.expect(
      "agents: []\nchannels:\n  - a\n  - max_log: 1 MiB\n", line: 4,
      .missingKey("name", in: "channels[2]"))
    #expect(throws: PolicyFileError.self) {
      try Self.parse(Self.head + "    read: []\n    read: []\n")
    }
    Self.expect(
      Self.head + "    !!binary read: []\n    read: []\n", line: 5, .duplicateKey("read"))
  }

  @Test("Values of another type are named with their place and what is expected")
  func types() {
    Self.expect(
      "- agents\n", line: 1,
      .wrongType("the policy", expected: "keys and values (agents, channels, broadcast)"))
    Self.expect(
      "agents: 3\n", line: 1, .wrongType("agents", expected: "a list of agents, or [] for none"))
    Self.expect(
      Self.head + "    read:\n    write: []\n", line: 4,
      .wrongType("agents[1].read", expected: "a list of channels, or [] for none"))
    Self.expect(
      Self.head + "    read: alerts\n", line: 4,
      .wrongType("agents[1].read", expected: "a list of channels, or [] for none"))
    Self.expect(
      Self.head + "    read: [a, [b]]\n", line: 4,
      .wrongType("agents[1].read[2]", expected: "a channel such as alerts.>"))
    Self.expect(
      Self.head + "    quota: []\n", line: 4,
      .wrongType("agents[1].quota", expected: "a size such as 64 MiB"))
    Self.expect(
      Self.head + "    read:\n      - >\n", line: 5,
      .wrongType(
        "agents[1].read[1]", expected: "a channel such as alerts.>, and \">\" with its quotes"))
    Self.expect(
      Self.head + "broadcast: {}\n", line: 4,
      .wrongType("broadcast", expected: "one of everybody, granted"))
  }

  @Test("Rules the policy refuses come with the line of the value")
  func rules() {
    Self.expect(
      Self.head + "    read:\n      - a\n      - a.*\n", line: 6, .rule(.partOfAChannel("a.*")))
    Self.expect(
      Self.head + "    write: [\"a b\"]\n", line: 4,
      .rule(.badName("a b", .badCharacter(" ", position: 1))))
    Self.expect(
      Self.head + "  - name: x\n    users: [bob]\n", line: 4, .rule(.duplicateAgent("x")))
    Self.expect(
      Self.head + "  - name: x.>.y\n    users: [bob]\n", line: 4,
      .rule(.badName("x.>.y", .restNotLast(position: 2))))
    Self.expect("agents:\n  - name: y\n    users: []\n", line: 2, .rule(.noUsers("y")))
    Self.expect(Self.head + "channels: [a, b, a]\n", line: 4, .rule(.duplicateChannel("a")))
    Self.expect(
      Self.head + "channels:\n  - a.>\n", line: 5,
      .rule(.badName("a.>", .wildcardInTopic(position: 2))))
    Self.expect(
      Self.head + "channels:\n  - {name: a, max_log: 3 MiB}\n", line: 5,
      .rule(.logOutOfRange(3 << 20)))
    Self.expect(Self.head + "    quota: 0\n", line: 2, .rule(.quotaIsZero("x")))
  }

  @Test("Users are known names or numbers that a process can have")
  func users() {
    for name in ["eve", "4294967295", "4294967296", "-1", "1.5", "0x10"] {
      Self.expect(
        "agents:\n  - name: x\n    users:\n      - ann\n      - \(name)\n", line: 5,
        .unknownUser(name))
    }
  }

  @Test(
    "A size is a whole number with or without a unit",
    arguments: [
      "1.5 MiB", "64 MB", "-1", "MiB", "1 KiB KiB", "99999999999999999999", "17179869184 GiB",
      "0x1",
    ])
  func sizes(text: String) {
    Self.expect(Self.head + "    quota: \(text)\n", line: 4, .badSize(text, key: "quota"))
  }

  @Test("Words that a key cannot have are answered with those it can")
  func unknownWords() {
    Self.expect(
      Self.head + "broadcast: nobody\n", line: 4,
      .unknownWord("nobody", key: "broadcast", allowed: ["everybody", "granted"]))
  }

  @Test(
    "A key that would limit nothing is refused with its line and what does",
    arguments: [("max_payload: 64 MiB", "max_log"), ("on_slow: drop_oldest", "hold_back")])
  func keysWithoutEffect(entry: String, instead: String) {
    do {
      _ = try Self.parse(Self.head + "channels:\n  - name: a\n    \(entry)\n")
      Issue.record("accepted")
    } catch {
      let key = String(entry.prefix { $0 != ":" })
      guard let error = error as? PolicyFileError,
        case .keyWithoutEffect(key, let advice) = error.problem
      else {
        Issue.record("\(error)")
        return
      }
      #expect(error.line == 6 && advice.contains(instead))
      #expect("\(error)".contains("leave it out"), "\(error)")
    }
  }

  @Test(
    "What is not YAML is refused with the line",
    arguments: [
      (head + "    read: [>]\n", 4), (head + "    read: [*]\n", 4), ("agents: [\n", 2),
      ("agents: []\n---\nagents: []\n", 2), ("agents: []\n\tx: 1\n", 2),
      (String(repeating: "[", count: 200_000), 1), ("agents: *nobody\n", 1),
    ])
  func syntax(text: String, line: Int) {
    do {
      _ = try Self.parse(text)
      Issue.record("accepted")
    } catch let error as PolicyFileError {
      #expect(error.line == line, "\(error)")
      guard case .syntax = error.problem else {
        Issue.record("\(error)")
        return
      }
      #expect(error.description.hasPrefix("p.yaml:\(line): The file is not valid YAML ("))
    } catch {
      Issue.record(error)
    }
  }
}
