import BusLog
import BusWire
import CBusABI

/// Writes a log: like its honest publisher, or any word anywhere.
struct HostilePen {
  private let log: HostileSegment
  private let hot: Int
  private let ring: Int
  private var base: UInt64 = 0
  private var position: UInt64 = 0
  private var sequence: UInt64 = 0
  private var topics = 0

  init(_ log: HostileSegment, hot: Int, ring: Int, generation: Int) {
    self.log = log
    self.hot = hot
    self.ring = ring
  }

  /// The publisher's place in a log that continues another.
  mutating func begin(at start: UInt64, sequence count: UInt64) {
    (base, position, sequence) = (start, start, count)
  }

  /// One step, as the input says.
  mutating func step(_ input: inout FuzzInput) {
    let code = input.byte()
    switch code & 7 {
    case 0, 1: log.store(value(&input), at: place(&input, code >> 4))
    case 2, 3: store(control: code >> 4)
    case 4: append(code >> 4, input.byte())
    case 5: fill(lines: 64 << Int(code >> 6), isForeign: code & 16 != 0)
    case 6: append(control: code & 16 != 0 ? BUS_RECORD_CLOSED : BUS_RECORD_ROTATED)
    default: addTopic(input.take(Int(input.byte() & 31)))
    }
  }

  /// A number near one that matters here.
  func value(_ input: inout FuzzInput) -> UInt64 {
    let code = input.byte()
    let anchor: UInt64
    switch code & 15 {
    case 0: anchor = 0
    case 1: anchor = position
    case 2: anchor = .max
    case 3: anchor = 1 << 63
    case 4: anchor = 1 << 62
    case 5: anchor = LogTarget.capacity
    case 6: anchor = position &+ LogTarget.capacity
    case 7: anchor = position &- LogTarget.capacity
    case 8: anchor = sequence
    case 9: anchor = base
    case 10: return input.number(bytes: 8)
    case 11: return input.number(bytes: 2)
    case 12: anchor = LogTarget.foreign.word0
    case 13: anchor = UInt64(BUS_WIRE_MAGIC) | UInt64(BUS_WIRE_VERSION) << 32 | 1 << 48
    case 14: anchor = LogTarget.agent.word0
    default: anchor = position & ~(LogTarget.capacity - 1)
    }
    // Steps on the grid, so that most are not refused for being off it; code 8 is off it.
    let step = Int64(code >> 4) - 8
    return anchor &+ UInt64(bitPattern: step == -8 ? 1 : step * 64)
  }

  private func place(_ input: inout FuzzInput, _ kind: UInt8) -> Int {
    let which = input.byte()
    switch kind {
    case 0: return hot + Int(BUS_HOT_COMMIT)
    case 1: return hot + Int(BUS_HOT_RESERVE)
    case 2: return hot + Int(BUS_HOT_SEQUENCE)
    case 3: return hot + Int(BUS_HOT_DEPARTED)
    case 4: return hot + Int(BUS_HOT_DEPARTED_LIST) + Int(which & 7) * 8
    case 5: return hot + Int(BUS_HOT_WAITING) + Int(which & 1) * 8
    case 6: return Int(BUS_LOG_INDEX_OFFSET) + Int(which & 31) * 8
    case 7: return Int(which & 31) * 8
    case 8: return Int(BUS_LOG_TOPICS_OFFSET) + Int(which) * 8
    default:
      // A word of the header that lies so many lines before the pen, or after the ring's start.
      let line = kind & 1 == 0 ? UInt64(which >> 3) : (position &- base) / 64 &- UInt64(which >> 3)
      return ring + Int(line & 255) * 64 + Int(which & 7) * 8
    }
  }

  /// The words that an honest publisher stores after its records, one by one or all.
  private mutating func store(control kind: UInt8) {
    if kind & 1 == 0 { log.store(position, at: hot + Int(BUS_HOT_COMMIT)) }
    if kind & 2 == 0 { log.store(position, at: hot + Int(BUS_HOT_RESERVE)) }
    if kind & 4 == 0 { noteIndex() }
    if kind & 8 != 0 { log.store(position &+ 4096, at: hot + Int(BUS_HOT_RESERVE)) }
  }

  private func noteIndex() {
    let entry = Int((position &- base) / (LogTarget.capacity / 8) % 16)
    log.store(position, at: Int(BUS_LOG_INDEX_OFFSET) + entry * 16)
    log.store(sequence, at: Int(BUS_LOG_INDEX_OFFSET) + entry * 16 + 8)
  }

  /// A record as a publisher writes it.
  ///
  /// Kind bit 0: another's source; 1: with an item; 2: not committed; 3: large.
  private mutating func append(_ kind: UInt8, _ shape: UInt8) {
    let length = kind & 8 != 0 ? UInt64(shape) * 16 : UInt64(shape & 63)
    let extra: UInt64 = kind & 2 != 0 ? 8 : 0
    let bytes = (64 + extra + length + 63) & ~63
    let offset = (position &- base) & (LogTarget.capacity - 1)
    if bytes > LogTarget.capacity - offset { pad(LogTarget.capacity - offset) }
    if offset % (LogTarget.capacity / 8) < bytes { noteIndex() }
    let end = position &+ bytes
    if end > log.load(hot + Int(BUS_HOT_RESERVE)) { log.store(end, at: hot + Int(BUS_HOT_RESERVE)) }
    let source = kind & 1 != 0 ? LogTarget.foreign : LogTarget.agent
    let header = MessageHeader(
      type: .event, length: UInt32(length), extensionLength: UInt16(extra), timestamp: sequence,
      source: source, destination: BusUUID(topicId: UInt64(shape >> 6))
    ).words
    log.store(header, lines: 1, at: ring + Int((position &- base) & (LogTarget.capacity - 1)))
    if extra > 0 { store(4 << 16 | 7, 8) }
    position = end
    sequence &+= 1
    if kind & 4 == 0 { log.store(position, at: hot + Int(BUS_HOT_COMMIT)) }
  }

  /// Empty messages, line by line, up to several times round the ring.
  private mutating func fill(lines: Int, isForeign: Bool) {
    let header = MessageHeader(
      type: .event, source: isForeign ? LogTarget.foreign : LogTarget.agent,
      destination: BusUUID(topicId: 0)
    ).words
    var left = lines
    while left > 0 {
      let offset = (position &- base) & (LogTarget.capacity - 1)
      // To the end of an eighth of the ring, where the index has its next entry.
      let eighth = LogTarget.capacity / 8
      let count = min(left, Int((eighth - offset % eighth) / 64))
      noteIndex()
      log.store(header, lines: count, at: ring + Int(offset))
      position &+= UInt64(count) * 64
      sequence &+= UInt64(count)
      left -= max(1, count)
    }
    log.store(position, at: hot + Int(BUS_HOT_RESERVE))
    log.store(position, at: hot + Int(BUS_HOT_COMMIT))
  }

  private func store(_ value: UInt64, _ word: Int) {
    let offset = Int((position &- base) & (LogTarget.capacity - 1))
    log.store(value, at: ring + offset + word * 8)
  }

  private mutating func pad(_ bytes: UInt64) {
    store(Self.control(BUS_RECORD_PADDING), 0)
    store(bytes - 64, 1)
    position &+= bytes
  }

  private mutating func append(control type: Int32) {
    store(Self.control(type), 0)
    store(0, 1)
    position &+= 64
    log.store(position, at: hot + Int(BUS_HOT_COMMIT))
  }

  private static func control(_ type: Int32) -> UInt64 {
    UInt64(BUS_WIRE_MAGIC) | UInt64(BUS_WIRE_VERSION) << 32 | UInt64(type) << 48
  }

  private mutating func addTopic(_ text: [UInt8]) {
    let at = Int(BUS_LOG_TOPICS_OFFSET) + topics
    log.store(byte: UInt8(text.count), at: at)
    log.store(byte: 0, at: at + 1)
    for (place, byte) in text.enumerated() { log.store(byte: byte, at: at + 2 + place) }
    topics += text.count + 2
    log.store(UInt64(topics), at: hot + Int(BUS_HOT_TOPICS))
  }
}
