import BusLog
import BusMemory
import BusTestSupport
import Foundation
import Glibc
import Synchronization
import Testing

/// What a reader that comes or goes costs a publisher that has many others, in steps, not in time.
@Suite("What joins cost a publisher", .serialized)
struct JoinCostTests {
  /// The reader segments of several agents.
  private struct Crowd {
    let segments: [ReaderSegment]
    let peers: [PeerSegment]
    let epochs: [[ReaderEpoch]]

    init(agents: Int, epochsEach: Int) throws {
      segments = try (0..<agents).map {
        try ReaderSegment(agent: Stage.agent, incarnation: UInt64($0 + 1))
      }
      peers = try segments.map {
        try PeerSegment(consuming: $0.duplicateDescriptor(), announced: 131072)
      }
      epochs = try segments.map { segment in
        try (0..<epochsEach).map { _ in try #require(segment.takeEpoch()) }
      }
    }

    /// Lets a lossy reader of one of the agents in that sleeps on one of its epochs.
    func join(_ gate: FlowControl, _ attachment: UInt64, agent: Int, epoch: Int) throws {
      let slot = Int(attachment % 1024)
      let index = epochs[agent][epoch].index
      let link = try #require(FlowControl.Link(segment: peers[agent], slot: slot, epoch: index))
      _ = try gate.join(attachment: attachment, link: link, lossless: false) {}
    }
  }

  @Test("two thousand lossy readers cost two thousand steps, and none over the lossless ones")
  func lossy() throws {
    let stage = try Stage()
    let pen = try Pen(stage, capacity: 1 << 20)
    for attachment in UInt64(1)...32 { _ = try stage.join(attachment, lossless: true) }
    #expect(pen.send(0, count: 8))
    let crowd = try Crowd(agents: 128, epochsEach: 16)
    let before = stage.gate.work
    for number in 0..<2048 {
      try crowd.join(stage.gate, UInt64(100 + number), agent: number / 16, epoch: number % 16)
      #expect(pen.send(1, count: 8))
    }
    let joined = stage.gate.work
    #expect(joined.epochs - before.epochs == 2048, "each look takes over the one that is new")
    #expect(joined.cursors == before.cursors, "a lossy reader holds nothing back")
    #expect(stage.gate.sleeperCount == 2048)
    for number in 0..<2048 {
      #expect(stage.gate.leave(UInt64(100 + number)))
      #expect(pen.send(2, count: 8))
    }
    let left = stage.gate.work
    #expect(left.epochs - joined.epochs <= 2048, "each leave moves one at most")
    #expect(left.cursors == joined.cursors)
    #expect(stage.gate.sleeperCount == 0 && stage.gate.attachments.count == 32)
  }

  @Test("readers that come while nothing is published are taken over in one look")
  func quiet() throws {
    let stage = try Stage()
    let pen = try Pen(stage, capacity: 16384)
    for attachment in UInt64(1)...16 { _ = try stage.join(attachment, lossless: true) }
    let crowd = try Crowd(agents: 4, epochsEach: 60)
    for number in 0..<1000 {
      try crowd.join(stage.gate, UInt64(100 + number), agent: number % 4, epoch: number % 60)
    }
    #expect(pen.send(0, count: 8))
    // Agent and epoch follow from the number: 60 pairs of them.
    #expect(stage.gate.work.epochs == 60 && stage.gate.sleeperCount == 60)
    #expect(stage.gate.work.cursors <= 2 * 16)
  }

  @Test("a lossless reader that comes closes the window at its place, also among lossy ones")
  func lossless() throws {
    let stage = try Stage()
    let pen = try Pen(stage, capacity: 16384)
    let crowd = try Crowd(agents: 1, epochsEach: 1)
    #expect(pen.send(0, count: 960))
    try crowd.join(stage.gate, 100, agent: 0, epoch: 0)
    #expect(pen.send(1, count: 960))
    let reader = try Subject(stage, .lossless, attachment: 1)
    var next: UInt64 = 2
    while pen.send(next, count: 960) {
      next += 1
      // The limit opens again as far as it was, and no farther.
      try crowd.join(stage.gate, 100 + next, agent: 0, epoch: 0)
    }
    #expect(next == 18, "the ring holds 16 that were not read")
    #expect(reader.drain() == Array(2..<18))
    stage.gate.leave(100)
    #expect(pen.send(next, count: 960))
    #expect(reader.drain() == [18])
  }

  @Test("who joins counts the messages since the one before, not those of an eighth of the ring")
  func counted() throws {
    let stage = try Stage()
    let pen = try Pen(stage, capacity: 1 << 20)
    for number in 0..<200 { #expect(pen.send(UInt64(number), count: 8)) }
    #expect(try stage.join(1, lossless: false).start.sequence == 200)
    let first = stage.gate.work.records
    #expect(first >= 200)
    for attachment in UInt64(2)...100 {
      #expect(try stage.join(attachment, lossless: false).start.sequence == 200)
    }
    #expect(stage.gate.work.records == first)
    for number in 200..<205 { #expect(pen.send(UInt64(number), count: 8)) }
    #expect(try stage.join(101, lossless: true).start.sequence == 205)
    #expect(stage.gate.work.records == first + 5)
    #expect(try pen.rotate(stage, capacity: 1 << 20))
    #expect(pen.send(205, count: 8))
    let late = try stage.join(102, lossless: false).start
    #expect(late.sequence == 206 && late.generation == 1)
  }

  @Test("whoever is left when many have come and gone is woken, and nobody else is looked at")
  func churn() throws {
    let seed = Seed.announced(for: "sleepers that come and go")
    var random = seed.generator()
    let stage = try Stage()
    let pen = try Pen(stage, capacity: 65536)
    let crowd = try Crowd(agents: 3, epochsEach: 8)
    var present: [(attachment: UInt64, agent: Int, epoch: Int)] = []
    for attachment in UInt64(1)...3000 {
      if present.count > 20 || (!present.isEmpty && Bool.random(using: &random)) {
        let gone = present.remove(at: Int.random(in: 0..<present.count, using: &random))
        #expect(stage.gate.leave(gone.attachment))
      } else {
        let agent = Int.random(in: 0..<3, using: &random)
        let epoch = Int.random(in: 0..<8, using: &random)
        try crowd.join(stage.gate, attachment, agent: agent, epoch: epoch)
        present.append((attachment, agent, epoch))
      }
      if Int.random(in: 0..<4, using: &random) == 0 { #expect(pen.send(0, count: 8)) }
    }
    let sleepers = Set(present.map { [$0.agent, $0.epoch] })
    #expect(stage.gate.sleeperCount == sleepers.count)
    #expect(stage.gate.attachments.sorted() == present.map(\.attachment).sorted())
    let awake = Atomic(0)
    let group = DispatchGroup()
    for place in sleepers {
      let epoch = crowd.epochs[place[0]][place[1]]
      let marked = epoch.announce(ownWord: true)
      group.enter()
      Thread.detachNewThread {
        _ = epoch.sleep(marked: marked, watches: WatchList(), timeoutNs: 600_000_000_000)
        awake.wrappingAdd(1, ordering: .relaxed)
        group.leave()
      }
    }
    Watchdog.bounding("sleepers that are left", seconds: 60) {
      // One that does not sleep yet is owed a wake, which a later commit pays.
      while awake.load(ordering: .relaxed) < sleepers.count {
        _ = pen.send(1, count: 8)
        sched_yield()
      }
      group.wait()
    }
  }
}
