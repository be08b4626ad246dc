import BusLog
import BusMemory
import BusTestSupport
import CBusPlatform
import Foundation
import Glibc
import Synchronization
import Testing

@Suite("A publisher and a reader that sleeps on its own word")
struct WakeTests {
  /// A thread that sleeps once.
  private final class Sleeper: Sendable {
    /// Where the kernel tells of the thread.
    private let folder = Mutex<String?>(nil)
    private let woken = Atomic(false)

    func sleep(_ epoch: ReaderEpoch, marked: UInt32, _ watches: WatchList = WatchList()) {
      begin()
      epoch.sleep(marked: marked, watches: watches, timeoutNs: 3_600_000_000_000)
      woken.store(true, ordering: .releasing)
    }

    func sleep(on word: WatchedWord64, _ low: UInt32) {
      begin()
      _ = unsafe plat_futex_wait(word.address, low, 3_600_000_000_000)
      woken.store(true, ordering: .releasing)
    }

    /// Sleeps once, for a moment, until there is room for a record as large as the log.
    func waitForRoom(_ pen: Pen) {
      begin()
      pen.writer.waitForRoom(recordBytes: 16384, timeoutNs: 3_600_000_000_000)
      woken.store(true, ordering: .releasing)
    }

    var isAwake: Bool { woken.load(ordering: .acquiring) }

    private func begin() {
      let own = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/thread-self")
      folder.withLock { $0 = own }
    }

    /// Whether the kernel holds the thread in its sleep; false from the moment it is woken.
    var isAsleep: Bool {
      guard !woken.load(ordering: .acquiring), let folder = folder.withLock({ $0 }),
        let text = try? String(contentsOfFile: "/proc/\(folder)/stat", encoding: .utf8),
        let name = text.lastIndex(of: ")")
      else { return false }
      return text[name...].dropFirst(2).first == "S"
    }
  }

  /// A publisher and a lossy reader whose epoch it knows.
  private static func sleepy() throws -> (Pen, Subject, ReaderEpoch) {
    _ = plat_barrier_register()
    let stage = try Stage()
    let pen = try Pen(stage, capacity: 16384)
    let epoch = try #require(stage.segment.takeEpoch())
    let (start, slot) = try stage.join(1, lossless: false, epoch: epoch.index)
    let reader = try LogReader(stage.logs[0], mode: .lossy, start: start, slot: slot)
    return (pen, Subject(reader), epoch)
  }

  /// The commit word of a reader's log, so many times.
  private static func watches(_ count: Int, _ reader: Subject) -> WatchList {
    var list = WatchList()
    for _ in 0..<count { list.add(reader.reader) }
    return list
  }

  @Test("one that was never found asleep is tried again only when the bytes have doubled")
  func vain() throws {
    let (pen, reader, epoch) = try Self.sleepy()
    let marked = epoch.announce(ownWord: true)
    func send(_ numbers: Range<UInt64>) {
      for number in numbers { #expect(pen.send(number, count: 8)) }
    }
    Watchdog.bounding("a wake after vain ones", seconds: 60) {
      // Each try for these finds nobody; the last was at the 513th after the first.
      send(0..<600)
      let sleeper = Sleeper()
      let threads = Threads()
      threads.start { sleeper.sleep(epoch, marked: marked) }
      while !sleeper.isAsleep { sched_yield() }
      send(600..<1000)
      #expect(sleeper.isAsleep)
      // The next is at the 1025th.
      send(1000..<1100)
      threads.wait()
    }
    epoch.awake()
    withExtendedLifetime(reader) {}
  }

  @Test("a sleep that was given up and never taken back leaves no mark to the next")
  func givenUp() throws {
    let stage = try Stage()
    let epoch = try #require(stage.segment.takeEpoch())
    for ownWord in [false, true] {
      let first = epoch.announce(ownWord: true)
      let second = epoch.announce(ownWord: ownWord)
      #expect(!epoch.isUndisturbed(since: first) && epoch.isUndisturbed(since: second))
      #expect(second > first, "publishers that have woken the first wake this one as well")
      epoch.awake()
    }
  }

  @Test("strangers that sleep on the log's word many times are not woken with its reader for ever")
  func strangers() throws {
    let (pen, reader, epoch) = try Self.sleepy()
    // The publisher knows nothing of their words.
    let foreign = try ReaderSegment(agent: Stage.agent, incarnation: 8)
    let others = try (0..<3).map { _ in try #require(foreign.takeEpoch()) }
    #expect(pen.send(0, count: 8) && reader.drain() == [0])
    pen.writer.parked.crowdPauseNs = .max
    Watchdog.bounding("strangers on the commit word", seconds: 60) {
      // Each of them is woken once by a publish that wakes the commit word.
      for round in UInt64(1)...3 {
        let isKnown = pen.writer.parked.isCommitWordCrowded
        #expect(isKnown == (round > 1), "round \(round)")
        let strangers = others.map { _ in Sleeper() }
        let honest = Sleeper()
        let crowd = Self.watches(100, reader)
        let watched = Self.watches(1, reader)
        let marked = epoch.announce(ownWord: false)
        let threads = Threads()
        for (one, epoch) in zip(strangers, others) {
          let marked = epoch.announce(ownWord: false)
          threads.start { one.sleep(epoch, marked: marked, crowd) }
        }
        threads.start { honest.sleep(epoch, marked: marked, watched) }
        while !(strangers + [honest]).allSatisfy(\.isAsleep) { sched_yield() }
        #expect(pen.send(round, count: 8))
        while honest.isAsleep { sched_yield() }
        epoch.awake()
        #expect(reader.drain() == [round])
        if isKnown {
          #expect(strangers.allSatisfy { $0.isAsleep }, "the reader alone was woken")
          for epoch in others { epoch.kick() }
        }
        threads.wait()
      }
    }
  }

  @Test("a stranger that sleeps before it on a reader's own word does not take its wake for good")
  func strangerOnOwnWord() throws {
    let (pen, reader, epoch) = try Self.sleepy()
    let foreign = try ReaderSegment(agent: Stage.agent, incarnation: 8)
    let other = try #require(foreign.takeEpoch())
    #expect(pen.send(0, count: 8) && reader.drain() == [0])
    Watchdog.bounding("a stranger on the reader's word", seconds: 60) {
      for round in UInt64(1)...4 {
        // In the second round the commit word is crowded, and left alone for a while.
        pen.writer.parked.crowdPauseNs = round == 2 ? .max : 0
        let crowd = Self.watches(100, reader)
        let watched = Self.watches(1, reader)
        let marked = epoch.announce(ownWord: false)
        let strange = other.announce(ownWord: false)
        let (stranger, ahead, honest) = (Sleeper(), Sleeper(), Sleeper())
        let threads = Threads()
        threads.start { stranger.sleep(other, marked: strange, crowd) }
        threads.start { ahead.sleep(epoch, marked: marked) }
        while !ahead.isAsleep { sched_yield() }
        threads.start { honest.sleep(epoch, marked: marked, watched) }
        while ![stranger, honest].allSatisfy({ $0.isAsleep }) { sched_yield() }
        #expect(pen.send(round * 2, count: 8))
        pen.writer.parked.crowdPauseNs = 0
        #expect(pen.send(round * 2 + 1, count: 8))
        while honest.isAsleep { sched_yield() }
        epoch.awake()
        #expect(reader.drain() == [round * 2, round * 2 + 1])
        epoch.kick()
        other.kick()
        threads.wait()
      }
    }
  }

  @Test(
    "a crowd that sleeps on a reader's cursor is not woken as a whole", arguments: [true, false])
  func cursorCrowd(byReader: Bool) throws {
    let stage = try Stage()
    let pen = try Pen(stage, capacity: 16384)
    let (start, slot) = try stage.join(1, lossless: true)
    let reader = Subject(try LogReader(stage.logs[0], mode: .lossless, start: start, slot: slot))
    let link = try #require(FlowControl.Link(segment: stage.peer, slot: slot.index, epoch: nil))
    #expect(pen.send(0, count: 8) && reader.drain() == [0])
    Watchdog.bounding("a crowd on a cursor", seconds: 60) {
      let crowd = (0..<80).map { _ in Sleeper() }
      let threads = Threads()
      let low = UInt32(truncatingIfNeeded: link.cursor.loadRelaxed())
      for one in crowd { threads.start { one.sleep(on: link.cursor, low) } }
      while !crowd.allSatisfy(\.isAsleep) { sched_yield() }
      var round: UInt64 = 0
      while byReader, crowd.allSatisfy(\.isAsleep) {
        // Anew when the publisher's short sleep was over before the reader went on.
        round += 1
        #expect(pen.send(round, count: 8))
        let publisher = Sleeper()
        let other = Threads()
        other.start { publisher.waitForRoom(pen) }
        while !publisher.isAsleep, !publisher.isAwake { sched_yield() }
        #expect(reader.drain() == [round])
        other.wait()
      }
      if !byReader { stage.gate.leave(1) }
      while crowd.count(where: \.isAsleep) > 16 { sched_yield() }
      for _ in 0..<1000 { sched_yield() }
      #expect(crowd.count(where: \.isAsleep) == 16)
      _ = unsafe plat_futex_wake(link.cursor.address, .max)
      threads.wait()
    }
  }
}
