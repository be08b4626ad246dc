import BusLog
import BusMemory
import BusWire
import CBusABI
import Glibc

/// A reader of each mode over a log whose publisher keeps no rule, and changes it between looks.
///
/// The input is words stored before the reader begins, then a script of stores, honest records,
/// polls and calls; stores also happen while a record is lent.
final class LogTarget: FuzzTarget {
  static let name = "log"
  static let bytesMax = 384
  static let agent = BusUUID(word0: 0x0123_4567_89AB_CDEF, word1: 0xFEDC_BA98_7654_3210)
  static let foreign = BusUUID(word0: 0x1111_1111_1111_1111, word1: 0x2222_2222_2222_2222)
  static let capacity: UInt64 = 16384

  private let logs: [HostileSegment]
  private let hot: Int
  private let ring: Int
  private let slot: CursorSlot
  private let readers: ReaderSegment

  init() throws {
    guard let shape = LogShape(capacity: Self.capacity) else {
      throw Broken("no such shape")
    }
    readers = try ReaderSegment(agent: Self.foreign, incarnation: 9)
    guard let slot = readers.takeSlot() else { throw Broken("no slot") }
    self.slot = slot
    var identities: [LogIdentity] = []
    for generation in 0..<2 {
      identities.append(
        LogIdentity(
          agent: Self.agent, incarnation: 5, channel: "stage", generation: UInt32(generation),
          shape: shape, stagger: UInt32(generation)))
    }
    logs = try identities.map { identity in
      let log = try NewLog(identity)
      let copy = try PeerSegment(consuming: dup(log.descriptor), announced: shape.segmentBytes)
      return unsafe try HostileSegment(bytes: Int(shape.segmentBytes)) { to in
        unsafe to.copyMemory(from: copy.lentBase, byteCount: 4096)
      }
    }
    hot = Int(identities[0].hotOffset)
    ring = Int(shape.ringOffset)
  }

  func run(_ input: inout FuzzInput) throws(Broken) {
    for log in logs { log.reset() }
    let head = input.byte()
    let mode = ReadMode(rawValue: head % 3 + 1) ?? .lossless
    let start = FlowControl.Start(
      generation: 0, position: UInt64(head >> 6) * 64, sequence: UInt64(head >> 6),
      departed: UInt64(head >> 5 & 1))
    if head & 8 != 0 { slot.open(attachment: 7) }
    var pen = HostilePen(logs[0], hot: hot, ring: ring, generation: 0)
    for _ in 0..<Int(input.byte() & 31) { pen.step(&input) }
    guard
      var reader = try? LogReader(
        logs[0].peer, mode: mode, start: start, slot: head & 8 != 0 ? slot : nil,
        relay: head & 16 != 0,
        // As the router says it: the pen may have written another one into the log.
        owner: StreamOwner(agent: Self.agent, incarnation: 5, channel: "stage"))
    else { return }
    var look = LogLook(first: start.sequence, mode: mode, isRelay: head & 16 != 0)
    look.segment = logs[0].peer
    for _ in 0..<96 where input.left > 0 {
      try step(&reader, &input, &pen, &look)
    }
    try look.poll(&reader, limit: .max, &input, &pen)
    try look.balance(reader)
    if head & 8 != 0 { readers.give(back: slot); _ = readers.takeSlot() }
  }

  private func step(
    _ reader: inout LogReader, _ input: inout FuzzInput, _ pen: inout HostilePen,
    _ look: inout LogLook
  ) throws(Broken) {
    let code = input.byte()
    switch code & 15 {
    case 0...7: pen.step(&input)
    case 8, 9: try look.poll(&reader, limit: 1 + Int(code >> 4), &input, &pen)
    case 10: try look.poll(&reader, limit: .max, &input, &pen)
    case 11: try look.topics(of: reader)
    case 12:
      reader.end(at: code & 16 != 0 ? .max : pen.value(&input))
    case 13:
      _ = reader.hasNews
      _ = reader.linger(looks: 3)
      _ = reader.hasLeftovers
      _ = reader.published(in: logs[1].peer)
      _ = reader.losses
      _ = reader.newestStampNs
    default: try move(&reader, &input, &pen, &look, code)
    }
  }

  /// The next log, as its publisher begins it, with words stored over it.
  private func move(
    _ reader: inout LogReader, _ input: inout FuzzInput, _ pen: inout HostilePen,
    _ look: inout LogLook, _ code: UInt8
  ) throws(Broken) {
    guard look.generation == 0 else { return }
    let position = reader.nextPosition
    let hot = hot + Int(BUS_LOG_HOT_STEP)
    logs[1].store(position, at: 48)
    logs[1].store(position, at: hot + Int(BUS_HOT_COMMIT))
    logs[1].store(position, at: hot + Int(BUS_HOT_RESERVE))
    logs[1].store(position, at: Int(BUS_LOG_INDEX_OFFSET))
    logs[1].store(reader.takenSequence, at: Int(BUS_LOG_INDEX_OFFSET) + 8)
    var next = HostilePen(logs[1], hot: hot, ring: ring, generation: 1)
    next.begin(at: position, sequence: reader.takenSequence)
    for _ in 0..<Int(code >> 6) { next.step(&input) }
    _ = reader.isContinued(by: logs[1].peer)
    do { try reader.move(to: logs[1].peer) } catch { return }
    try claim(reader.state == .open, "a reader that moved is \(reader.state)")
    pen = next
    look.generation = 1
    look.segment = logs[1].peer
  }

  /// A log with honest messages and a reader that takes them; then what each step can do.
  static func seeds() -> [[UInt8]] {
    var seeds: [[UInt8]] = []
    for mode in 0..<3 as Range<UInt8> {
      // Honest messages before the start, then polls.
      seeds.append([mode | 8, 3, 0x04, 0x14, 0x24, 0x88, 0x04, 0x14, 0x88, 0x0A, 0x0B])
      // Foreign sources and a filled ring; a limit below what is there.
      seeds.append([mode, 2, 0x05, 0x15, 0x18, 0x18, 0x18])
      // A commit far ahead, an index entry that goes with it.
      seeds.append([mode, 0, 0x05, 0x00, 0x21, 0x04, 0x00, 0x20, 0x05, 0x0A])
      // Rotation and the next log.
      seeds.append([mode, 1, 0x04, 0x06, 0x88, 0x0E, 0x04, 0x04, 0x0A, 0x16, 0x0A])
      // Topics, the end, and the closing record.
      seeds.append([mode, 2, 0x07, 3, 0x61, 0x2E, 0x62, 0x04, 0x0B, 0x1C, 0x0A, 0x26, 0x0A])
    }
    return seeds
  }
}
