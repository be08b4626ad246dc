import BusCounters
import BusMemory
import BusTestSupport
import BusWire
import CBusABI
import Foundation
import Glibc
import Testing

/// A table of counters and a view of it, as two processes would have them.
final class Watched {
  static let agent = BusUUID(high: 7, low: 8)
  let table = CounterTable(agent: agent)
  private var view = CounterView(agent: agent, incarnation: 5)

  init(incarnation: UInt64 = 5) { table.begin(incarnation: incarnation) }

  /// Everything that a viewer sees now, new parts included.
  func look() throws -> [CounterReading] {
    for part in table.parts {
      let segment = try PeerSegment(
        consuming: table.duplicateDescriptor(of: part.number), announced: UInt64(part.bytes))
      try view.add(segment, part: part.number)
    }
    return view.look()
  }
}

extension [CounterReading] {
  /// What was counted of a channel in one direction, rows of the past and live ones together.
  func total(_ direction: CounterDirection, _ channel: String) -> CounterCounts {
    var sum = CounterCounts()
    for row in self where row.state != .ended && row.identity.direction == direction {
      if row.identity.channel == channel { sum.add(row.counts) }
    }
    return sum
  }

  func live(_ channel: String) -> [CounterReading] {
    filter { $0.state == .live && $0.identity.channel == channel }
  }
}

func reading(
  _ channel: String, mode: CounterMode = .lossless, from peer: String = "feed", stream: UInt64 = 3
) -> CounterIdentity {
  .received(
    channel, mode: mode, from: peer, peerIncarnation: 9, stream: stream, attachment: stream + 100)
}

@Suite("The table of an agent's counters")
struct TableTests {
  @Test("a viewer sees who counts what, and how much")
  func rows() throws {
    let watched = Watched()
    let sent = watched.table.open(.sent("ticks", stream: 3))
    sent.show(messages: 12, bytes: 700)
    sent.noteError()
    sent.noteBlocked()
    sent.noteDrop(.queueFull, 2)
    var meter = ReadingRecorder(
      watched.table.open(reading("märkte"), owner: 1, start: 40), start: 40)
    let losses = ReadingRecorder.Losses(gapEvents: 1, gaps: 5, superseded: 2, forged: 1)
    meter.note(sequence: 60, taken: 12, handed: 10, bytes: 640, losses: losses)
    let rows = try watched.look()
    let first = try #require(rows.live("ticks").first)
    #expect(first.identity == .sent("ticks", stream: 3))
    #expect(first.counts.messages == 12 && first.counts.bytes == 700)
    #expect(first.counts.errors == 1 && first.counts.blocked == 1)
    #expect(first.counts.dropped(.queueFull) == 2)
    let second = try #require(rows.live("märkte").first)
    #expect(second.identity == reading("märkte"))
    #expect(second.counts.messages == 10 && second.counts.bytes == 640)
    #expect(second.counts.gapEvents == 1 && second.counts.gapMessages == 5)
    #expect(second.counts.dropped(.filtered) == 2 && second.counts.dropped(.superseded) == 2)
    #expect(second.counts.dropped(.forged) == 1)
    #expect(second.counts.expected == 20 && second.counts.accounted == 20)
  }

  @Test("a row that ends is the past of its channel: totals stay, and it can end only once")
  func ending() throws {
    let watched = Watched()
    let row = watched.table.open(reading("ticks"), owner: 1, start: 10)
    var meter = ReadingRecorder(row, start: 10)
    let losses = ReadingRecorder.Losses(gapEvents: 0, gaps: 0, superseded: 0, forged: 0)
    meter.note(sequence: 15, taken: 5, handed: 5, bytes: 50, losses: losses)
    row.times?.note(ns: 1000)
    meter.leave(.left, left: 3)
    let before = try watched.look().total(.received, "ticks")
    watched.table.end(row)
    watched.table.end(row)
    let rows = try watched.look()
    #expect(rows.total(.received, "ticks") == before)
    #expect(before.messages == 5 && before.dropped(.left) == 3 && before.expected == 8)
    #expect(rows.live("ticks").isEmpty && rows.contains { $0.state == .ended })
    #expect(rows.first { $0.state == .past }?.times?.total == 1)
  }

  @Test("a reserved row is seen when it is shown, and leaves no trace when it never is")
  func reserving() throws {
    let watched = Watched()
    let row = watched.table.reserve(.sent("ticks"))
    #expect(try watched.look().live("ticks").isEmpty)
    watched.table.activate(row, stream: 77)
    #expect(try watched.look().live("ticks").map(\.identity.stream) == [77])
    watched.table.end(row)
    let never = watched.table.reserve(.sent("ticks"))
    never.show(messages: 5, bytes: 5)
    watched.table.end(never)
    #expect(try watched.look().total(.sent, "ticks").messages == 0)
  }

  @Test("two readers of a channel never count in one histogram, one after the other they do")
  func histograms() throws {
    let watched = Watched()
    let first = watched.table.open(reading("ticks", stream: 1), owner: 1)
    let second = watched.table.open(reading("ticks", stream: 2), owner: 2)
    first.times?.note(ns: 100)
    second.times?.note(ns: 200)
    let both = try watched.look().compactMap(\.times)
    #expect(both.map(\.total) == [1, 1] && Set(both.map(\.sumNs)) == [100, 200])
    watched.table.end(first)
    watched.table.release(owner: 1)
    let third = watched.table.open(reading("ticks", stream: 4), owner: 3)
    third.times?.note(ns: 300)
    let later = try watched.look().compactMap(\.times)
    #expect(Set(later.map(\.sumNs)) == [400, 200])
  }

  @Test("rows beyond the first segment lie in larger ones, and none of them moves")
  func growth() throws {
    let watched = Watched()
    var rows: [CounterRow] = []
    for number in 0..<400 {
      let row = watched.table.open(.sent("channel\(number)", stream: UInt64(number)))
      rows.append(row)
      row.show(messages: UInt64(number), bytes: 1)
    }
    #expect(watched.table.parts.map(\.bytes) == [24576, 98304, 393_216, 1_572_864])
    for (number, row) in rows.enumerated() { row.show(messages: UInt64(number) + 1, bytes: 2) }
    let seen = try watched.look()
    for number in 0..<400 {
      let counts = seen.total(.sent, "channel\(number)")
      #expect(counts.messages == UInt64(number) + 1 && counts.bytes == 2)
    }
  }

  @Test("places of ended rows are used again before the table grows")
  func reuse() throws {
    let watched = Watched()
    for number in 0..<1000 {
      let row = watched.table.open(reading("ticks", stream: UInt64(number)), owner: 1)
      var meter = ReadingRecorder(row, start: 0)
      let losses = ReadingRecorder.Losses(gapEvents: 0, gaps: 0, superseded: 0, forged: 0)
      meter.note(sequence: 2, taken: 2, handed: 2, bytes: 20, losses: losses)
      watched.table.end(row)
    }
    #expect(watched.table.parts.count == 1)
    #expect(try watched.look().total(.received, "ticks").messages == 2000)
  }

  @Test("without memory for a segment counting goes on, where nobody sees it")
  func unseen() throws {
    // No incarnation: the agent is not registered, so no segment can be made.
    let table = CounterTable(agent: Watched.agent)
    let row = table.open(reading("ticks"), owner: 1)
    row.show(messages: 1, bytes: 1)
    #expect(row.times != nil && table.parts.isEmpty)
    #expect(table.duplicateDescriptor(of: 0) == -1)
    table.end(row)
  }

  @Test("channels without end are counted under one name from the thousandth on")
  func others() throws {
    let watched = Watched()
    for number in 0..<1100 {
      let row = watched.table.open(.sent("channel\(number)"))
      row.show(messages: 1, bytes: 1)
      watched.table.end(row)
    }
    let rows = try watched.look()
    #expect(rows.count { $0.state == .past } == 1025)
    #expect(rows.total(.sent, CounterTable.otherChannels).messages == 1100 - 1024)
  }

  @Test("names that do not fit are cut between two characters")
  func longNames() throws {
    let watched = Watched()
    let long = String(repeating: "ä", count: 100)
    _ = watched.table.open(.sent(long, to: long))
    let row = try #require(try watched.look().first { $0.state == .live })
    #expect(row.identity.channel == String(repeating: "ä", count: 64))
    #expect(row.identity.peer == String(repeating: "ä", count: 40))
  }
}
