import BusLog
import BusMemory
import BusWire
import Foundation
import Glibc
import Synchronization

/// An attack on the memory of a log, seen by a reader of the real library in each of its modes.
///
/// The reader takes the eight records that lie there, then the attack strikes, then it is polled
/// again. What it says is compared as text: its state, and how many records it handed over, lost
/// and found to be forged; or the field for which it refused the log.
struct LogRow: Sendable {
  let name: String
  var modes: [ReadMode] = ReadMode.allCases
  /// What the publisher does before anybody has mapped the log.
  var before: @Sendable (RawLog) -> Void = { _ in }
  /// What it does between two looks of its reader.
  var between: @Sendable (RawLog) -> Void = { _ in }
  /// What it does after the next look.
  var after: (@Sendable (RawLog) -> Void)?
  /// What it does over and over, from a thread of its own, while it is read.
  var moving: (@Sendable (RawLog, UInt64) -> Void)?
  /// What each mode may say: one text for all, or one each for lossless, lossy and latest.
  let expected: [[String]]

  var row: AttackRow {
    AttackRow(name) { _, report in
      for mode in modes {
        let texts = expected.count == 1 ? expected[0] : expected[Int(mode.rawValue) - 1]
        try Self.follow(self, mode, texts, report)
      }
    }
  }

  static let owner = BusUUID(agentName: "attacker")
  static let incarnation: UInt64 = 11
  static let capacity = 16384

  static func log() throws -> RawLog {
    try RawLog(owner: owner, incarnation: incarnation, channel: "attacks")
  }

  /// The log as a reader maps it.
  static func mapped(_ log: RawLog) throws -> PeerSegment {
    try PeerSegment(consuming: try log.memory.duplicate(), announced: UInt64(log.memory.bytes))
  }

  private static func follow(
    _ row: LogRow, _ mode: ReadMode, _ texts: [String], _ report: Report
  ) throws {
    let log = try Self.log()
    log.publish(8)
    row.before(log)
    let segment = try mapped(log)
    let opened: LogSubject
    do throws(MemoryError) {
      opened = try LogSubject(segment, mode)
    } catch {
      report.result(refusal(error), isOneOf: texts, "\(mode)")
      report.work(0, atMost: 0, "records")
      return
    }
    try opened.drain(log, report)
    row.between(log)
    if let step = row.moving {
      let mover = try Mover { step(log, $0) }
      for _ in 0..<50 { try opened.drain(log, report) }
      mover.stop()
    }
    try opened.drain(log, report)
    if let after = row.after {
      after(log)
      try opened.drain(log, report)
    }
    report.result(opened.text, isOneOf: texts, "\(mode)")
  }

  private static func refusal(_ error: MemoryError) -> String {
    if case .layout(let field, _) = error { "refused: \(field)" } else { "refused: \(error)" }
  }
}

/// The reader of one log, and what it has handed over.
final class LogSubject {
  private var reader: LogReader
  // Keeps the line that the reader writes.
  private let cursors: ReaderSegment
  private(set) var handed = 0
  /// The sources of all that was handed over.
  private(set) var sources: Set<BusUUID> = []
  /// The second halves of their destinations.
  private(set) var topics: Set<UInt64> = []

  init(_ segment: PeerSegment, _ mode: ReadMode) throws(MemoryError) {
    cursors = try ReaderSegment(agent: BusUUID(agentName: "victim"), incarnation: 4)
    let slot = cursors.takeSlot()
    slot?.open(attachment: Self.attachment)
    reader = try LogReader(
      segment, mode: mode, start: FlowControl.Start(generation: 0, position: 0, sequence: 0),
      slot: slot)
  }

  static let attachment: UInt64 = 77

  var text: String { "\(reader.state) \(handed)/\(reader.gaps)/\(reader.forged)" }
  var forged: UInt64 { reader.forged }
  var gaps: UInt64 { reader.gaps }

  /// Polls until a poll brings nothing, at most twenty times; bounds what each poll looks at.
  func drain(_ log: RawLog, _ report: Report, limit: Int = 64, polls: Int = 20) throws {
    for _ in 0..<polls where try poll(log, report, limit: limit) > 0 {}
  }

  /// One poll; returns what it handed over and skipped.
  ///
  /// When it does not come back the ring is zeroed, so that the walk finds its end.
  @discardableResult
  func poll(_ log: RawLog, _ report: Report, limit: Int) throws -> Int {
    Rescue.shared.begin(log)
    let before = reader.forged &+ reader.superseded
    let taken = reader.poll(limit: limit) { record in
      sources.insert(BusUUID(word0: record.header.word3, word1: record.header.word4))
      topics.insert(record.header.word5 == 0 ? record.header.word6 : .max)
    }
    if Rescue.shared.end() { report.complain("a poll walked on until the ring was zeroed") }
    handed += taken
    // Skipped records are looked at as well: no more of them than the ring has lines.
    let skipped = Int(clamping: reader.forged &+ reader.superseded &- before)
    report.work(taken, atMost: limit, "records handed over by one poll")
    report.work(skipped, atMost: log.capacity / 64, "records skipped by one poll")
    return taken + skipped
  }
}

/// One thread that zeroes a log's ring when a poll of it does not come back, so that an endless
/// walk fails its row and not the whole run.
private final class Rescue: Sendable {
  static let shared = Rescue()

  private let walk = Mutex(Walk())

  private struct Walk: Sendable {
    var log: RawLog?
    var endNs: UInt64 = 0
    var struck = false
  }

  private init() {
    Thread.detachNewThread {
      while true {
        usleep(20_000)
        self.walk.withLock { walk in
          guard let log = walk.log, HostClock.monotonicNs() > walk.endNs else { return }
          walk.struck = true
          log.stopWalks()
        }
      }
    }
  }

  func begin(_ log: RawLog) {
    walk.withLock { $0 = Walk(log: log, endNs: HostClock.monotonicNs() + 10_000_000_000) }
  }

  /// Whether it had to strike.
  func end() -> Bool {
    walk.withLock { walk in
      defer { walk.log = nil }
      return walk.struck
    }
  }
}
