import BusLog
import BusMemory
import BusWire
import CBusPlatform
import Glibc
import Synchronization
import Testing

/// One publisher's side and one reader agent's side of a stream, in one process: every segment is
/// mapped a second time, read-only, as another process would have it.
final class Stage: @unchecked Sendable {
  // @unchecked Sendable: `logs` is appended before threads that read it are told of the log.
  static let agent = BusUUID(word0: 0x0123_4567_89AB_CDEF, word1: 0xFEDC_BA98_7654_3210)

  let gate: FlowControl
  let segment: ReaderSegment
  let peer: PeerSegment
  let evictions: Evictions
  /// Who left without a word, as the gate tells it.
  let departures: Evictions
  private(set) var logs: [PeerSegment] = []
  private var descriptors: [Int32] = []

  init(stall: StallPolicy = StallPolicy(stallNs: 0)) throws {
    let evictions = Evictions()
    self.evictions = evictions
    let departures = Evictions()
    self.departures = departures
    gate = FlowControl(
      stall: stall, onEvict: { attachment, _ in evictions.note(attachment) },
      onLeave: { attachment in departures.note(attachment) })
    segment = try ReaderSegment(agent: Self.agent, incarnation: 7)
    peer = try PeerSegment(consuming: dup(segment.descriptor), announced: 131072)
  }

  static func identity(
    capacity: UInt64, generation: UInt32 = 0, topicsBytes: UInt32 = 4096
  ) throws -> LogIdentity {
    let shape = try #require(LogShape(capacity: capacity, topicsBytes: topicsBytes))
    return LogIdentity(
      agent: agent, incarnation: 5, channel: "stage", generation: generation, shape: shape,
      stagger: UInt32(truncatingIfNeeded: capacity >> 14) &+ generation)
  }

  /// A log of this stream; the stage keeps a read-only mapping of it.
  func makeLog(
    capacity: UInt64, generation: UInt32 = 0, topicsBytes: UInt32 = 4096
  ) throws -> NewLog {
    let identity = try Self.identity(
      capacity: capacity, generation: generation, topicsBytes: topicsBytes)
    let log = try NewLog(identity)
    logs.append(try second(log))
    descriptors.append(dup(log.descriptor))
    return log
  }

  /// The log made last did not come into use.
  func forgetLog() {
    logs.removeLast()
    close(descriptors.removeLast())
  }

  /// Another mapping of a log of this stream.
  func mapping(_ generation: Int) throws -> PeerSegment {
    try PeerSegment(
      consuming: dup(descriptors[generation]), announced: logs[generation].fileBytes)
  }

  deinit { for descriptor in descriptors { close(descriptor) } }

  /// A read-only mapping of a log.
  func second(_ log: borrowing NewLog) throws -> PeerSegment {
    try PeerSegment(
      consuming: dup(log.descriptor), announced: log.identity.shape.segmentBytes)
  }

  /// The answer of the gate to a reader that joins, and its line.
  func join(
    _ attachment: UInt64, lossless: Bool, epoch: Int? = nil
  ) throws -> (start: FlowControl.Start, slot: CursorSlot) {
    let slot = try #require(segment.takeSlot())
    slot.open(attachment: attachment)
    let link = try #require(FlowControl.Link(segment: peer, slot: slot.index, epoch: epoch))
    let start = try gate.join(attachment: attachment, link: link, lossless: lossless) {
      _ = plat_barrier_own_threads()
    }
    return (start, slot)
  }

  /// A reader that joins now.
  func reader(_ mode: ReadMode, attachment: UInt64) throws -> LogReader {
    let (start, slot) = try join(attachment, lossless: mode == .lossless)
    return try LogReader(
      logs[Int(start.generation)], mode: mode, start: start, slot: slot)
  }
}

/// Which attachments a gate told of, in order.
final class Evictions: Sendable {
  private let all = Mutex<[UInt64]>([])
  func note(_ attachment: UInt64) { all.withLock { $0.append(attachment) } }
  var list: [UInt64] { all.withLock { $0 } }
}

/// Messages whose bytes follow from their number, so that any mix-up shows.
enum Message {
  static func head(_ number: UInt64, topic: UInt64) -> LogWriter.Head {
    LogWriter.Head(
      type: .event, destination: BusUUID(topicId: topic),
      correlationId: UInt32(truncatingIfNeeded: number))
  }

  @inline(__always)
  static func byte(_ number: UInt64, _ index: Int) -> UInt8 {
    UInt8(truncatingIfNeeded: number &* 131 &+ UInt64(truncatingIfNeeded: index) &* 17 &+ 7)
  }

  static func bytes(_ number: UInt64, count: Int) -> [UInt8] {
    (0..<count).map { byte(number, $0) }
  }

  /// What is wrong with a record that should be the message `number` of `count` bytes, or nil.
  static func fault(
    _ record: borrowing Record, number: UInt64, count: Int, topic: UInt64? = nil
  ) -> String? {
    if record.sequence != number { return "sequence \(record.sequence) instead of \(number)" }
    return contentFault(record, number: number, count: count, topic: topic)
  }

  /// As ``fault(_:number:count:topic:)``, the record's sequence not looked at.
  static func contentFault(
    _ record: borrowing Record, number: UInt64, count: Int, topic: UInt64? = nil
  ) -> String? {
    if record.header.word2 != number { return "stamp \(record.header.word2), not \(number)" }
    if record.payload.byteCount != count {
      return "\(record.payload.byteCount) bytes instead of \(count)"
    }
    if let topic, record.header.word5 != 0 || record.header.word6 != topic {
      return "topic \(record.header.word6) instead of \(topic)"
    }
    return unsafe record.payload.withUnsafeBytes { bytes in
      for index in 0..<bytes.count where unsafe bytes[index] != byte(number, index) {
        return "byte \(index) of message \(number)"
      }
      return nil
    }
  }
}

/// A writer that can be lent to `#expect` and to closures.
final class Pen: @unchecked Sendable {
  // @unchecked Sendable: a test lends it to one thread at a time.
  var writer: LogWriter

  init(_ stage: Stage, capacity: UInt64, topicsBytes: UInt32 = 4096) throws {
    writer = LogWriter(
      first: try stage.makeLog(capacity: capacity, topicsBytes: topicsBytes), gate: stage.gate)
  }

  /// Appends the message `number`; false when there is no room.
  func append(_ number: UInt64, count: Int, topic: UInt64 = 0) -> Bool {
    let bytes = Message.bytes(number, count: count)
    return unsafe writer.append(
      Message.head(number, topic: topic), stamp: number, payload: bytes.span.bytes)
  }

  var appended: UInt64 { writer.appended }
  var fences: Bool { writer.fences }
  var position: UInt64 { writer.nextPosition }
  func fits(_ payload: Int) -> Bool {
    writer.fits(recordBytes: recordBytes(extension: 0, payload: payload))
  }

  /// Appends and shows the message `number`; false when there is no room.
  func send(_ number: UInt64, count: Int, topic: UInt64 = 0) -> Bool {
    guard append(number, count: count, topic: topic) else { return false }
    writer.publish()
    return true
  }

  /// Appends what `body` writes in place; false when there is no room.
  func place<Failure: Error>(
    _ number: UInt64, count: Int, _ body: (inout OutputRawSpan) throws(Failure) -> Void
  ) throws(Failure) -> Bool {
    try writer.append(Message.head(number, topic: 0), stamp: number, count: count, body)
  }

  /// Goes on in a new log; false when there is no room for the record that says so.
  func rotate(_ stage: Stage, capacity: UInt64) throws -> Bool {
    let next = try stage.makeLog(capacity: capacity, generation: writer.generation + 1)
    if writer.rotate(to: next) == nil { return true }
    stage.forgetLog()
    return false
  }
}

/// A reader that can be lent to `#expect` and kept in arrays.
final class Subject {
  var reader: LogReader

  init(_ stage: Stage, _ mode: ReadMode, attachment: UInt64) throws {
    reader = try stage.reader(mode, attachment: attachment)
  }

  init(_ reader: consuming LogReader) { self.reader = reader }

  var state: ReaderState { reader.state }
  var received: UInt64 { reader.received }
  var gaps: UInt64 { reader.gaps }

  func poll<Failure: Error>(
    limit: Int = 1000, _ body: (borrowing Record) throws(Failure) -> Void
  ) throws(Failure) -> Int {
    try reader.poll(limit: limit, body)
  }

  /// The numbers of all messages that are there now, read in batches.
  func drain(limit: Int = 1000) -> [UInt64] {
    var numbers: [UInt64] = []
    while true {
      var batch: [UInt64] = []
      guard poll(limit: limit, { batch.append($0.header.word2) }) > 0 else { return numbers }
      numbers += batch
    }
  }
}
