import BusLog
import BusMemory
import BusTestSupport
import BusWire
import Foundation
import Glibc
import Synchronization
import Testing

/// A reader segment under the test's own pen.
private final class ForgedReader: @unchecked Sendable {
  // @unchecked Sendable: threads race on the memory on purpose, by atomic words only.
  let segment: OwnedSegment
  let peer: PeerSegment

  init() throws {
    segment = try OwnedSegment(name: "forged reader", bytes: 131072)
    try segment.seal()
    peer = try PeerSegment(consuming: dup(segment.descriptor), announced: 131072)
  }

  func store(_ value: UInt64, slot: Int, offset: Int) {
    unsafe OwnedWord64(at: segment.base + 4096 + slot * 64 + offset).storeRelease(value)
  }

  func epoch(_ value: UInt32, index: Int) {
    unsafe OwnedWord32(at: segment.base + 256 + index * 64).storeRelease(value)
  }
}

@Suite("Hostile readers")
struct HostileReaderTests {
  @Test("a cursor that lies opens the window for nobody else, and holds no publisher for long")
  func cursors() throws {
    let seed = Seed.announced(for: "lying cursors")
    let stage = try Stage(stall: StallPolicy(stallNs: 5_000_000))
    let hostile = try ForgedReader()
    let pen = try Pen(stage, capacity: 16384)
    let honest = try Subject(stage, .lossless, attachment: 1)
    let isOver = Mutex(false)
    let group = DispatchGroup()
    group.enter()
    Thread.detachNewThread {
      var random = seed.generator()
      while !isOver.withLock({ $0 }) {
        // Slot 0 keeps its cursor where it is: that one must be evicted.
        let slot = Int.random(in: 1..<4, using: &random)
        let cursor = random.next() >> UInt64.random(in: 0...63, using: &random)
        hostile.store(cursor, slot: slot, offset: 0)
        if Int.random(in: 0..<1000, using: &random) == 0 {
          hostile.store(random.next(), slot: slot, offset: 8)
        }
        hostile.epoch(UInt32(truncatingIfNeeded: random.next()), index: slot)
        if Int.random(in: 0..<64, using: &random) == 0 { usleep(200) }
      }
      group.leave()
    }
    var random = SplitMix64(seed: seed.value &+ 1)
    var next: UInt64 = 0
    var joins: UInt64 = 10
    Watchdog.bounding("lying cursors", seconds: 120) {
      var number: UInt64 = 0
      while number < 20_000 {
        if Int.random(in: 0..<200, using: &random) == 0, joins < 100 {
          let slot = Int(joins % 4)
          hostile.store(joins, slot: slot, offset: 8)
          if let link = FlowControl.Link(segment: hostile.peer, slot: slot, epoch: slot) {
            _ = try? stage.gate.join(attachment: joins, link: link, lossless: true) {}
          }
          joins += 1
        }
        let count = Int.random(in: 0...1000, using: &random)
        if pen.send(number, count: number % 2 == 0 ? count : 8) {
          number += 1
        } else {
          read(honest, &next)
          pen.writer.waitForRoom(recordBytes: 1088, timeoutNs: 2_000_000)
        }
        if Int.random(in: 0..<8, using: &random) == 0 { read(honest, &next) }
      }
      read(honest, &next)
      #expect(next == number)
    }
    isOver.withLock { $0 = true }
    group.wait()
    let list = stage.evictions.list
    print("lying cursors: \(joins - 10) joins, \(list.count) evictions")
    #expect(Set(list).count == list.count, "an eviction is reported once")
    #expect(!list.isEmpty && !list.contains(1) && honest.state == .open)
  }

  private func read(_ reader: Subject, _ next: inout UInt64) {
    while reader.poll(
      limit: 64,
      { record in
        let count = record.payload.byteCount
        if let fault = Message.fault(record, number: next, count: count) {
          Issue.record("the honest reader got \(fault)")
        }
        next += 1
      }) > 0
    {}
  }

  @Test("a cursor beyond the commit counts as at the commit, one that goes back as where it was")
  func clamps() throws {
    let stage = try Stage()
    let hostile = try ForgedReader()
    let pen = try Pen(stage, capacity: 16384)
    hostile.store(7, slot: 0, offset: 8)
    let link = try #require(FlowControl.Link(segment: hostile.peer, slot: 0, epoch: nil))
    _ = try stage.gate.join(attachment: 7, link: link, lossless: true) {}
    func room() -> Int {
      var sent = 0
      while sent < 40, pen.send(0, count: 960) { sent += 1 }
      return sent
    }
    #expect(room() == 16)
    hostile.store(.max - 5, slot: 0, offset: 0)
    #expect(room() == 40, "it says that it needs nothing, now and later")
    hostile.store(16384, slot: 0, offset: 0)
    #expect(room() == 8, "the rest of the ring from the last commit that it was clamped to")
    hostile.store(16384 + 1024, slot: 0, offset: 0)
    #expect(room() == 0, "it said before that it had more")
    hostile.store(56 * 1024 + 1000, slot: 0, offset: 0)
    #expect(room() == 8, "an odd cursor gives no byte more than it says")
    hostile.store(0, slot: 0, offset: 8)
    var sent = 0
    while sent < 100, pen.send(0, count: 960) { sent += 1 }
    #expect(sent == 100 && stage.gate.attachments.isEmpty, "a closed ticket has left")
  }

  @Test("slots and epochs outside the segment give no link")
  func links() throws {
    let hostile = try ForgedReader()
    for slot in [-1, 1984, Int.max, Int.min] {
      #expect(FlowControl.Link(segment: hostile.peer, slot: slot, epoch: nil) == nil)
    }
    for epoch in [-1, 60, Int.max, Int.min] {
      #expect(FlowControl.Link(segment: hostile.peer, slot: 0, epoch: epoch) == nil)
    }
    let small = try OwnedSegment(name: "small", bytes: 4096)
    try small.seal()
    let peer = try PeerSegment(consuming: dup(small.descriptor), announced: 4096)
    #expect(FlowControl.Link(segment: peer, slot: 0, epoch: nil) == nil)
  }
}
