import BusCounters
import BusTestSupport
import Testing

/// A reading as the model keeps it.
private struct Reading {
  let row: CounterRow
  var meter: ReadingRecorder
  let channel: String
  var messages: UInt64 = 0
  var bytes: UInt64 = 0
  var losses = ReadingRecorder.Losses(gapEvents: 0, gaps: 0, superseded: 0, forged: 0)
}

/// What the table should say, kept with plain numbers.
private struct Model {
  let watched = Watched()
  var readings: [Reading] = []
  var expected: [String: CounterCounts] = [:]

  mutating func begin(_ channel: String, owner: UInt64, start: UInt64) {
    let identity = CounterIdentity.received(
      channel, mode: .lossy, from: "feed", peerIncarnation: 9, stream: 1, attachment: 2)
    let row = watched.table.open(identity, owner: owner, start: start)
    readings.append(Reading(row: row, meter: ReadingRecorder(row, start: start), channel: channel))
  }

  mutating func poll(_ index: Int, _ random: inout SplitMix64) {
    var one = readings[index]
    let handed = Int.random(in: 0...20, using: &random)
    let filtered = Int.random(in: 0...3, using: &random)
    let lost = UInt64.random(in: 0...2, using: &random)
    one.losses.gaps += lost
    if lost > 0 { one.losses.gapEvents += 1 }
    let advance = UInt64(handed + filtered) + lost
    one.meter.note(
      sequence: one.meter.sequence + advance, taken: handed + filtered, handed: handed,
      bytes: UInt64(handed) * 7, losses: one.losses)
    readings[index] = one
    expected[one.channel, default: CounterCounts()].messages += UInt64(handed)
    expected[one.channel, default: CounterCounts()].bytes += UInt64(handed) * 7
    expected[one.channel, default: CounterCounts()].gapMessages += lost
    if lost > 0 { expected[one.channel, default: CounterCounts()].gapEvents += 1 }
    let place = DropReason.filtered.rawValue
    expected[one.channel, default: CounterCounts()].drops[place] += UInt64(filtered)
    expected[one.channel, default: CounterCounts()].sequence += advance
  }

  mutating func end(_ index: Int, _ reason: DropReason?, left: UInt64) {
    var one = readings.remove(at: index)
    one.meter.leave(reason, left: left)
    watched.table.end(one.row)
    guard let reason else { return }
    expected[one.channel, default: CounterCounts()].drops[reason.rawValue] += left
    expected[one.channel, default: CounterCounts()].sequence += left
  }
}

@Suite("The table of counters against a model")
struct TableModelTests {
  @Test("whatever begins, counts and ends, each channel's totals are exact and never go back")
  func totals() throws {
    var random = Seed.announced(for: "counter totals").generator()
    var model = Model()
    var steps = 0
    for _ in 0..<20_000 {
      let choice = Int.random(in: 0..<100, using: &random)
      if model.readings.isEmpty || (choice < 6 && model.readings.count < 60) {
        let channel = "channel\(Int.random(in: 0..<4, using: &random))"
        let start = UInt64.random(in: 0...1000, using: &random)
        model.begin(channel, owner: UInt64.random(in: 1...3, using: &random), start: start)
      } else if choice < 12 {
        let reasons: [DropReason?] = [nil, .left, .evicted, .corrupt]
        let reason = reasons.randomElement(using: &random) ?? nil
        let index = Int.random(in: 0..<model.readings.count, using: &random)
        model.end(index, reason, left: UInt64.random(in: 0...9, using: &random))
      } else {
        model.poll(Int.random(in: 0..<model.readings.count, using: &random), &random)
      }
      guard choice % 10 == 0 else { continue }
      steps += 1
      let rows = try model.watched.look()
      for (channel, expected) in model.expected {
        let found = rows.total(.received, channel)
        #expect(found == expected, "\(channel) after \(steps) looks")
        #expect(found.expected == found.accounted)
      }
    }
    #expect(steps > 500 && model.watched.table.parts.count >= 2)
  }
}
