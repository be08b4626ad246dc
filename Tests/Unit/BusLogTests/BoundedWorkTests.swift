import BusLog
import BusMemory
import BusTestSupport
import BusWire
import CBusABI
import Testing

/// What one poll does is bounded by the ring and by the limit, whatever the publisher writes.
@Suite("Bounded work of readers", .serialized)
struct BoundedWorkTests {
  private static let lines: UInt64 = 256
  private static let other = BusUUID(word0: 1, word1: 2)

  /// Makes the publisher's words say that it is read far too late: an index entry to begin anew at,
  /// a pen just behind it, and a commit that no ring could hold.
  private func forge(_ log: ForgedLog, commit: UInt64) {
    let start: UInt64 = 128
    log.store(start / 64, at: 256 + 8)
    log.store(start, at: 256)
    log.store(start + 64, at: log.hot)
    log.store(commit, at: log.hot + ForgedLog.commit)
  }

  private func stage(
    _ mode: ReadMode, sender: BusUUID
  ) throws -> (log: ForgedLog, reader: Subject) {
    let senders = [BusUUID](repeating: sender, count: Int(Self.lines))
    let log = try ForgedLog(
      identity: try Stage.identity(capacity: Self.lines * 64), records: senders)
    log.store(64, at: log.hot + ForgedLog.commit)
    let origin = FlowControl.Start(generation: 0, position: 0, sequence: 0)
    let made = try LogReader(log.peer(), mode: mode, start: origin, slot: nil)
    return (log, Subject(made))
  }

  @Test("a commit that no ring could hold never keeps a poll walking round the ring")
  func walk() throws {
    for mode in ReadMode.allCases {
      for sender in [Stage.agent, Self.other] {
        for commit in [UInt64(1) << 62, Self.lines * 64 + 256, 128 + (64 * Self.lines << 20)] {
          let (log, reader) = try stage(mode, sender: sender)
          _ = reader.poll(limit: 1) { _ in }
          forge(log, commit: commit)
          let before = reader.reader.nextPosition
          Watchdog.bounding("\(mode), commit \(commit)", seconds: 20) {
            let taken = reader.poll(limit: 16) { _ in }
            #expect(taken <= 16)
          }
          let walked = reader.reader.nextPosition - before
          #expect(walked <= 2 * Self.lines * 64, "\(mode) \(commit): walked \(walked) bytes")
        }
      }
    }
  }

  @Test("messages with a foreign source count towards the limit of a poll")
  func forgedCount() throws {
    for mode in [ReadMode.lossless, .lossy] {
      let (log, reader) = try stage(mode, sender: Self.other)
      log.store(Self.lines * 64, at: log.hot + ForgedLog.commit)
      for round in UInt64(1)...3 {
        #expect(reader.poll(limit: 10) { _ in } == 0)
        #expect(reader.reader.forged == round * 10)
        let hasNews = reader.reader.hasNews
        #expect(hasNews, "the rest is left for the next poll")
      }
    }
  }

  @Test(
    "a reader is done with an ended log of which the end was taken back",
    arguments: ReadMode.allCases)
  func takenBack(mode: ReadMode) throws {
    let (log, reader) = try stage(mode, sender: Stage.agent)
    #expect(reader.poll(limit: 16) { _ in } == 1)
    log.store(192, at: log.hot + ForgedLog.commit)
    reader.reader.end(at: 192)
    log.store(64, at: log.hot + ForgedLog.commit)
    let hasNews = reader.reader.hasNews
    #expect(hasNews)
    #expect(reader.poll(limit: 16) { _ in } == 0)
    #expect(reader.state == .corrupt)
  }

  @Test("a commit, a pen and an index that run ahead between the looks of one poll end it soon")
  func runningAhead() throws {
    let (log, reader) = try stage(.lossy, sender: Stage.agent)
    let capacity = Self.lines * 64
    log.store(capacity, at: log.hot + ForgedLog.commit)
    var lap: UInt64 = 0
    // Each message handed over moves the window a ring on: the next one is overwritten already.
    let seen = reader.poll(limit: 1000) { _ in
      lap += 1
      let start = lap * 2 * capacity
      log.store(start / 64, at: 256 + 8)
      log.store(start, at: 256)
      log.store(start + 64, at: log.hot)
      log.store(start + capacity, at: log.hot + ForgedLog.commit)
    }
    #expect(seen <= 1 + 4, "\(seen) messages of one poll, each from another ring")
  }

  @Test("what is left of a poll in the mode latest is bounded by the ring, and what is lost counts")
  func leftovers() throws {
    let capacity = Self.lines * 64
    let (log, reader) = try stage(.latest, sender: Stage.agent)
    let ring = Int(log.identity.shape.ringOffset)
    var topic: UInt64 = 0
    var handed: UInt64 = 0
    for lap in UInt64(0)..<40 {
      // A ring of messages, each to a destination of its own, and a reader that takes one.
      for line in 0..<Int(Self.lines) {
        topic += 1
        log.store(topic, at: ring + line * 64 + 40)
        log.store(topic, at: ring + line * 64 + 48)
      }
      log.store((lap + 1) * capacity, at: log.hot)
      log.store((lap + 1) * capacity, at: log.hot + ForgedLog.commit)
      handed += UInt64(reader.poll(limit: 1) { _ in })
      let left = reader.reader.takenSequence - reader.reader.settledSequence
      #expect(left <= Self.lines, "\(left) messages are kept of a ring of \(Self.lines)")
    }
    let settled = reader.reader.settledSequence
    #expect(settled == handed + reader.gaps + reader.reader.superseded)
    #expect(handed == 40)
  }

  @Test("a large ring of destinations leaves no more than a fixed number of messages behind")
  func destinations() throws {
    let lines: UInt64 = 131_072
    let log = try ForgedLog(
      identity: try Stage.identity(capacity: lines * 64),
      records: [BusUUID](repeating: Stage.agent, count: Int(lines)))
    let ring = Int(log.identity.shape.ringOffset)
    for line in 0..<Int(lines) { log.store(UInt64(line), at: ring + line * 64 + 48) }
    let origin = FlowControl.Start(generation: 0, position: 0, sequence: 0)
    let reader = Subject(try LogReader(log.peer(), mode: .latest, start: origin, slot: nil))
    var seen: [UInt64] = []
    #expect(reader.poll(limit: 1) { seen.append($0.header.word6) } == 1)
    #expect(reader.reader.takenSequence == lines)
    let left = reader.reader.takenSequence - reader.reader.settledSequence
    #expect(left == 65_535 && reader.gaps == lines - 65_536, "\(left) kept, \(reader.gaps) lost")
    #expect(seen == [lines - 65_536], "the oldest are lost, the newest kept")
  }

  @Test("a source or a destination that is rewritten after the scan is not what is handed over")
  func rewritten() throws {
    let (log, reader) = try stage(.latest, sender: Stage.agent)
    let ring = Int(log.identity.shape.ringOffset)
    for line in 0..<8 { log.store(UInt64(line), at: ring + line * 64 + 48) }
    log.store(8 * 64, at: log.hot + ForgedLog.commit)
    var headers: [HeaderWords] = []
    #expect(reader.poll(limit: 1) { headers.append($0.header) } == 1)
    for line in 1..<8 {
      log.store(Self.other.word0, at: ring + line * 64 + 24)
      log.store(Self.other.word1, at: ring + line * 64 + 32)
      log.store(77, at: ring + line * 64 + 48)
    }
    #expect(reader.poll(limit: 100) { headers.append($0.header) } == 7)
    #expect(headers.allSatisfy { $0.word3 == Stage.agent.word0 && $0.word4 == Stage.agent.word1 })
    #expect(headers.map(\.word6) == Array(0..<8))
  }

  @Test("a log that names another owner than the router did is refused")
  func owner() throws {
    let identity = try Stage.identity(capacity: 16384)
    let log = try ForgedLog(identity: identity, records: [Stage.agent])
    let origin = FlowControl.Start(generation: 0, position: 0, sequence: 0)
    func read(_ owner: StreamOwner) throws -> Int {
      Subject(
        try LogReader(log.peer(), mode: .lossless, start: origin, slot: nil, owner: owner)
      ).drain().count
    }
    let mine = StreamOwner(
      agent: identity.agent, incarnation: identity.incarnation, channel: identity.channel)
    #expect(try read(mine) == 1)
    let others = [
      StreamOwner(agent: Self.other, incarnation: mine.incarnation, channel: mine.channel),
      StreamOwner(agent: mine.agent, incarnation: 6, channel: mine.channel),
      StreamOwner(agent: mine.agent, incarnation: mine.incarnation, channel: "other"),
    ]
    for other in others {
      #expect(throws: MemoryError.self) { _ = try read(other) }
    }
  }

  @Test("a log is gone on with only where its stream stood, and only as the same publisher's")
  func continuation() throws {
    func goesOn(
      base: UInt64 = 64, _ change: (inout LogIdentity) -> Void = { _ in }
    ) throws -> Bool {
      let first = try ForgedLog(identity: try Stage.identity(capacity: 16384))
      first.store(
        UInt64(BUS_WIRE_MAGIC) | UInt64(BUS_WIRE_VERSION) << 32
          | UInt64(BUS_RECORD_ROTATED) << 48, at: Int(first.identity.shape.ringOffset))
      first.store(64, at: first.hot + ForgedLog.commit)
      let origin = FlowControl.Start(generation: 0, position: 0, sequence: 0)
      let reader = Subject(try LogReader(first.peer(), mode: .lossy, start: origin, slot: nil))
      #expect(reader.poll { _ in } == 0 && reader.state == .rotated)
      var identity = try Stage.identity(capacity: 16384, generation: 1)
      change(&identity)
      let next = try ForgedLog(identity: identity, records: [Stage.agent])
      next.store(base, at: 48)
      next.store(base + 64, at: next.hot + ForgedLog.commit)
      let peer = try next.peer()
      do throws(MemoryError) {
        try reader.reader.move(to: peer)
      } catch {
        return false
      }
      return reader.drain().count == 1
    }
    #expect(try goesOn())
    #expect(try !goesOn { $0.agent = Self.other })
    #expect(try !goesOn { $0.incarnation += 1 })
    #expect(try !goesOn { $0.channel = "other" })
    #expect(try !goesOn { $0.generation = 2 })
    #expect(try !goesOn(base: 0) && !goesOn(base: 128))
  }
}
