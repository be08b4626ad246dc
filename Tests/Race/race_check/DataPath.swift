import BusLog
import BusMemory
import BusWire
import CBusABI
import CBusPlatform
import Glibc
import Synchronization

/// One stream with its readers, each in a thread, all on one mapping: what orders them is what the
/// code orders, and ThreadSanitizer reports where that is nothing.
final class DataPath: @unchecked Sendable {
  // @unchecked Sendable: logs are appended before the threads that take them are told.
  static let agent = BusUUID(word0: 0x0123_4567_89AB_CDEF, word1: 0xFEDC_BA98_7654_3210)
  private static let messages: UInt64 = 40_000

  private let gate = FlowControl(stall: StallPolicy(stallNs: 0)) { _, _ in }
  private let segment: ReaderSegment
  private let peer: PeerSegment
  private let logs = Mutex<[PeerSegment]>([])
  private let isOver = Atomic<Bool>(false)
  private let taken = Atomic<UInt64>(0)
  private let sum = Atomic<UInt64>(0)

  init() throws {
    segment = try ReaderSegment(agent: Self.agent, incarnation: 7)
    peer = try PeerSegment(
      consuming: dup(segment.descriptor), announced: UInt64(BUS_READER_SEGMENT_BYTES))
  }

  private func makeLog(_ capacity: UInt64, generation: UInt32) throws -> NewLog {
    guard let shape = LogShape(capacity: capacity) else { throw Fault("no such shape") }
    let log = try NewLog(
      LogIdentity(
        agent: Self.agent, incarnation: 5, channel: "race", generation: generation, shape: shape,
        stagger: generation))
    let mapped = try PeerSegment(consuming: dup(log.descriptor), announced: shape.segmentBytes)
    logs.withLock { $0.append(mapped) }
    return log
  }

  private func join(_ attachment: UInt64, _ mode: ReadMode, _ slot: CursorSlot, _ epoch: Int?)
    throws -> LogReader
  {
    slot.open(attachment: attachment)
    guard let link = FlowControl.Link(segment: peer, slot: slot.index, epoch: epoch) else {
      throw Fault("the gate refuses a reader")
    }
    let start = try gate.join(
      attachment: attachment, link: link, lossless: mode == .lossless,
      barrier: { _ = plat_barrier_own_threads() })
    let log = logs.withLock { $0[Int(start.generation)] }
    return try LogReader(log, mode: mode, start: start, slot: slot)
  }

  /// Reads to the end, every byte, and sleeps now and then.
  private func follow(_ attachment: UInt64, _ mode: ReadMode) throws {
    guard let slot = segment.takeSlot(), let epoch = segment.takeEpoch() else {
      throw Fault("no slot")
    }
    var reader = try join(attachment, mode, slot, epoch.index)
    var watches = WatchList()
    while true {
      let count = reader.poll(limit: 32) { record in
        var bytes: UInt64 = 0
        let payload = record.payload
        for at in 0..<payload.byteCount {
          bytes &+= UInt64(unsafe payload.unsafeLoad(fromByteOffset: at, as: UInt8.self))
        }
        sum.wrappingAdd(bytes, ordering: .relaxed)
      }
      taken.wrappingAdd(UInt64(count), ordering: .relaxed)
      if reader.state == .rotated {
        let next = logs.withLock { $0[Int(reader.identity.generation) + 1] }
        try reader.move(to: next)
        continue
      }
      if reader.state != .open { break }
      guard count == 0 else { continue }
      let marked = epoch.announce(ownWord: false)
      ReaderEpoch.barrier()
      if !reader.hasNews {
        watches.removeAll()
        watches.add(reader)
        epoch.sleep(marked: marked, watches: watches, timeoutNs: 5_000_000)
      }
      epoch.awake()
    }
    if reader.state != .ended { throw Fault("\(mode) ends as \(reader.state)") }
    gate.leave(attachment)
    segment.give(back: slot)
    segment.give(back: epoch)
  }

  private func write() throws {
    var writer = LogWriter(first: try makeLog(16384, generation: 0), gate: gate)
    ready.store(true, ordering: .releasing)
    let head = LogWriter.Head(type: .event, destination: BusUUID(topicId: 0))
    var number: UInt64 = 0
    while number < Self.messages {
      let count = Int(truncatingIfNeeded: number % 300)
      let payload = [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: count)
      if unsafe writer.append(head, stamp: number, payload: payload.span.bytes) {
        number += 1
        if number % 3 == 0 { writer.publish() }
        if number % 1000 == 7 { _ = writer.topic("race.\(number)") }
        if number == Self.messages / 2 { try rotate(&writer) }
      } else {
        writer.waitForRoom(recordBytes: 512, timeoutNs: 5_000_000)
      }
    }
    writer.publish()
    while !writer.close() { writer.waitForRoom(recordBytes: 64, timeoutNs: 5_000_000) }
    isOver.store(true, ordering: .releasing)
    // Readers that are still there may look at the gate.
    while done.load(ordering: .acquiring) < 4 { sched_yield() }
  }

  private func rotate(_ writer: inout LogWriter) throws {
    var next = try makeLog(32768, generation: 1)
    while true {
      guard let back = writer.rotate(to: next) else { return }
      next = back
      writer.waitForRoom(recordBytes: 64, timeoutNs: 5_000_000)
    }
  }

  private let ready = Atomic<Bool>(false)
  private let done = Atomic<Int>(0)

  /// All threads; returns the number of messages that were taken.
  func run() throws -> UInt64 {
    _ = plat_barrier_register()
    let threads = Threads()
    threads.start { try self.write() }
    while !ready.load(ordering: .acquiring) { sched_yield() }
    for (number, mode) in [ReadMode.lossless, .lossless, .lossy, .latest].enumerated() {
      threads.start {
        defer { self.done.wrappingAdd(1, ordering: .releasing) }
        try self.follow(UInt64(number + 1), mode)
      }
    }
    try threads.wait()
    return taken.load(ordering: .relaxed)
  }
}
