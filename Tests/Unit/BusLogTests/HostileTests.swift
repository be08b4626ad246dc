import BusLog
import BusMemory
import BusTestSupport
import BusWire
import Foundation
import Glibc
import Synchronization
import Testing

@Suite("Hostile publishers")
struct HostilePublisherTests {
  private let origin = FlowControl.Start(generation: 0, position: 0, sequence: 0)

  @Test("a log that says it is larger than its file, or is mapped in part, is refused")
  func sizes() throws {
    let identity = try Stage.identity(capacity: 16384)
    let log = try ForgedLog(identity: identity)
    #expect(throws: MemoryError.self) {
      _ = try LogReader(log.peer(mapping: 4096), mode: .lossy, start: origin, slot: nil)
    }
    #expect(try LogIdentity(reading: log.peer(mapping: 4096)) == identity)
    let larger = try #require(LogShape(capacity: 1 << 20))
    log.store(larger.capacity, at: 16)
    log.store(larger.segmentBytes, at: 8)
    #expect(throws: MemoryError.layout(field: "segment size", value: larger.segmentBytes)) {
      _ = try LogIdentity(reading: log.peer())
    }
  }

  @Test("a base off the grid of records is refused: headers would be read beyond the mapping")
  func base() throws {
    let log = try ForgedLog(identity: try Stage.identity(capacity: 16384))
    let far = FlowControl.Start(generation: 0, position: 16384, sequence: 0)
    for base in [UInt64(1), 8, 63, 65, 16383] {
      log.store(base, at: 48)
      #expect(throws: MemoryError.layout(field: "base position", value: base)) {
        _ = try LogReader(log.peer(), mode: .lossy, start: far, slot: nil)
      }
    }
  }

  @Test("every field of the identity, at every bit, is taken or refused, never a trap")
  func identityBits() throws {
    let log = try ForgedLog(identity: try Stage.identity(capacity: 16384), records: [Stage.agent])
    var refused = 0
    for bit in 0..<256 * 8 {
      let at = bit / 64 * 8
      let before = log.load(at: at)
      log.store(before ^ UInt64(1) << UInt64(bit % 64), at: at)
      if let reader = try? LogReader(log.peer(), mode: .lossy, start: origin, slot: nil) {
        _ = Subject(reader).drain()
      } else {
        refused += 1
      }
      log.store(before, at: at)
    }
    print("identity of a log: 2048 bits flipped, \(refused) refused")
    #expect(refused > 300)
  }

  @Test("sequences that wrap in the position index count no impossible gap and trap nothing")
  func sequences() throws {
    let senders = [BusUUID](repeating: Stage.agent, count: 256)
    for number in [UInt64.max, UInt64.max - 1, 1 << 63, 1 << 40] {
      let log = try ForgedLog(identity: try Stage.identity(capacity: 16384), records: senders)
      let reader = Subject(try LogReader(log.peer(), mode: .lossy, start: origin, slot: nil))
      for lap in UInt64(1)...4 {
        // The pen is said to be two rings ahead, and the index to start right there.
        let place = lap * 32768
        for slot in 0..<16 {
          log.store(number, at: 256 + slot * 16 + 8)
          log.store(place, at: 256 + slot * 16)
        }
        log.store(place + 64, at: log.hot)
        log.store(place + 128, at: log.hot + ForgedLog.commit)
        _ = reader.poll(limit: 1) { _ in }
        #expect(reader.gaps <= place / 64)
      }
    }
  }

  @Test("after bytes that are no record nothing more is read, even if they are repaired")
  func corruptIsFinal() throws {
    for mode in ReadMode.allCases {
      let log = try ForgedLog(
        identity: try Stage.identity(capacity: 16384), records: [Stage.agent, Stage.agent])
      let ring = Int(log.identity.shape.ringOffset)
      let good = log.load(at: ring + 64)
      log.store(0, at: ring + 64)
      let reader = Subject(try LogReader(log.peer(), mode: mode, start: origin, slot: nil))
      #expect(reader.drain().count == 1)
      #expect(reader.state == .corrupt)
      log.store(good, at: ring + 64)
      #expect(reader.drain().isEmpty && reader.state == .corrupt)
      let hasNews = reader.reader.hasNews
      #expect(!hasNews)
    }
  }

  @Test("a commit that goes back, off the grid or far ahead is a broken publisher or an eviction")
  func commits() throws {
    let cases: [(UInt64, [ReaderState])] = [
      (72, [.corrupt]), (1 << 63 | 64, [.corrupt]), (UInt64.max - 63, [.corrupt]),
      (16384 + 128, [.evicted, .open]), (64 + 16384 << 1, [.evicted, .open]),
      (64 + 16384 << 20, [.evicted, .open]), (64 + 16384 << 40, [.evicted, .open]),
    ]
    for (commit, states) in cases {
      for mode in ReadMode.allCases {
        // A full ring: a walk round it finds nothing that ends it.
        let log = try ForgedLog(
          identity: try Stage.identity(capacity: 16384),
          records: [BusUUID](repeating: Stage.agent, count: 256))
        log.store(64, at: log.hot + ForgedLog.commit)
        let reader = Subject(try LogReader(log.peer(), mode: mode, start: origin, slot: nil))
        #expect(reader.drain().count == 1)
        log.store(commit, at: log.hot + ForgedLog.commit)
        Watchdog.bounding("\(mode), commit \(commit)", seconds: 30) {
          #expect(reader.drain().isEmpty, "nothing is read on the word of such a commit")
        }
        #expect(states.contains(reader.state), "\(mode) \(commit): \(reader.state)")
        #expect((mode == .lossless) == (reader.state == .evicted) || reader.state == .corrupt)
        log.store(0, at: log.hot + ForgedLog.commit)
        _ = reader.drain()
        #expect(reader.state != .ended)
      }
    }
  }
}

/// A thread that ruins a log while readers follow it.
private final class Scribbler: Sendable {
  private let log: ForgedLog
  private let isOver = Mutex(false)
  private let group = DispatchGroup()

  init(_ log: ForgedLog, seed: UInt64) {
    self.log = log
    let group = group
    group.enter()
    Thread.detachNewThread {
      var random = SplitMix64(seed: seed)
      while !self.isOver.withLock({ $0 }) { for _ in 0..<200 { Self.strike(log, &random) } }
      group.leave()
    }
  }

  func stop() {
    isOver.withLock { $0 = true }
    group.wait()
  }

  private static func strike(_ log: ForgedLog, _ random: inout SplitMix64) {
    let capacity = log.identity.shape.capacity
    let ring = Int(log.identity.shape.ringOffset)
    let hot = log.hot
    let line = Int.random(in: 0..<Int(capacity / 64), using: &random) * 64
    switch Int.random(in: 0..<24, using: &random) {
    case 0: flip(log, hot + ForgedLog.commit, &random)
    case 1: flip(log, hot, &random)
    case 2: flip(log, 256 + Int.random(in: 0..<32, using: &random) * 8, &random)
    case 3: flip(log, ring + line + Int.random(in: 0..<8, using: &random) * 8, &random)
    case 4: flip(log, 4096 + Int.random(in: 0..<512, using: &random) * 8, &random)
    case 5:
      guard Int.random(in: 0..<200, using: &random) == 0 else { return }
      flip(log, 48 + Int.random(in: 0..<2, using: &random) * 8, &random)
    case 6: flip(log, hot + 256 + Int.random(in: 0..<3, using: &random) * 8, &random)
    case 7:
      let place = UInt64.random(in: 0...8 * capacity, using: &random) & ~63
      let slot = 256 + Int.random(in: 0..<16, using: &random) * 16
      log.store(place / UInt64.random(in: 64...4096, using: &random), at: slot + 8)
      log.store(place, at: slot)
    case 8: log.store(random.next() >> UInt64.random(in: 0...63, using: &random), at: hot)
    case 9...13: writeRecord(log, ring + line, &random)
    default:
      // A plausible step, so that readers get somewhere.
      let commit = log.load(at: hot + ForgedLog.commit) & ~63
      let next = commit &+ UInt64.random(in: 0...40, using: &random) * 64
      log.store(next, at: hot)
      log.store(next, at: hot + ForgedLog.commit)
      if Int.random(in: 0..<50, using: &random) == 0 {
        log.store(0, at: hot + ForgedLog.commit)
        log.store(0, at: hot)
      }
    }
  }

  private static func flip(_ log: ForgedLog, _ at: Int, _ random: inout SplitMix64) {
    log.store(log.load(at: at) ^ UInt64(1) << UInt64.random(in: 0..<64, using: &random), at: at)
  }

  private static func writeRecord(_ log: ForgedLog, _ at: Int, _ random: inout SplitMix64) {
    let types: [UInt64] = [1, 2, 4, 8, 16, 32, 64, 4, 4, 4, 0xFF00, 0xFF01, 0xFF02, 3]
    let lengths: [UInt64] = [0, 1, 64, 100, 1000, 5000, 16 << 20, 0xFFFF_FFC0]
    let type = types.randomElement(using: &random) ?? 4
    let isControl = type > 0xFF
    let length = lengths.randomElement(using: &random) ?? 0
    let isExtended = Int.random(in: 0..<8, using: &random) == 0 && !isControl
    log.store(0xAF42_CAFE | 1 << 32 | type << 48, at: at)
    log.store(length | (isExtended ? 0xFFF8 << 48 : 0), at: at + 8)
    let isForged = Int.random(in: 0..<3, using: &random) == 0
    log.store(isForged ? 1 : Stage.agent.word0, at: at + 24)
    log.store(Stage.agent.word1, at: at + 32)
  }
}

@Suite("Memory ruined while it is read", .serialized)
struct ScribbleTests {
  private struct Tally {
    var records = 0
    var readers = 0
    var bytes: UInt64 = 0
    var states: [String: Int] = [:]
    var forged: UInt64 = 0
  }

  /// Records that one poll looked at and did not hand over.
  private static func skipped(_ reader: Subject) -> UInt64 {
    reader.reader.forged + reader.reader.superseded
  }

  @Test("readers neither trap nor leave their mapping, whatever a publisher does to its memory")
  func scribble() throws {
    let seed = Seed.announced(for: "ruined memory")
    var random = seed.generator()
    var tally = Tally()
    let start = HostClock.monotonicNs()
    try Watchdog.bounding("ruined memory", seconds: 120) {
      var round: UInt64 = 0
      while round < 40 || HostClock.monotonicNs() - start < 5_000_000_000, round < 4000 {
        // A full ring, of the owner's messages or of foreign ones.
        let foreign = BusUUID(word0: 1, word1: round)
        let senders = (0..<256).map { round % 4 == 1 || $0 % 7 == 0 ? foreign : Stage.agent }
        let log = try ForgedLog(
          identity: try Stage.identity(capacity: 16384), records: senders)
        let scribbler = Scribbler(log, seed: seed.value &+ round)
        for _ in 0..<60 {
          for mode in ReadMode.allCases { try follow(log, mode, &random, &tally) }
        }
        scribbler.stop()
        round += 1
      }
      print("ruined memory: \(round) rounds, \(tally)")
    }
    #expect(tally.records > 1000 && tally.forged > 1000)
    for state in ["corrupt", "evicted", "open", "ended", "rotated"] {
      #expect(tally.states[state, default: 0] > 0, "never seen: \(state)")
    }
  }

  private func follow(
    _ log: ForgedLog, _ mode: ReadMode, _ random: inout SplitMix64, _ tally: inout Tally
  ) throws {
    let peer = try log.peer()
    // Near the commit, where the pen is.
    let commit = log.load(at: log.hot + ForgedLog.commit) & ~63
    let position = commit - min(commit, UInt64.random(in: 0..<200, using: &random) * 64)
    let start = FlowControl.Start(generation: 0, position: position, sequence: position / 64)
    guard let made = try? LogReader(peer, mode: mode, start: start, slot: nil) else { return }
    let reader = Subject(made)
    tally.readers += 1
    if Int.random(in: 0..<10, using: &random) == 0 {
      reader.reader.end(at: random.next() & ~63)
    }
    let low = unsafe UInt(bitPattern: peer.lentBase)
    var outside = 0
    for _ in 0..<200 where reader.state == .open {
      let before = Self.skipped(reader)
      let taken = reader.poll(limit: 50) { record in
        tally.records += 1
        for part in [record.items.byteCount, record.payload.byteCount] where part > 16384 {
          outside += 1
        }
        tally.bytes &+= sum(record.items, low, mode, &outside)
        tally.bytes &+= sum(record.payload, low, mode, &outside)
      }
      if taken > 50 { outside += 1 }
      // Where a poll begins anew, at most four times, a ring may follow.
      let most: UInt64 = mode == .latest ? 6 * 256 : 50
      if Self.skipped(reader) - before > most { outside += 1 }
    }
    tally.forged += reader.reader.forged
    tally.states["\(reader.state)", default: 0] += 1
    #expect(outside == 0, "a span outside the mapping, or too many records")
    withExtendedLifetime(peer) {}
  }

  /// Reads every byte; in place, each must lie in the mapping.
  private func sum(
    _ span: RawSpan, _ low: UInt, _ mode: ReadMode, _ outside: inout Int
  ) -> UInt64 {
    unsafe span.withUnsafeBytes { bytes in
      if mode == .lossless, unsafe !bytes.isEmpty {
        let at = UInt(bitPattern: bytes.baseAddress)
        if at < low || at + UInt(bytes.count) > low + 8192 + 16384 { outside += 1 }
      }
      var sum: UInt64 = 0
      for index in 0..<bytes.count { sum &+= UInt64(unsafe bytes[index]) }
      return sum
    }
  }
}
