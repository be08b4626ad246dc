import BusLog
import BusMemory
import BusTestSupport
import BusWire
import CBusPlatform
import Foundation
import Glibc
import Synchronization
import Testing

/// Runs bodies in threads of their own and waits for all of them.
final class Threads: @unchecked Sendable {
  // @unchecked Sendable: the group is the only state.
  private let group = DispatchGroup()

  func start(_ body: @escaping @Sendable () throws -> Void) {
    let group = group
    group.enter()
    Thread.detachNewThread {
      do { try body() } catch { Issue.record("a thread ended with \(error)") }
      group.leave()
    }
  }

  func wait() { group.wait() }
}

/// What reader threads count, and what the writer tells them.
private final class Board: Sendable {
  let sent = Atomic<UInt64>(0)
  let isOver = Atomic<Bool>(false)
  let taken = Atomic<UInt64>(0)
  let lost = Atomic<UInt64>(0)
  let sleeps = Atomic<UInt64>(0)
  /// Where the sleeping reader is: 0 polls, 1 marked, 2 sleeps, 3 ended.
  let phase = Atomic<UInt64>(0)
  let faults = Mutex<[String]>([])

  func report(_ fault: String) { faults.withLock { if $0.count < 5 { $0.append(fault) } } }
}

private func size(_ number: UInt64) -> Int {
  Int(truncatingIfNeeded: (number &* 0x9E37_79B9_7F4A_7C15) >> 40) % 700
}

@Suite("Threads on one log", .serialized)
struct StressTests {
  private static let share = Int(ProcessInfo.processInfo.environment["BCS_STRESS_SHARE"] ?? "") ?? 1

  /// Follows a log until the writer says that it is over and everything was read.
  private static func follow(_ made: consuming LogReader, _ board: Board) {
    let reader = Subject(made)
    let mode = reader.reader.mode
    var next = UInt64(0)
    var taken: UInt64 = 0
    while true {
      let isOver = board.isOver.load(ordering: .acquiring)
      let count = reader.poll(limit: 64) { record in
        let number = record.sequence
        let fault = Message.contentFault(record, number: number, count: size(number))
        if let fault { board.report("\(mode): \(fault)") }
        if number != next &+ record.gapBefore { board.report("\(number) after \(next)") }
        next = number &+ 1
        taken += 1
      }
      if reader.state != .open { break }
      if count == 0 {
        if isOver { break }
        sched_yield()
      }
    }
    if reader.state != .ended { board.report("\(mode) ends as \(reader.state)") }
    board.taken.wrappingAdd(taken, ordering: .relaxed)
    board.lost.wrappingAdd(reader.gaps, ordering: .relaxed)
  }

  private func stress(_ modes: [ReadMode], messages: UInt64, sharedMapping: Bool) throws -> Board {
    let board = Board()
    let stage = try Stage()
    let pen = try Pen(stage, capacity: 16384)
    let threads = Threads()
    for (index, mode) in modes.enumerated() {
      let (start, slot) = try stage.join(UInt64(index + 1), lossless: mode == .lossless)
      let peer = sharedMapping ? stage.logs[0] : try stage.mapping(0)
      threads.start {
        Self.follow(try LogReader(peer, mode: mode, start: start, slot: slot), board)
      }
    }
    let isWaiting = modes.contains(.lossless)
    Watchdog.bounding("threads on one log: \(modes)", seconds: 240) {
      var number: UInt64 = 0
      while number < messages {
        if pen.send(number, count: size(number)) {
          number += 1
          // Without a window, room for the others on few processors.
          if !isWaiting, number % 512 == 0 { sched_yield() }
        } else {
          pen.writer.waitForRoom(recordBytes: 768, timeoutNs: 20_000_000)
        }
      }
      while !pen.writer.close() {
        pen.writer.waitForRoom(recordBytes: 64, timeoutNs: 20_000_000)
      }
      board.isOver.store(true, ordering: .releasing)
      threads.wait()
    }
    #expect(board.faults.withLock { $0 } == [])
    return board
  }

  @Test(
    "lossless readers with a tiny window get every message, whole and in order",
    arguments: [true, false])
  func lossless(sharedMapping: Bool) throws {
    let messages = UInt64(200_000 / Self.share)
    let board = try stress(
      [.lossless, .lossless], messages: messages, sharedMapping: sharedMapping)
    #expect(board.taken.load(ordering: .relaxed) == 2 * messages)
  }

  @Test("lossy readers that are overrun get whole messages and exact gaps")
  func lossy() throws {
    let messages = UInt64(400_000 / Self.share)
    let board = try stress([.lossy, .lossy], messages: messages, sharedMapping: false)
    let (taken, lost) = (
      board.taken.load(ordering: .relaxed), board.lost.load(ordering: .relaxed)
    )
    print("lossy threads: \(taken) taken, \(lost) lost of 2 × \(messages)")
    #expect(taken + lost == 2 * messages)
    #expect(taken > 0 && lost > 0)
  }

  @Test(
    "a reader that sleeps after each message never misses a wake",
    arguments: [(ownWord: false, dozes: 0), (ownWord: false, dozes: 4), (ownWord: true, dozes: 0)])
  func sleeping(ownWord: Bool, dozes: Int) throws {
    _ = plat_barrier_register()
    let board = Board()
    let stage = try Stage()
    let pen = try Pen(stage, capacity: 16384)
    let epoch = try #require(stage.segment.takeEpoch())
    let (start, slot) = try stage.join(1, lossless: true, epoch: epoch.index)
    let threads = Threads()
    let peer = stage.logs[0]
    // On its own word a reader may miss one wake, which bounded sleeps are for; on the commit word
    // it may not, so there the sleep is longer than the watchdog.
    let timeoutNs: UInt64 = ownWord ? 20_000_000 : 3_600_000_000_000
    threads.start {
      let reader = Subject(
        try LogReader(peer, mode: .lossless, start: start, slot: slot))
      var watches = WatchList()
      while reader.state == .open {
        let taken = reader.poll(limit: 8) { record in
          if record.header.word2 != record.sequence { board.report("mixed up") }
        }
        board.taken.wrappingAdd(UInt64(taken), ordering: .releasing)
        // The closing record is none that is taken, and nothing comes after it.
        if taken > 0 || reader.state != .open { continue }
        board.phase.store(1, ordering: .relaxed)
        let marked = epoch.announce(ownWord: ownWord)
        ReaderEpoch.barrier()
        if !reader.reader.hasNews {
          watches.removeAll()
          watches.add(reader.reader)
          board.phase.store(2, ordering: .relaxed)
          // Short sleeps first, all under one mark: wakes come between two of them.
          var times = [UInt64](repeating: 20_000, count: dozes) + [timeoutNs]
          while !reader.reader.hasNews, let time = times.first,
            epoch.sleep(marked: marked, watches: watches, timeoutNs: time) == .timedOut
          { times.removeFirst() }
          board.sleeps.wrappingAdd(1, ordering: .relaxed)
        }
        epoch.awake()
        board.phase.store(0, ordering: .relaxed)
      }
      board.phase.store(3, ordering: .relaxed)
      if reader.state != .ended { board.report("ends as \(reader.state)") }
    }
    let messages = UInt64(20_000 / Self.share)
    Watchdog.bounding("a sleeping reader, own word \(ownWord)", seconds: 120) {
      Self.feed(pen, messages, board, epoch)
      threads.wait()
    }
    print("sleeping reader: \(board.sleeps.load(ordering: .relaxed)) sleeps, \(messages) messages")
    #expect(board.taken.load(ordering: .relaxed) == messages)
    #expect(board.sleeps.load(ordering: .relaxed) > 0)
    #expect(board.faults.withLock { $0 } == [])
  }

  /// Sends one by one, mostly to a reader that sleeps or is about to, and closes.
  private static func feed(_ pen: Pen, _ messages: UInt64, _ board: Board, _ epoch: ReaderEpoch) {
    for number in 0..<messages {
      while !pen.send(number, count: 8) {
        pen.writer.waitForRoom(recordBytes: 128, timeoutNs: 1_000_000)
      }
      // Now and then two in a row, else the reader has time to fall asleep.
      if number % 7 == 0, number + 1 < messages { continue }
      Self.await(number, board, epoch)
    }
    // All were taken: the closing record comes alone.
    while !pen.writer.close() { pen.writer.waitForRoom(recordBytes: 64, timeoutNs: 1_000_000) }
  }

  /// Waits until a message was taken; a reader that does not come is reported and woken by hand.
  private static func await(_ number: UInt64, _ board: Board, _ epoch: ReaderEpoch) {
    let start = HostClock.monotonicNs()
    while board.taken.load(ordering: .acquiring) <= number {
      sched_yield()
      guard HostClock.monotonicNs() - start > 30_000_000_000 else { continue }
      let phase = board.phase.load(ordering: .relaxed)
      board.report("message \(number) was not taken for 30 s; the reader is in phase \(phase)")
      epoch.kick()
      if phase == 3 { return }
      usleep(100_000)
    }
  }

  @Test(
    "wakes for a message that was taken before the mark do not use up that of the next one",
    arguments: [1, 2, 3])
  func earlyWake(looks: Int) throws {
    _ = plat_barrier_register()
    let stage = try Stage()
    let pen = try Pen(stage, capacity: 16384)
    let epoch = try #require(stage.segment.takeEpoch())
    let (start, slot) = try stage.join(1, lossless: true, epoch: epoch.index)
    let reader = Subject(try LogReader(stage.logs[0], mode: .lossless, start: start, slot: slot))
    Watchdog.bounding("a second wake in one epoch", seconds: 60) {
      for number in 0..<UInt64(20) {
        #expect(pen.send(number, count: 8))
        #expect(reader.drain() == [number])
        let marked = epoch.announce(ownWord: false)
        // The publisher was between its commit and its look at the epochs all the time; then it
        // flushed without anything new, as a batch that is empty does.
        for _ in 0..<looks { pen.writer.publish() }
        var watches = WatchList()
        watches.add(reader.reader)
        let list = watches
        let threads = Threads()
        threads.start {
          epoch.sleep(marked: marked, watches: list, timeoutNs: 3_600_000_000_000)
        }
        usleep(20_000)
        #expect(pen.send(100 + number, count: 8))
        threads.wait()
        epoch.awake()
        #expect(reader.drain() == [100 + number])
      }
    }
  }

  @Test("the checks find a writer that shows a message before it is whole")
  func control() throws {
    let identity = try Stage.identity(capacity: 16384)
    let log = try ForgedLog(identity: identity)
    let board = Board()
    let threads = Threads()
    let peer = try log.peer()
    let start = FlowControl.Start(generation: 0, position: 0, sequence: 0)
    threads.start {
      Self.follow(try LogReader(peer, mode: .lossless, start: start, slot: nil), board)
    }
    Watchdog.bounding("a writer that commits first", seconds: 60) {
      var number: UInt64 = 0
      let ring = Int(identity.shape.ringOffset)
      let count = 64
      while number < 200_000, board.faults.withLock({ $0.isEmpty }) {
        let at = ring + Int(number * 128 % 16384)
        log.store((number + 1) * 128, at: log.hot + ForgedLog.commit)
        sched_yield()
        let head = MessageHeader(
          type: .event, length: UInt32(count), timestamp: number, source: Stage.agent,
          destination: .zero)
        for word in 0..<8 { log.store(head.words.word(word), at: at + word * 8) }
        number += 1
      }
      board.isOver.store(true, ordering: .releasing)
      threads.wait()
    }
    #expect(!board.faults.withLock { $0.isEmpty })
  }
}
