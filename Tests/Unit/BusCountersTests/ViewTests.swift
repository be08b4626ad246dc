import BusCounters
import BusMemory
import BusTestSupport
import BusWire
import CBusABI
import Foundation
import Glibc
import Synchronization
import Testing

/// A segment whose bytes a test writes as it likes, and a view of it.
private struct Forged: ~Copyable {
  let segment: OwnedSegment

  /// A part that is well-formed and empty.
  init(bytes: Int = Int(BUS_COUNTERS_BYTES_FIRST), part: UInt16 = 0) throws {
    let segment = try OwnedSegment(name: "forged", bytes: bytes)
    var raw = bus_counters_identity_t()
    raw.magic = BUS_COUNTERS_MAGIC
    raw.layout_version = UInt16(BUS_LAYOUT_VERSION)
    raw.part = part
    raw.segment_bytes = UInt64(bytes)
    raw.incarnation = 5
    unsafe segment.base.storeBytes(of: raw, as: bus_counters_identity_t.self)
    try segment.seal()
    self.segment = segment
  }

  borrowing func store<Value: BitwiseCopyable>(_ value: Value, at offset: Int) {
    unsafe segment.base.storeBytes(of: value, toByteOffset: offset, as: Value.self)
  }

  /// A live row that counts nothing.
  borrowing func row(_ number: Int, _ direction: CounterDirection, version: UInt64) {
    let at = Int(BUS_COUNTERS_ROWS_OFFSET) + number * Int(BUS_COUNTERS_ROW_BYTES)
    store(UInt32(BUS_ROW_LIVE), at: at)
    store(direction.rawValue, at: at + 8)
    store(CounterKind.topic.rawValue, at: at + 9)
    store(version, at: at + Int(BUS_COUNT_VERSION))
  }

  borrowing func view() throws -> CounterView {
    var view = CounterView(agent: Watched.agent, incarnation: 5)
    try view.add(mapped(), part: 0)
    return view
  }

  borrowing func mapped() throws -> PeerSegment {
    try PeerSegment(consuming: dup(segment.descriptor), announced: UInt64(segment.bytes))
  }
}

@Suite("Looking at the counters of a stranger", .serialized)
struct ViewTests {
  @Test("a segment that is not the part announced is refused")
  func refused() throws {
    var view = CounterView(agent: Watched.agent, incarnation: 5)
    #expect(throws: MemoryError.self) { try view.add(Forged(bytes: 8192).mapped(), part: 0) }
    #expect(throws: MemoryError.self) { try view.add(Forged(part: 1).mapped(), part: 0) }
    #expect(throws: MemoryError.self) { try view.add(Forged().mapped(), part: 1) }
    for offset in [0, 4, 8, 32] {
      let forged = try Forged()
      forged.store(UInt16(0xFFFF), at: offset)
      #expect(throws: MemoryError.self) { try view.add(forged.mapped(), part: 0) }
    }
    #expect(view.partCount == 0 && view.look().isEmpty)
  }

  @Test("random bytes are looked at without harm, and no name is longer than its field")
  func random() throws {
    try Watchdog.bounding("random counters", seconds: 60) {
      var random = Seed.announced(for: "random counters").generator()
      let forged = try Forged()
      let view = try forged.view()
      var rows = 0
      for _ in 0..<300 {
        for offset in stride(from: 256, to: Int(BUS_COUNTERS_BYTES_FIRST), by: 8) {
          forged.store(UInt64.random(in: .min ... .max, using: &random), at: offset)
        }
        // States, directions, kinds, lanes and modes that exist, else most rows are passed over.
        for row in 0..<15 where Bool.random(using: &random) {
          let at = 512 + row * Int(BUS_COUNTERS_ROW_BYTES)
          forged.store(UInt32.random(in: 0...4, using: &random), at: at)
          forged.store(UInt32(0x0001_0101) &* UInt32.random(in: 0...2, using: &random), at: at + 8)
        }
        for reading in view.look() {
          rows += 1
          #expect(reading.identity.channel.unicodeScalars.count <= 128)
          #expect(reading.identity.peer.unicodeScalars.count <= 80)
          _ = reading.counts.expected &+ reading.counts.accounted &+ reading.counts.droppedAll
          _ = reading.times?.percentile(0.99)
        }
      }
      print("random counters: \(rows) rows were read")
      #expect(rows > 0)
    }
  }

  @Test("versions that stay odd and counts beyond the segment end the look all the same")
  func stuck() throws {
    try Watchdog.bounding("stuck counters", seconds: 60) {
      let forged = try Forged()
      forged.store(UInt64(1), at: Int(BUS_COUNTERS_VERSION))
      forged.store(UInt64.max, at: Int(BUS_COUNTERS_USED))
      for row in 0..<15 { forged.row(row, .sent, version: 7) }
      let view = try forged.view()
      let rows = view.look()
      #expect(rows.count == 15)
      #expect(rows.allSatisfy { !$0.isSettled })
      forged.store(UInt64(8), at: 512 + Int(BUS_COUNT_VERSION))
      #expect(view.look().count(where: \.isSettled) == 1)
    }
  }

  @Test("rows that never settle are read a number of times that follows from how many there are")
  func tries() throws {
    let forged = try Forged()
    forged.store(UInt64(15), at: Int(BUS_COUNTERS_USED))
    for row in 0..<15 { forged.row(row, .received, version: 7) }
    let view = try forged.view()
    for version in [0, 1] as [UInt64] {
      forged.store(version, at: Int(BUS_COUNTERS_VERSION))
      var tries = 0
      let rows = view.look(nil, tries: &tries)
      #expect(rows.count == 15 && rows.allSatisfy { !$0.isSettled })
      #expect(tries > 15 && tries <= CounterView.triesMax(rows: 15), "\(tries) tries")
    }
  }

  @Test("a look in one direction reads the rows of that direction, each once")
  func direction() throws {
    let forged = try Forged()
    forged.store(UInt64(15), at: Int(BUS_COUNTERS_USED))
    for row in 0..<15 { forged.row(row, row % 3 == 0 ? .sent : .received, version: 2) }
    let view = try forged.view()
    var tries = 0
    let sent = view.look(.sent, tries: &tries)
    let received = view.look(.received, tries: &tries)
    #expect(sent.map(\.key.row) == [0, 3, 6, 9, 12] && received.count == 10)
    #expect((sent + received).allSatisfy(\.isSettled) && tries == 30)
  }

  @Test("a histogram outside of its part is none")
  func histogram() throws {
    let forged = try Forged()
    forged.store(UInt64(1), at: Int(BUS_COUNTERS_USED))
    forged.store(UInt32(BUS_ROW_PAST), at: 512)
    forged.store(UInt16(0x0102), at: 512 + 8)
    for (number, isThere) in [(0, false), (1, true), (12, true), (13, false), (65535, false)] {
      forged.store(UInt16(number), at: 512 + 12)
      #expect(try forged.view().look().first.map { $0.times != nil } == isThere, "\(number)")
    }
  }

  @Test("a reading that is looked at while it goes on always adds up")
  func racing() throws {
    try Watchdog.bounding("racing counters", seconds: 120) {
      let watched = Watched()
      let done = Atomic(false)
      let table = watched.table
      let started = Atomic(false)
      let thread = Thread {
        var round: UInt64 = 0
        while !done.load(ordering: .relaxed) {
          round += 1
          let row = table.open(reading("ticks", stream: round), owner: 1, start: round)
          var meter = ReadingRecorder(row, start: round)
          var lost: UInt64 = 0
          for poll in 1...200 as ClosedRange<UInt64> {
            lost += poll % 3
            let losses = ReadingRecorder.Losses(gapEvents: 0, gaps: lost, superseded: 0, forged: 0)
            meter.note(
              sequence: meter.sequence + 8 + poll % 3, taken: 8, handed: 5, bytes: 5, losses: losses
            )
          }
          meter.leave(.left, left: round % 4)
          table.end(row)
          started.store(true, ordering: .relaxed)
        }
      }
      thread.start()
      while !started.load(ordering: .relaxed) { usleep(100) }
      var looks = 0
      var settled = 0
      var last = CounterCounts()
      for _ in 0..<20_000 {
        looks += 1
        let rows = try watched.look()
        for row in rows where row.isSettled {
          settled += 1
          if row.counts.expected != row.counts.accounted { Issue.record("\(row.counts)") }
        }
        guard rows.allSatisfy(\.isSettled) else { continue }
        let now = rows.total(.received, "ticks")
        if now.expected < last.expected || now.messages < last.messages {
          Issue.record("totals went back: \(last) to \(now)")
        }
        last = now
      }
      done.store(true, ordering: .relaxed)
      while !thread.isFinished { usleep(1000) }
      print("racing counters: \(looks) looks, \(settled) settled rows")
      #expect(settled > looks)
    }
  }
}
