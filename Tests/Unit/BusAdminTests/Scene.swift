import BusAdmin
import BusCounters

/// A bus as a test wants to see it: agents with rows, one after the other.
struct Scene {
  private(set) var agents: [AgentCounters] = []

  mutating func agent(_ name: String, category: String = "", hasEnded: Bool = false) {
    agents.append(
      AgentCounters(
        name: name, category: category, pid: UInt32(100 + agents.count), uid: 1000,
        incarnation: UInt64(agents.count + 1), hasEnded: hasEnded))
  }

  private mutating func add(_ reading: CounterReading) {
    agents[agents.count - 1].rows.append(reading)
  }

  private var nextKey: CounterReading.Key {
    CounterReading.Key(part: 0, row: agents.last?.rows.count ?? 0, tenancy: 1)
  }

  /// The last agent publishes.
  mutating func sends(
    _ channel: String, stream: UInt64, messages: UInt64, bytes: UInt64 = 0,
    state: CounterReading.State = .live, lane: CounterLane = .normal
  ) {
    var counts = CounterCounts()
    counts.messages = messages
    counts.bytes = bytes
    add(
      CounterReading(
        key: nextKey, state: state, identity: .sent(channel, lane: lane, stream: stream),
        counts: counts))
  }

  /// The last agent sends to an inbox.
  mutating func replies(_ inbox: String, messages: UInt64, state: CounterReading.State) {
    var counts = CounterCounts()
    counts.messages = messages
    add(
      CounterReading(
        key: nextKey, state: state,
        identity: .sent(inbox, kind: .pair, to: "somebody", stream: UInt64(nextKey.row)),
        counts: counts))
  }

  /// The last agent has read its inbox.
  mutating func hears(_ inbox: String, at sequence: UInt64, delivered: UInt64) {
    var counts = CounterCounts()
    counts.sequence = sequence
    counts.messages = delivered
    add(
      CounterReading(
        key: nextKey, state: .past,
        identity: .received(
          inbox, kind: .pair, mode: .lossless, from: "p", peerIncarnation: 1, stream: 900,
          attachment: 9000), counts: counts))
  }

  /// The last agent reads what another publishes.
  mutating func reads(
    _ channel: String, stream: UInt64, of publisher: UInt64, start: UInt64 = 0, at sequence: UInt64,
    delivered: UInt64, gaps: UInt64 = 0, drops: [DropReason: UInt64] = [:], bytes: UInt64 = 0,
    mode: CounterMode = .lossless, state: CounterReading.State = .live,
    times: [UInt64] = [], lane: CounterLane = .normal, isSettled: Bool = true
  ) {
    var counts = CounterCounts()
    counts.start = start
    counts.sequence = sequence
    counts.messages = delivered
    counts.gapMessages = gaps
    counts.gapEvents = gaps > 0 ? 1 : 0
    counts.bytes = bytes
    for (reason, count) in drops { counts.drops[reason.rawValue] = count }
    var histogram = LatencyHistogram()
    for time in times { histogram.note(ns: time) }
    let identity = CounterIdentity.received(
      channel, lane: lane, mode: mode, from: "p\(publisher)", peerIncarnation: publisher,
      stream: stream, attachment: stream * 10)
    add(
      CounterReading(
        key: nextKey, state: state, identity: identity, counts: counts,
        times: times.isEmpty ? nil : histogram, isSettled: isSettled))
  }

  func sample(at seconds: Double, routerGoneNs: UInt64? = nil) -> BusSample {
    BusSample(timeNs: UInt64(seconds * 1e9), agents: agents, routerGoneNs: routerGoneNs)
  }
}

/// A small bus in the course of a second: one feed, a good and a lossy reader, and one that left.
enum Day {
  static func scene(_ scale: UInt64) -> Scene {
    var scene = Scene()
    scene.agent("feed", category: "market")
    scene.sends("ticks", stream: 7, messages: 1_000_000 * scale, bytes: 64_000_000 * scale)
    scene.sends("ticks", stream: 0, messages: 500, bytes: 32_000, state: .past)
    scene.agent("auditor", category: "security")
    scene.reads(
      "ticks", stream: 7, of: 1, at: 999_000 * scale, delivered: 999_000 * scale,
      bytes: 63_936_000 * scale)
    scene.reads(
      "ticks", stream: 0, of: 0, at: 500, delivered: 500, state: .past,
      times: Array(repeating: 160, count: Int(scale) * 100) + [42_000])
    scene.agent("cli.sub.4242")
    scene.reads(
      "ticks", stream: 7, of: 1, start: 10, at: 10 + 900_000 * scale, delivered: 700_000 * scale,
      gaps: 150_000 * scale, drops: [.filtered: 50_000 * scale], mode: .lossy)
    return scene
  }

  static var picture: BusDelta {
    BusDelta(scene(2).sample(at: 11), since: scene(1).sample(at: 10))
  }
}
