import BusBench
import BusJSON
import Testing

@Suite("The pieces that figures are made of")
struct FigureTests {
  @Test("The median is the middle, of an even number the mean of two, of none nothing")
  func spread() {
    #expect(Spread([3, 1, 2]) == Spread([2, 3, 1]))
    #expect(Spread([3, 1, 2])?.median == 2)
    #expect(Spread([4, 1, 2, 3])?.median == 2.5)
    #expect(Spread([9, 5])?.least == 5)
    #expect(Spread([9, 5])?.most == 9)
    #expect(Spread([]) == nil)
    #expect(Spread([1, .nan]) == nil)
  }

  @Test("A run counts when the floor moved by 30 % at most, either way")
  func stability() {
    var rule = StabilityRule(runsWanted: 3)
    let floors = [(100.0, 130.0), (130, 100), (100, 131), (131, 100)]
    #expect(floors.map { rule.take(before: $0, after: $1) } == [true, true, false, false])
    #expect(rule.accepted == 2)
    #expect(rule.repeated == 2)
    #expect(rule.verdict == .goOn)
    let last = rule.take(before: 500, after: 500)
    #expect(last)
    #expect(rule.verdict == .done)
    #expect(rule.range == 100...500)
  }

  @Test("After ten repeated runs the machine is unstable")
  func unstable() {
    var rule = StabilityRule(runsWanted: 1)
    let nine = (0..<9).map { _ in rule.take(before: 56, after: 410) }
    #expect(!nine.contains(true))
    #expect(rule.verdict == .goOn)
    let tenth = rule.take(before: 410, after: 56)
    #expect(!tenth)
    #expect(rule.verdict == .unstable)
    #expect(rule.range == 56...410)
  }

  @Test("A floor that is no number, or not judged, or not there")
  func oddFloors() {
    var rule = StabilityRule(runsWanted: 2)
    let floors: [Double?] = [.nan, nil]
    #expect(floors.map { rule.take(before: $0, after: $0) } == [false, true])
    var lenient = StabilityRule(runsWanted: 1, judgesFloor: false)
    let counted = lenient.take(before: 50, after: 500)
    #expect(counted)
    #expect(lenient.verdict == .done)
  }

  @Test("Below 110 ns of ping-pong the cores are near")
  func state() {
    #expect(MachineState(pingPong: 57) == .near)
    #expect(MachineState(pingPong: 109.9) == .near)
    #expect(MachineState(pingPong: 110) == .far)
  }

  @Test("JSON keeps the order, escapes what it must, and has null for what is no number")
  func json() {
    let value = JSONValue.object([
      JSONField("b", .unsigned(.max)), JSONField("a", .text("\"\\\n\u{1}\u{9b}é")),
      JSONField("n", JSONValue(Double?.none)), JSONField("i", JSONValue(Double.infinity)),
      JSONField("l", .list([.boolean(true), .number(.nan), JSONValue(1.23456)])),
    ])
    let text = #"{"b":18446744073709551615,"a":"\"\\\n\u0001\u009bé","n":null,"i":null,"#
    #expect(value.rendered == text + #""l":[true,null,1.235]}"#)
  }

  @Test("Percentiles of times, summed over all workers, good to three digits")
  func latency() throws {
    let counts = (1...1000).map { LatencyCount(ticks: UInt64($0) * 100, count: 1) }
    let summary = try #require(LatencySummary(counts.shuffled(), ticksPerNs: 2))
    func isNear(_ value: Double, _ wanted: Double) -> Bool { abs(value / wanted - 1) < 0.002 }
    #expect(isNear(summary.p50, 25000))
    #expect(isNear(summary.p95, 47500))
    #expect(isNear(summary.p99, 49500))
    #expect(isNear(summary.p999, 49950))
    #expect(summary.max == 50000)
    #expect(summary.count == 1000)
    #expect(LatencySummary([], ticksPerNs: 2) == nil)
    let zero = LatencySummary([LatencyCount(ticks: 0, count: 5)], ticksPerNs: 2)
    #expect(zero?.p50 == 0)
  }
}
