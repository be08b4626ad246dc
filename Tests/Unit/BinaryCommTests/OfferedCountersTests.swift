import BinaryComm
import Testing

@Suite("Segments of counters on their way to the router")
struct OfferedCountersTests {
  /// What one turn offers, of parts of which some find no descriptor.
  private static func turn(
    _ offered: inout OfferedCounters, _ parts: Range<Int>, starved: Set<Int> = []
  ) -> [Int] {
    var tried: [Int] = []
    offered.go(through: Array(parts)) { part in
      tried.append(part)
      return !starved.contains(part)
    }
    return tried
  }

  @Test("each is offered once, also when the router refuses it")
  func once() {
    var offered = OfferedCounters()
    var turns: [[Int]] = []
    for parts in [0..<1, 0..<1, 0..<3, 0..<3] { turns.append(Self.turn(&offered, parts)) }
    #expect(turns == [[0], [], [1, 2], []])
  }

  @Test("one that finds no descriptor is tried once a turn, and none behind it goes before")
  func starved() {
    var offered = OfferedCounters()
    var turns: [[Int]] = []
    for starved in [[0, 1], [0], [1], [], []] as [Set<Int>] {
      turns.append(Self.turn(&offered, 0..<3, starved: starved))
    }
    #expect(turns == [[0], [0], [0, 1], [1, 2], []])
  }
}
