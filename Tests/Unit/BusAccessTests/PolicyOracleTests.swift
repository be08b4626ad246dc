import BusAccess
import BusTestSupport
import BusWire
import Testing

@Suite("Access decisions against an oracle")
struct PolicyOracleTests {
  private static let grants = [
    ">", "a", "a.>", "b.>", "a.b", "a.b.>", "b.a.a.>", "b.b", "bcs.broadcast", "bcs.broadcast.a.>",
  ]
  private static let patterns = [
    ">", "*", "*.>", "*.a", "a", "a.>", "a.*", "a.b", "a.b.>", "a.*.b", "a.b.*", "*.b.>", "b.>",
    "b.a", "b.a.a", "b.a.a.>", "b.*.a.>", "bcs.broadcast", "bcs.broadcast.>", "bcs.broadcast.a.>",
    "bcs.>", "bcs.a",
  ]
  private static let channels = [
    "a", "b", "a.a", "a.b", "b.b", "a.b.a", "b.a.a", "bcs.broadcast", "bcs.broadcast.a",
  ]
  private static let names = ["a", "b", "a.b", "b.a", "a.b.a", "z", "bcs", "bcs.a"]
  private static let namePatterns = ["a", "b", "a.b", "a.>", "b.*", ">", "*", "*.b.>"]

  private struct Question {
    var name: String
    var uid: UInt32
    var pattern: String
    var topic: String
  }

  @Test("Every generated decision is the one that enumeration gives")
  func generated() throws {
    var random = Seed.announced(for: "access decisions").generator()
    var allowed: [String: Int] = [:]
    var total = 0
    for _ in 0..<250 {
      let words = Self.words(&random)
      let policy = try words.policy()
      let oracle = PolicyOracle(words)
      for _ in 0..<8 {
        let question = Question(
          name: Self.names.randomElement(using: &random) ?? "a",
          uid: UInt32.random(in: 1...3, using: &random),
          pattern: Self.patterns.randomElement(using: &random) ?? ">",
          topic: (Bool.random(using: &random) ? Self.channels : PolicyOracle.topics)
            .randomElement(using: &random) ?? "a")
        for (verb, engine, expected) in try Self.verdicts(question, policy, oracle) {
          total += 1
          allowed[verb, default: 0] += expected ? 1 : 0
          #expect(
            engine.allowed == expected,
            "\(verb) of \(question): \(engine.reason) Policy: \(words)")
          #expect(engine.reason.hasSuffix("."))
        }
      }
    }
    #expect(total >= 16_000)
    // A run in which one verb is never allowed would say nothing about it.
    for verb in [
      "name", "write", "log", "subscribe", "map", "hold back", "call", "answer", "watch",
    ] {
      #expect(allowed[verb, default: 0] > 3, "\(verb): \(allowed)")
    }
  }

  private static func verdicts(
    _ asked: Question, _ policy: Policy, _ oracle: PolicyOracle
  ) throws -> [(verb: String, engine: Decision, expected: Bool)] {
    let caller = Principal(name: try Topic(asked.name), uid: asked.uid)
    let pattern = try TopicPattern(asked.pattern)
    let topic = try Topic(asked.topic)
    let (name, uid) = (asked.name, asked.uid)
    return [
      ("name", policy.mayTakeName(caller), oracle.takes(name, uid)),
      ("watch", policy.mayWatch(caller), oracle.watches(name, uid)),
      (
        "write", policy.mayWrite(caller, topic: topic),
        oracle.writes(name, uid, topic: asked.topic)
      ),
      (
        "log", policy.mayWrite(caller, channel: topic),
        oracle.writes(name, uid, channel: asked.topic)
      ),
      (
        "subscribe", policy.mayRead(caller, pattern),
        oracle.subscribes(name, uid, asked.pattern)
      ),
      (
        "map", policy.mayRead(caller, pattern, channel: topic),
        oracle.maps(name, uid, asked.pattern, channel: asked.topic)
      ),
      (
        "hold back", policy.mayHoldBack(caller, channel: topic),
        oracle.holdsBack(name, uid, channel: asked.topic)
      ),
      (
        "call", policy.mayCall(caller, service: topic),
        oracle.calls(name, uid, asked.topic)
      ),
      (
        "answer", policy.mayAnswer(caller, service: topic),
        oracle.answers(name, uid, asked.topic)
      ),
    ]
  }

  private static func words(_ random: inout SplitMix64) -> PolicyWords {
    var words = PolicyWords()
    for name in namePatterns.shuffled(using: &random).prefix(Int.random(in: 1...4, using: &random))
    {
      var agent = PolicyWords.Agent(
        name: name, users: Set((1...3).filter { _ in Bool.random(using: &random) } + [1]))
      agent.read = some(grants, &random)
      agent.write = some(grants, &random)
      agent.holdBack = some(grants, &random)
      agent.call = some(patterns.filter { !$0.hasPrefix("bcs") }, &random)
      agent.answer = some(patterns.filter { !$0.hasPrefix("bcs") }, &random)
      agent.watch = Bool.random(using: &random)
      words.agents.append(agent)
    }
    words.channels = some(["a", "a.a", "a.b.a", "b.b.b", "bcs.broadcast"], &random)
    words.everybodyBroadcasts = Bool.random(using: &random)
    return words
  }

  private static func some(_ from: [String], _ random: inout SplitMix64) -> [String] {
    Array(from.shuffled(using: &random).prefix(Int.random(in: 0...3, using: &random)))
  }
}
