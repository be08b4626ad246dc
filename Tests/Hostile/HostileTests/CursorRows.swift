import BusLog
import BusMemory
import BusWire
import CBusABI
import CBusPlatform
import Glibc
import Synchronization

// Attacks of a reader on the publisher that waits for it: its cursor, ticket and epoch are words
// that it alone writes. Expectations: how many records of 1 KiB fit after the attack into a window
// of 16 that was full, where an honest reader beside it takes each at once.

struct CursorRow: Sendable {
  let name: String
  var strike: @Sendable (RawReaderSegment) -> Void = { _ in }
  var moving: (@Sendable (RawReaderSegment, UInt64) -> Void)?
  /// Records that fit; most of 40 that are tried.
  let fits: ClosedRange<Int>
  /// Whether the reader is put out when it stands in the way for too long.
  let isEvicted: [Bool]

  init(
    _ name: String, fits: ClosedRange<Int>, isEvicted: [Bool],
    moving: (@Sendable (RawReaderSegment, UInt64) -> Void)? = nil,
    _ strike: @escaping @Sendable (RawReaderSegment) -> Void = { _ in }
  ) {
    self.name = name
    self.fits = fits
    self.isEvicted = isEvicted
    self.moving = moving
    self.strike = strike
  }

  private static let slot = 5
  private static let hostile: UInt64 = 7
  private static let ring: UInt64 = 16384

  var row: AttackRow {
    AttackRow("cursor: \(name)") { _, report in
      let stage = try CursorStage()
      let segment = try RawReaderSegment(owner: LogRow.owner, incarnation: 11)
      segment.memory.put(Self.hostile, at: RawReaderSegment.ticket(Self.slot))
      try stage.join(segment, slot: Self.slot, attachment: Self.hostile)
      report.result("\(stage.fill(most: 40))", is: "16", "the window before")
      strike(segment)
      let mover = try moving.map { step in try Mover { step(segment, $0) } }
      let found = stage.fill(most: 40)
      report.holds(fits.contains(found), "\(found) records fit, not \(fits)")
      report.work(found, atMost: 40, "records")
      // Longer than a reader may stand in the way, also when each wait is a short one.
      var goesOn = false
      for _ in 0..<2000 where !goesOn {
        goesOn = stage.fill(most: 1) == 1
        if !goesOn { stage.wait() }
      }
      mover?.stop()
      report.holds(goesOn, "the publisher stands still")
      let evicted = stage.evicted
      report.holds(
        isEvicted.contains(!evicted.isEmpty) && evicted.allSatisfy { $0 == Self.hostile },
        "evicted: \(evicted)")
      report.work(evicted.count, atMost: 1, "evictions")
      report.result("\(stage.honest)", is: "\(stage.sent)", "records of the honest reader")
    }
  }

  static var all: [AttackRow] { (cursors + tickets + epochs).map(\.row) }

  private static func put(_ value: UInt64, _ at: Int) -> @Sendable (RawReaderSegment) -> Void {
    { $0.memory.put(value, at: at) }
  }

  private static func ofCounts() -> @Sendable (RawReaderSegment) -> Void {
    { segment in
      segment.memory.put(.max, at: cursor + 16)
      segment.memory.put(.max, at: cursor + 24)
    }
  }

  private static func ofIdentity() -> @Sendable (RawReaderSegment) -> Void {
    { segment in
      for at in stride(from: 0, to: 256, by: 8) { segment.memory.put(0, at: at) }
    }
  }

  private static let cursor = RawReaderSegment.cursor(slot)
  private static let ticket = RawReaderSegment.ticket(slot)
  private static let no = 0...0
  private static let free = 40...40

  static let cursors: [CursorRow] = [
    CursorRow("stays where it was", fits: no, isEvicted: [true]),
    CursorRow("is 1", fits: no, isEvicted: [true], put(1, cursor)),
    CursorRow("is off the grid", fits: 7...7, isEvicted: [true], put(8191, cursor)),
    CursorRow("is at the commit", fits: 16...16, isEvicted: [true], put(ring, cursor)),
    CursorRow(
      "is a line beyond the commit", fits: 16...16, isEvicted: [true],
      put(ring + 64, cursor)),
    CursorRow(
      "is a ring beyond the commit", fits: 32...32, isEvicted: [true],
      put(2 * ring, cursor)),
    CursorRow("is max", fits: free, isEvicted: [false], put(.max, cursor)),
    CursorRow("is the sign bit", fits: free, isEvicted: [false], put(1 << 63, cursor)),
    CursorRow(
      "moves between 0 and max", fits: 0...40, isEvicted: [true, false],
      moving: { segment, step in segment.memory.put(step % 2 == 0 ? 0 : .max, at: cursor) }),
    CursorRow(
      "moves by a byte at a time", fits: 0...16, isEvicted: [true, false],
      moving: { segment, step in segment.memory.put(step % ring, at: cursor) }),
  ]

  static let tickets: [CursorRow] = [
    CursorRow("its ticket is 0: it has left", fits: free, isEvicted: [false], put(0, ticket)),
    CursorRow("its ticket is another one's", fits: free, isEvicted: [false], put(1, ticket)),
    CursorRow("its ticket is max", fits: free, isEvicted: [false], put(.max, ticket)),
    CursorRow(
      "its ticket moves", fits: 0...40, isEvicted: [true, false],
      moving: { segment, step in segment.memory.put(step % 8, at: ticket) }),
    CursorRow("its counts are max", fits: no, isEvicted: [true], ofCounts()),
  ]

  static let epochs: [CursorRow] = [
    CursorRow(
      "its epoch is odd for ever", fits: no, isEvicted: [true],
      put(1, RawReaderSegment.epoch(0))),
    CursorRow(
      "its epoch is max", fits: no, isEvicted: [true],
      put(.max, RawReaderSegment.epoch(0))),
    CursorRow(
      "its epoch never stops", fits: no, isEvicted: [true],
      moving: { segment, step in segment.memory.put(step, at: RawReaderSegment.epoch(0)) }),
    CursorRow("its identity becomes zeros", fits: no, isEvicted: [true], ofIdentity()),
  ]
}

/// A publisher, an honest lossless reader, and room for a hostile one, in this process.
private final class CursorStage {
  private let gate: FlowControl
  private let segment: ReaderSegment
  private var writer: LogWriter
  private var reader: LogReader
  private let log: Evicted
  private(set) var sent: UInt64 = 0
  private(set) var honest: UInt64 = 0

  var evicted: [UInt64] { log.list.withLock { $0 } }

  private final class Evicted: Sendable {
    let list = Mutex<[UInt64]>([])
  }

  init() throws {
    guard let shape = LogShape(capacity: 16384) else { throw SetUpFailure("no shape of a log") }
    let log = Evicted()
    self.log = log
    gate = FlowControl(stall: StallPolicy(stallNs: 20_000_000)) { attachment, _ in
      log.list.withLock { $0.append(attachment) }
    }
    let identity = LogIdentity(
      agent: BusUUID(agentName: "victim"), incarnation: 5, channel: "victim", generation: 0,
      shape: shape, stagger: 0)
    let prepared = try NewLog(identity)
    let copy = try PeerSegment(
      consuming: dup(prepared.descriptor), announced: shape.segmentBytes)
    writer = LogWriter(first: prepared, gate: gate)
    segment = try ReaderSegment(agent: BusUUID(agentName: "honest"), incarnation: 6)
    guard let slot = segment.takeSlot() else { throw SetUpFailure("no cursor slot") }
    slot.open(attachment: 1)
    let peer = try PeerSegment(
      consuming: dup(segment.descriptor), announced: UInt64(BUS_READER_SEGMENT_BYTES))
    let start = try Self.join(gate, peer, slot: slot.index, attachment: 1)
    reader = try LogReader(copy, mode: .lossless, start: start, slot: slot)
  }

  private static func join(
    _ gate: FlowControl, _ peer: PeerSegment, slot: Int, attachment: UInt64
  ) throws -> FlowControl.Start {
    guard let link = FlowControl.Link(segment: peer, slot: slot, epoch: 0) else {
      throw SetUpFailure("reader \(attachment) was not let in")
    }
    return try gate.join(
      attachment: attachment, link: link, lossless: true,
      barrier: { _ = plat_barrier_own_threads() })
  }

  func join(_ segment: RawReaderSegment, slot: Int, attachment: UInt64) throws {
    let peer = try PeerSegment(
      consuming: try segment.memory.duplicate(), announced: UInt64(segment.memory.bytes))
    _ = try Self.join(gate, peer, slot: slot, attachment: attachment)
  }

  /// Publishes until the window is full; the honest reader takes each record at once.
  func fill(most: Int) -> Int {
    let payload = [UInt8](repeating: 1, count: 960)
    for count in 0..<most {
      let head = LogWriter.Head(type: .event, destination: BusUUID(topicId: 0), correlationId: 0)
      guard unsafe writer.append(head, stamp: sent, payload: payload.span.bytes) else {
        return count
      }
      writer.publish()
      sent += 1
      _ = reader.poll(limit: 8) { record in
        if record.header.word2 == honest { honest += 1 }
      }
    }
    return most
  }

  /// Waits for room as a publisher does.
  func wait() { writer.waitForRoom(recordBytes: 1024, timeoutNs: 10_000_000) }
}
