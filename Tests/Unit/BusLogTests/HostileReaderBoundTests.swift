import BusLog
import BusMemory
import BusTestSupport
import BusWire
import CBusABI
import CBusPlatform
import Foundation
import Glibc
import Synchronization
import Testing

/// What readers of a stream can cost its publisher, and what the publisher does for each of them.
@Suite("What readers cost their publisher", .serialized)
struct HostileReaderBoundTests {
  @Test("evictions do not add up: the last are remembered, and none of those comes back")
  func evictions() throws {
    let stage = try Stage(stall: StallPolicy(stallNs: 1))
    let pen = try Pen(stage, capacity: 16384)
    let rounds = 1100
    var last: FlowControl.Link?
    for attachment in UInt64(1)...UInt64(rounds) {
      let (_, slot) = try stage.join(attachment, lossless: true)
      last = FlowControl.Link(segment: stage.peer, slot: slot.index, epoch: nil)
      while pen.send(0, count: 960) {}
      while stage.evictions.list.count < Int(attachment) {
        pen.writer.noteBlocked(recordBytes: 1024)
      }
    }
    #expect(stage.evictions.list.count == rounds)
    #expect(stage.gate.attachments.isEmpty)
    #expect(stage.gate.evictedCount == 1024, "remembered of \(rounds)")
    let link = try #require(last)
    #expect(throws: FlowControl.JoinRefusal.evicted) {
      try stage.gate.join(attachment: UInt64(rounds), link: link, lossless: true) {}
    }
  }

  @Test("a sleeper behind a thousand others is woken like the first")
  func sleepers() throws {
    let stage = try Stage()
    let pen = try Pen(stage, capacity: 16384)
    var segments: [ReaderSegment] = []
    var attachment: UInt64 = 1
    var lastEpoch: ReaderEpoch?
    var lastStart: FlowControl.Start?
    while attachment <= 1100 {
      let segment = try ReaderSegment(agent: Stage.agent, incarnation: attachment)
      segments.append(segment)
      let peer = try PeerSegment(consuming: segment.duplicateDescriptor(), announced: 131072)
      while let epoch = segment.takeEpoch(), let slot = segment.takeSlot() {
        slot.open(attachment: attachment)
        let link = try #require(
          FlowControl.Link(segment: peer, slot: slot.index, epoch: epoch.index))
        lastStart = try stage.gate.join(attachment: attachment, link: link, lossless: false) {}
        lastEpoch = epoch
        attachment += 1
      }
    }
    #expect(pen.send(0, count: 8))
    let epoch = try #require(lastEpoch)
    let start = try #require(lastStart)
    let reader = Subject(
      try LogReader(stage.logs[0], mode: .lossy, start: start, slot: nil))
    #expect(reader.drain().count == 1)
    var watches = WatchList()
    watches.add(reader.reader)
    let list = watches
    let ended = Mutex<ReaderEpoch.SleepEnd?>(nil)
    let group = DispatchGroup()
    let marked = epoch.announce(ownWord: false)
    group.enter()
    Thread.detachNewThread {
      let end = epoch.sleep(marked: marked, watches: list, timeoutNs: 20_000_000_000)
      ended.withLock { $0 = end }
      group.leave()
    }
    // Time to fall asleep: a thread that is not yet asleep sees the message and needs no wake.
    usleep(200_000)
    #expect(pen.send(1, count: 8))
    Watchdog.bounding("a sleeper among many", seconds: 60) { group.wait() }
    #expect(ended.withLock { $0 } == .woken, "\(attachment - 1) sleepers")
    withExtendedLifetime(segments) {}
  }

  @Test("a reader that may make no barrier says so, and its publisher fences until it has left")
  func fences() async throws {
    let stage = try Stage()
    let pen = try Pen(stage, capacity: 16384)
    let plain = try OwnedSegment(name: "no barrier", bytes: Int(BUS_READER_SEGMENT_BYTES))
    unsafe plain.base.storeBytes(
      of: UInt16(BUS_READER_NO_BARRIER), toByteOffset: 6, as: UInt16.self)
    try plain.seal()
    let peer = try PeerSegment(consuming: dup(plain.descriptor), announced: 131072)
    #expect(pen.send(0, count: 8))
    #expect(!pen.fences)
    let link = try #require(FlowControl.Link(segment: peer, slot: 0, epoch: 0))
    _ = try stage.gate.join(attachment: 9, link: link, lossless: false) {}
    for number in UInt64(1)...2 { #expect(pen.send(number, count: 8)) }
    #expect(pen.fences)
    stage.gate.leave(9)
    for number in UInt64(3)...4 { #expect(pen.send(number, count: 8)) }
    #expect(!pen.fences)
  }

  @Test("an agent without membarrier says in its segment that its readers make no barrier")
  func sign() async throws {
    await #expect(processExitsWith: .success) {
      _ = plat_barrier_register()
      func flags() throws -> UInt64 {
        let segment = try ReaderSegment(agent: Stage.agent, incarnation: 1)
        let peer = try PeerSegment(consuming: segment.duplicateDescriptor(), announced: 131072)
        return try peer.word64(at: 0).loadRelaxed() >> 48
      }
      let before = try flags()
      guard before == 0 else { fatalError("flags \(before) with membarrier") }
      plat_forbid(PLAT_NO_MEMBARRIER)
      let after = try flags()
      guard after == UInt64(BUS_READER_NO_BARRIER) else { fatalError("flags \(after) without") }
    }
  }

  @Test("without a barrier on its threads a publisher fences at each claim, and loses no joiner")
  func fencedClaims() throws {
    let seed = Seed.announced(for: "fenced claims")
    let stage = try Stage()
    let log = try stage.makeLog(capacity: 65536)
    #expect(!stage.gate.claimsAreFenced)
    var writer = LogWriter(first: log, gate: stage.gate, fencesClaims: true)
    #expect(stage.gate.claimsAreFenced)
    let readOfAll = Mutex<Int?>(nil)
    Thread.detachNewThread {
      var random = seed.generator()
      var read = 0
      for attachment in UInt64(1)...100 {
        guard let slot = stage.segment.takeSlot() else { break }
        slot.open(attachment: attachment)
        guard let link = FlowControl.Link(segment: stage.peer, slot: slot.index, epoch: nil),
          // No barrier: what is left is the fence of the publisher.
          let start = try? stage.gate.join(
            attachment: attachment, link: link, lossless: true, barrier: {}),
          let made = try? LogReader(stage.logs[0], mode: .lossless, start: start, slot: slot)
        else { break }
        let reader = Subject(made)
        var next = start.sequence
        let wanted = start.sequence + UInt64.random(in: 1...300, using: &random)
        while next < wanted, reader.state == .open {
          sched_yield()
          read += reader.poll(limit: 64) { record in
            if let fault = Message.fault(record, number: next, count: 8) {
              Issue.record("reader \(attachment) got \(fault)")
            }
            next += 1
          }
        }
        if reader.state != .open { Issue.record("reader \(attachment): \(reader.state)") }
        stage.gate.leave(attachment)
        stage.segment.give(back: slot)
      }
      let total = read
      readOfAll.withLock { $0 = total }
    }
    var number: UInt64 = 0
    Watchdog.bounding("fenced claims", seconds: 60) {
      while readOfAll.withLock({ $0 == nil }) {
        for _ in 0..<200 {
          let bytes = Message.bytes(number, count: 8)
          let sent = unsafe writer.append(
            Message.head(number, topic: 0), stamp: number, payload: bytes.span.bytes)
          guard sent else { continue }
          writer.publish()
          number += 1
        }
      }
    }
    let read = readOfAll.withLock { $0 } ?? 0
    print("fenced claims: \(number) messages published, \(read) read by 100 joiners")
    #expect(read >= 100 && number >= 100)
  }
}
