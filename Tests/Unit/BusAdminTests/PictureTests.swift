import BusAdmin
import BusCounters
import BusTerminal
import BusTestSupport
import BusText
import Testing

@Suite("What a look at the counters says")
struct PictureTests {
  @Test("each reading answers for what was sent since it began, and every message is somewhere")
  func balance() throws {
    let channel = try #require(Day.picture.channels.first)
    #expect(channel.holds)
    #expect(channel.published == 2_000_500 && channel.streams == 1 && channel.readings == 2)
    // 2,000,000 for the auditor, its past of 500, and 2,000,000 - 10 for the lossy one.
    #expect(channel.sent == 2_000_000 + 500 + 1_999_990)
    #expect(channel.delivered == 1_998_000 + 500 + 1_400_000)
    #expect(channel.pending == 2_000 + 199_990)
    #expect(channel.gaps == 300_000 && channel.dropped == 100_000)
  }

  @Test("a message that is nowhere, or somewhere twice, breaks the balance")
  func broken() {
    for (sequence, delivered, isSound) in [(10, 10, true), (10, 9, false), (10, 11, false)]
      as [(UInt64, UInt64, Bool)]
    {
      var scene = Scene()
      scene.agent("p")
      scene.sends("c", stream: 1, messages: 20)
      scene.agent("r")
      scene.reads("c", stream: 1, of: 1, at: sequence, delivered: delivered)
      #expect(BusDelta(scene.sample(at: 1)).channels.first?.holds == isSound)
      scene.reads(
        "c", stream: 0, of: 0, at: sequence, delivered: delivered, mode: .lossy, state: .past)
      #expect(BusDelta(scene.sample(at: 1)).channels.first?.holds == isSound)
    }
  }

  @Test("a reader before its publisher, or before its own start, is a fault and no huge number")
  func impossible() throws {
    for (start, sequence) in [(0, 21), (15, 10)] as [(UInt64, UInt64)] {
      var scene = Scene()
      scene.agent("p")
      scene.sends("c", stream: 1, messages: 20)
      scene.agent("r")
      scene.reads(
        "c", stream: 1, of: 1, start: start, at: sequence, delivered: sequence &- start)
      let channel = try #require(BusDelta(scene.sample(at: 1)).channels.first)
      #expect(!channel.holds && channel.faults == 1 && channel.pending == 0)
      #expect(channel.suspects == ["r", "p1"])
    }
  }

  @Test("an agent that lies is named, and spoils no figure of the others", arguments: 0..<7)
  func liar(way: Int) throws {
    func channel(withLiar: Bool) throws -> ChannelBalance {
      var scene = Scene()
      scene.agent("p")
      scene.sends("c", stream: 1, messages: 20)
      scene.agent("honest")
      scene.reads("c", stream: 1, of: 1, at: 20, delivered: 15, gaps: 5, mode: .lossy)
      guard withLiar else { return try #require(BusDelta(scene.sample(at: 1)).channels.first) }
      scene.agent("liar")
      let half = UInt64(1) << 63
      switch way {
      case 0: scene.reads("c", stream: 1, of: 1, at: 20, delivered: 1 << 40)
      case 1: scene.reads("c", stream: 1, of: 1, at: .max, delivered: .max)
      // These add up to what they have to, if sums may wrap.
      case 2: scene.reads("c", stream: 1, of: 1, at: 0, delivered: half, gaps: half)
      case 3: scene.reads("c", stream: 1, of: 9, start: 1, at: 0, delivered: .max)
      // These do add up.
      case 4: scene.reads("c", stream: 1, of: 9, at: .max, delivered: .max)
      case 5: scene.reads("c", stream: 0, of: 0, at: .max, delivered: .max, state: .past)
      default:
        scene.reads("c", stream: 0, of: 0, at: 7, delivered: half, gaps: half + 7, state: .past)
      }
      return try #require(BusDelta(scene.sample(at: 1)).channels.first)
    }
    let (honest, all) = (try channel(withLiar: false), try channel(withLiar: true))
    #expect(honest.holds && honest.suspects.isEmpty)
    #expect(!all.holds && all.faults == 1)
    // Where a reading stands before its publisher, or counts soundly from where that said, either
    // of them may lie.
    let others = [1: "p1", 2: "p1", 3: "p9", 4: "p9"]
    #expect(all.suspects == ["liar"] + [others[way]].compactMap { $0 })
    #expect(all.sent == honest.sent && all.delivered == honest.delivered)
    #expect(all.pending == honest.pending && all.gaps == honest.gaps)
  }

  @Test("a reader that its publisher sent to an absurd start is not the only one in doubt")
  func start() throws {
    var scene = Scene()
    scene.agent("p")
    scene.sends("c", stream: 1, messages: 40)
    scene.agent("honest")
    scene.reads("c", stream: 1, of: 1, start: .max, at: 39, delivered: 40)
    let channel = try #require(BusDelta(scene.sample(at: 1)).channels.first)
    #expect(channel.suspects == ["honest", "p1"] && channel.delivered == 0)
  }

  @Test("a row caught in the middle of a change is not taken for a broken one")
  func unsettled() throws {
    for (delivered, unsettled) in [(9, 1), (10, 0), (12, 1)] as [(UInt64, Int)] {
      var scene = Scene()
      scene.agent("r")
      scene.reads("c", stream: 1, of: 9, at: 10, delivered: delivered, isSettled: false)
      let channel = try #require(BusDelta(scene.sample(at: 1)).channels.first)
      #expect(channel.holds && channel.faults == 0 && channel.unsettled == unsettled)
      #expect(channel.sent == (unsettled == 0 ? 10 : 0) && channel.pending == 0)
    }
  }

  @Test("a publisher that cannot be seen leaves the depth unknown, not zero")
  func unseen() throws {
    var scene = Scene()
    scene.agent("r")
    scene.reads("c", stream: 1, of: 9, at: 10, delivered: 10)
    let picture = BusDelta(scene.sample(at: 1))
    let channel = try #require(picture.channels.first)
    #expect(channel.unseen == 1 && channel.holds && channel.sent == 10)
    #expect(picture.traffic.first?.depth == nil)
  }

  @Test("a stream that was closed still says how much is left to read")
  func closedStream() {
    var scene = Scene()
    scene.agent("p")
    scene.sends("c", stream: 1, messages: 20, state: .ended)
    scene.agent("r")
    scene.reads("c", stream: 1, of: 1, at: 12, delivered: 12)
    let picture = BusDelta(scene.sample(at: 1))
    #expect(picture.channels.first?.pending == 8 && picture.channels.first?.holds == true)
    #expect(picture.traffic.first { $0.key.direction == .received }?.depth == 8)
  }

  @Test("the depth of what is sent is that of its slowest reader, of what is read the sum")
  func depth() {
    var scene = Scene()
    scene.agent("p")
    scene.sends("c", stream: 1, messages: 100)
    scene.sends("c", stream: 2, messages: 50)
    scene.agent("fast")
    scene.reads("c", stream: 1, of: 1, at: 99, delivered: 99)
    scene.reads("c", stream: 2, of: 1, at: 45, delivered: 45)
    scene.agent("slow")
    scene.reads("c", stream: 1, of: 1, at: 40, delivered: 40)
    let depths = BusDelta(scene.sample(at: 1)).traffic.map { ($0.agent, $0.depth) }
    #expect(depths.map(\.0) == ["p", "fast", "slow"])
    #expect(depths.map(\.1) == [60, 6, 60])
  }

  @Test("the lanes of a pair are counted apart")
  func lanes() {
    var scene = Scene()
    scene.agent("p")
    scene.sends("inbox", stream: 1, messages: 100)
    scene.sends("inbox", stream: 1, messages: 7, lane: .urgent)
    scene.agent("r")
    scene.reads("inbox", stream: 1, of: 1, at: 90, delivered: 90)
    scene.reads("inbox", stream: 1, of: 1, at: 7, delivered: 7, lane: .urgent)
    let channels = BusDelta(scene.sample(at: 1)).channels
    #expect(channels.map(\.pending) == [10, 0] && channels.allSatisfy(\.holds))
  }

  @Test("rates are what was counted between two looks, and never negative")
  func rates() throws {
    let picture = Day.picture
    #expect(picture.seconds == 1)
    #expect(picture.sentPerSecond == 1_000_000)
    #expect(picture.receivedPerSecond == 999_000 + 700_000)
    #expect(
      picture.recentPercentile(0.5).map { LatencyScale.bucket(ofNs: $0) }
        == LatencyScale.bucket(ofNs: 160))
    let back = BusDelta(Day.scene(1).sample(at: 11), since: Day.scene(2).sample(at: 10))
    #expect(back.sentPerSecond == 0 && back.traffic.allSatisfy { $0.rate >= 0 })
    let first = BusDelta(Day.scene(1).sample(at: 10))
    #expect(first.seconds == nil && first.traffic.allSatisfy { $0.recent == nil })
    let same = BusDelta(Day.scene(1).sample(at: 10), since: Day.scene(1).sample(at: 10))
    #expect(same.seconds == nil)
  }

  @Test("what an agent that ended had not read counts as left, and no longer as pending")
  func endedReader() throws {
    var scene = Scene()
    scene.agent("p")
    scene.sends("c", stream: 1, messages: 100)
    scene.agent("r", hasEnded: true)
    scene.reads("c", stream: 1, of: 1, at: 60, delivered: 50, drops: [.left: 10])
    let channel = try #require(BusDelta(scene.sample(at: 1)).channels.first)
    #expect(channel.holds && channel.pending == 0 && channel.sent == 60)
    #expect(channel.drops[DropReason.left.rawValue] == 10)
  }

  @Test("as many channels and names as strangers may have rows are gone through once")
  func many() throws {
    try Watchdog.bounding("a picture of many rows", seconds: 60) {
      let rows: UInt64 = 10_000
      var scene = Scene()
      scene.agent("stranger")
      for row in 1...rows {
        scene.reads(
          "c\(row)", stream: row, of: 2, at: 1, delivered: 1, state: .past, times: [160])
        // It may be its publisher who says where a reading begins.
        scene.reads("one", stream: row, of: row + 10, start: 1 << 60, at: 1 << 60, delivered: 0)
      }
      let picture = BusDelta(scene.sample(at: 1))
      let one = try #require(picture.channels.first { $0.channel == "one" })
      #expect(one.suspects.count == Int(rows) + 1 && picture.channels.count == Int(rows) + 1)
      let text = PrometheusText.render(picture)
      let counts = text.split(separator: "\n").count {
        $0.hasPrefix("bcs_delivery_latency_seconds_count")
      }
      #expect(counts == Int(rows))
    }
  }

  @Test("whatever strangers count, a picture, its text and its screen are made without harm")
  func hostileNumbers() {
    var random = Seed.announced(for: "hostile numbers").generator()
    let some: [UInt64] = [0, 1, 63, .max, .max - 1, 1 << 63]
    func number() -> UInt64 {
      Bool.random(using: &random)
        ? some.randomElement(using: &random) ?? 0 : UInt64.random(in: .min ... .max, using: &random)
    }
    var earlier: BusSample?
    for round in 0..<200 {
      var scene = Scene()
      for name in ["p", "r", "x\u{1B}[2J\n", "r"] {
        scene.agent(name, hasEnded: Bool.random(using: &random))
        for _ in 0..<4 {
          scene.sends("c\u{7}", stream: number() % 3, messages: number(), bytes: number())
          scene.reads(
            "c\u{7}", stream: number() % 3, of: number() % 5, start: number(), at: number(),
            delivered: number(), gaps: number(), drops: [.evicted: number()], bytes: number(),
            state: [.live, .ended, .past].randomElement(using: &random) ?? .live,
            times: [number(), number()])
        }
      }
      let sample = scene.sample(at: Double(round), routerGoneNs: number())
      let picture = BusDelta(sample, since: earlier)
      earlier = sample
      var state = TopState()
      let lines = TopView.lines(picture, &state, width: 80, height: 24)
      #expect(lines.count == 24)
      for line in lines {
        #expect(SafeText.width(line.text) <= 80)
        #expect(!line.text.unicodeScalars.contains { $0.value < 0x20 || $0.value == 0x7F })
      }
      #expect(!PrometheusText.render(picture).isEmpty)
    }
  }
}
