import BinaryComm
import BusMemory
import BusTestSupport
import Testing

/// A host with one true time and a wall clock that is set now and then.
private struct SteppedHost {
  private(set) var monotonicNs: UInt64 = 3_000_000_000_000
  private var offset: UInt64 = 1_800_000_000_000_000_000
  /// The offsets of the past, and when they ended.
  private var past: [(untilNs: UInt64, offset: UInt64)] = []

  mutating func pass(_ ns: UInt64) { monotonicNs += ns }

  mutating func set(by ns: Int64) {
    past.append((monotonicNs, offset))
    offset &+= UInt64(bitPattern: ns)
  }

  /// What an agent sees that notices a step so much later than the kernel.
  func seen(late: UInt64 = 0) -> HostTime {
    let known = past.first { $0.untilNs + late > monotonicNs }?.offset ?? offset
    return HostTime(unixNs: monotonicNs &+ known, monotonicNs: monotonicNs)
  }
}

@Suite("When a message was sent, though the wall clock was set")
struct WallOffsetsTests {
  private static let second: UInt64 = 1_000_000_000

  /// One life: messages wait up to a minute while the clock is set up to four times.
  ///
  /// Returns how far the moments that `sent` finds are from the true ones, at most.
  private func worst(
    _ seed: UInt64, steps: [Int64],
    _ sent: (inout WallOffsets, UInt64, HostTime, HostTime) -> UInt64
  ) -> (older: UInt64, younger: UInt64) {
    var random = SplitMix64(seed: seed)
    var host = SteppedHost()
    // Sender and receiver notice a step up to a second late, each by itself.
    let late = [random.next() % Self.second, random.next() % Self.second]
    var reader = WallOffsets(host.seen())
    var waiting: [(stamp: UInt64, trueNs: UInt64)] = []
    var older: UInt64 = 0
    var younger: UInt64 = 0
    var stepsLeft = 4
    var lastStepNs: UInt64 = 0
    for _ in 0..<400 {
      host.pass(random.next() % Self.second)
      reader.observe(host.seen(late: late[1]))
      switch random.next() % 8 {
      case 0 where stepsLeft > 0 && host.monotonicNs - lastStepNs > 3 * Self.second:
        stepsLeft -= 1
        lastStepNs = host.monotonicNs
        host.set(by: steps[Int(random.next() % UInt64(steps.count))])
      case 0...3:
        waiting.append((host.seen(late: late[0]).unixNs, host.monotonicNs))
      default:
        guard let message = waiting.first,
          random.next() % 2 == 0 || host.monotonicNs - message.trueNs > 60 * Self.second
        else { continue }
        waiting.removeFirst()
        let found = sent(&reader, message.stamp, host.seen(late: late[1]), host.seen())
        if found < message.trueNs { older = max(older, message.trueNs - found) }
        if found > message.trueNs { younger = max(younger, found - message.trueNs) }
      }
    }
    return (older, younger)
  }

  private static let large: [Int64] = [3_600, -3_600, 86_400, -86_400, 7_000, -11_000].map {
    $0 * 1_000_000_000
  }

  @Test("steps that are longer than messages wait change nothing")
  func large() {
    let first = Seed.announced(for: "steps of the wall clock").value
    for seed in (0..<2000).map({ first &+ $0 }) {
      let worst = worst(seed, steps: Self.large) { wall, stamp, now, kernel in
        wall.sentNs(stamp: stamp, now) { kernel }
      }
      #expect(worst.older == 0 && worst.younger == 0, "seed \(seed)")
    }
  }

  @Test("after small steps no message counts as older than it is")
  func small() {
    let steps: [Int64] = [70, -70, 400, -400, 2_500, -2_500].map { $0 * 1_000_000 }
    let first = Seed.announced(for: "small steps of the wall clock").value
    for seed in (0..<2000).map({ first &+ $0 }) {
      let worst = worst(seed, steps: steps) { wall, stamp, now, kernel in
        wall.sentNs(stamp: stamp, now) { kernel }
      }
      #expect(worst.older == 0, "seed \(seed)")
    }
  }

  @Test("reckoning with the present offset alone is found to be wrong")
  func control() {
    var wrong = 0
    for seed in UInt64(0)..<200 {
      let worst = worst(seed, steps: Self.large) { _, stamp, now, _ in
        now.monotonicNs &- min(now.monotonicNs, now.unixNs &- stamp)
      }
      if worst.older > 0 { wrong += 1 }
    }
    #expect(wrong > 100)
  }

  /// How old a message counts as that was stamped before the first of several steps forward, which
  /// lie so far apart.
  private func age(steps: Int, apart ns: UInt64) -> UInt64 {
    var host = SteppedHost()
    let stamp = host.seen().unixNs
    var wall = WallOffsets(host.seen())
    for _ in 0..<steps {
      host.pass(ns)
      host.set(by: 100_000_000_000)
      wall.observe(host.seen())
    }
    let now = host.seen()
    return now.monotonicNs - wall.sentNs(stamp: stamp, now) { now }
  }

  @Test("of many steps the last four are known, and a step of more than an hour ago is not")
  func forgotten() {
    for steps in 1...4 {
      #expect(age(steps: steps, apart: Self.second) == UInt64(steps) * Self.second)
    }
    #expect(age(steps: 5, apart: Self.second) == (5 + 100) * Self.second)
    #expect(age(steps: 9, apart: Self.second) == (9 + 500) * Self.second)
    let hour = 3_600 * Self.second
    #expect(age(steps: 2, apart: hour) == 2 * hour)
    #expect(age(steps: 2, apart: hour + 1) > 2 * hour + 99 * Self.second)
  }

  @Test("a stamp of just now costs no look at the kernel, though it seem to be to come")
  func justNow() {
    var host = SteppedHost()
    host.pass(Self.second)
    let now = host.seen()
    var wall = WallOffsets(now)
    for (ahead, sentNs) in [(0, now.monotonicNs), (900, now.monotonicNs)] as [(UInt64, UInt64)] {
      let found = wall.sentNs(stamp: now.unixNs + ahead, now) {
        Issue.record("the kernel was asked for a stamp that is \(ahead) ns ahead")
        return now
      }
      #expect(found == sentNs)
    }
  }

  @Test(
    "a stamp that nobody can have written counts as of its arrival or of the beginning",
    arguments: [0, 1, UInt64.max, 1 << 63, UInt64.max >> 1] as [UInt64])
  func forged(stamp: UInt64) {
    let now = SteppedHost().seen()
    var wall = WallOffsets(now)
    let found = wall.sentNs(stamp: stamp, now) { now }
    #expect(found == (stamp < now.unixNs ? 0 : now.monotonicNs))
  }
}
