import BusWire
import CBusABI

// Logs, reader segments, counters and blobs, word by word as `bus_layout.h` draws them. Nothing of
// the programs' own code for making them is used, so nothing of it can keep an attack away.

/// The offsets of a log's words.
enum LogPlace {
  static let capacity = 16
  static let agent = 24
  static let incarnation = 40
  static let basePosition = 48
  static let baseSequence = 56
  static let channelLength = 80
  static let channel = 82
  static let index = Int(BUS_LOG_INDEX_OFFSET)
  static let hot = Int(BUS_LOG_HOT_FIRST)
  static let reserve = hot
  static let commit = hot + Int(BUS_HOT_COMMIT)
  static let sequence = hot + Int(BUS_HOT_SEQUENCE)
  static let waiting = hot + Int(BUS_HOT_WAITING)
  static let topicsUsed = hot + Int(BUS_HOT_TOPICS)
  static let departed = hot + Int(BUS_HOT_DEPARTED)
  static let departedList = hot + Int(BUS_HOT_DEPARTED_LIST)
  static let topics = Int(BUS_LOG_TOPICS_OFFSET)
}

/// A log under a hostile pen.
struct RawLog: Sendable {
  let memory: RawMemory
  let owner: BusUUID
  let channel: String
  let capacity: Int
  let ring: Int
  let generation: UInt32

  /// A sound, sealed log without records.
  init(
    owner: BusUUID, incarnation: UInt64, channel: String, capacity: Int = 16384,
    topicsBytes: Int = 4096, generation: UInt32 = 0, pages: RawMemory.Pages = .all,
    seals: RawMemory.Seals = .required
  ) throws {
    self.owner = owner
    self.channel = channel
    self.capacity = capacity
    self.generation = generation
    ring = LogPlace.topics + topicsBytes
    memory = try RawMemory(bytes: ring + capacity, pages: pages)
    memory.put(UInt64(BUS_LOG_MAGIC), at: 0, width: 4)
    memory.put(UInt64(BUS_LAYOUT_VERSION), at: 4, width: 2)
    memory.put(UInt64(BUS_LOG_KIND_TOPIC), at: 6, width: 2)
    memory.put(UInt64(ring + capacity), at: 8)
    memory.put(UInt64(capacity), at: LogPlace.capacity)
    memory.put(owner.bytes, at: LogPlace.agent)
    memory.put(incarnation, at: LogPlace.incarnation)
    memory.put(UInt64(generation), at: 64, width: 4)
    memory.put(UInt64(LogPlace.hot), at: 68, width: 4)
    memory.put(UInt64(topicsBytes), at: 72, width: 4)
    memory.put(UInt64(ring), at: 76, width: 4)
    memory.put(UInt64(channel.utf8.count), at: LogPlace.channelLength, width: 2)
    memory.put(Array(channel.utf8), at: LogPlace.channel)
    try memory.seal(seals)
  }

  /// Where the record of this number lies when all take one line.
  func record(_ number: Int) -> Int { ring + number * 64 % capacity }

  /// Writes the header of a record of one line, on a topic of its own unless one is named.
  func write(
    _ number: Int, source: BusUUID? = nil, topic: UInt64? = nil, type: UInt64 = 4,
    length: UInt64 = 0, extensionLength: UInt64 = 0
  ) {
    let at = record(number)
    let from = source ?? owner
    memory.put(UInt64(BUS_WIRE_MAGIC) | 1 << 32 | type << 48, at: at)
    memory.put(length | extensionLength << 48, at: at + 8)
    memory.put(UInt64(number), at: at + 16)
    memory.put(from.word0, at: at + 24)
    memory.put(from.word1, at: at + 32)
    memory.put(0, at: at + 40)
    memory.put(topic ?? UInt64(number), at: at + 48)
    memory.put(0, at: at + 56)
  }

  /// Writes sound records of one line from number `first` on, and commits them.
  func publish(
    _ count: Int, from first: Int = 0, source: BusUUID? = nil, topic: UInt64? = nil
  ) {
    memory.put(UInt64(first + count) * 64, at: LogPlace.reserve)
    for number in first..<first + count { write(number, source: source, topic: topic) }
    memory.put(UInt64(first + count), at: LogPlace.sequence)
    memory.put(UInt64(first + count) * 64, at: LogPlace.commit)
  }

  /// Writes one record with extension and payload at a line, and commits it.
  func publish(
    line: Int, items: [UInt8], payload: [UInt8], topic: UInt64, type: UInt64 = 4,
    flags: UInt64 = 0, hops: UInt64 = 0, correlation: UInt64 = 0, stamp: UInt64 = 0,
    source: BusUUID? = nil
  ) {
    let lines = (64 + items.count + payload.count + 63) / 64
    memory.put(UInt64(line + lines) * 64, at: LogPlace.reserve)
    write(line, source: source, topic: topic, type: type, length: UInt64(payload.count))
    let at = record(line)
    memory.put(stamp, at: at + 16)
    memory.put(UInt64(payload.count) | hops << 40 | UInt64(items.count) << 48, at: at + 8)
    memory.put(flags | correlation << 32, at: at + 56)
    memory.put(items, at: at + 64)
    memory.put(payload, at: at + 64 + items.count)
    memory.put(UInt64(line + lines) * 64, at: LogPlace.commit)
  }

  /// Fills the topic table with these entries and says that so many bytes are in use.
  func topics(_ entries: [[UInt8]]) {
    var at = LogPlace.topics
    for entry in entries {
      memory.put(UInt64(entry.count), at: at, width: 2)
      memory.put(entry, at: at + 2)
      at += 2 + entry.count
    }
    memory.put(UInt64(at - LogPlace.topics), at: LogPlace.topicsUsed, width: 4)
  }

  /// Makes every walk over the ring end at its next step.
  func stopWalks() { memory.wipe(from: ring) }
}

/// An agent's cursors and epochs under a hostile pen.
struct RawReaderSegment: Sendable {
  let memory: RawMemory

  init(
    owner: BusUUID, incarnation: UInt64, pages: RawMemory.Pages = .all,
    seals: RawMemory.Seals = .required
  ) throws {
    memory = try RawMemory(bytes: Int(BUS_READER_SEGMENT_BYTES), pages: pages)
    memory.put(UInt64(BUS_READER_MAGIC), at: 0, width: 4)
    memory.put(UInt64(BUS_LAYOUT_VERSION), at: 4, width: 2)
    memory.put(UInt64(BUS_READER_SEGMENT_BYTES), at: 8)
    memory.put(owner.bytes, at: 16)
    memory.put(incarnation, at: 32)
    memory.put(UInt64(BUS_READER_EPOCHS), at: 40, width: 4)
    memory.put(UInt64(BUS_READER_SLOTS), at: 44, width: 4)
    try memory.seal(seals)
  }

  static func cursor(_ slot: Int) -> Int { Int(BUS_READER_SLOTS_OFFSET) + slot * 64 }
  static func ticket(_ slot: Int) -> Int { cursor(slot) + 8 }
  static func epoch(_ index: Int) -> Int { Int(BUS_READER_EPOCHS_OFFSET) + index * 64 }
}

/// An agent's counters under a hostile pen.
struct RawCounters: Sendable {
  let memory: RawMemory
  static let rows = Int(BUS_COUNTERS_ROWS_OFFSET)

  init(
    owner: BusUUID, incarnation: UInt64, part: Int = 0, pages: RawMemory.Pages = .all,
    seals: RawMemory.Seals = .required
  ) throws {
    let bytes = Int(BUS_COUNTERS_BYTES_FIRST) << (2 * part)
    memory = try RawMemory(bytes: bytes, pages: pages)
    memory.put(UInt64(BUS_COUNTERS_MAGIC), at: 0, width: 4)
    memory.put(UInt64(BUS_LAYOUT_VERSION), at: 4, width: 2)
    memory.put(UInt64(part), at: 6, width: 2)
    memory.put(UInt64(bytes), at: 8)
    memory.put(owner.bytes, at: 16)
    memory.put(incarnation, at: 32)
    memory.put(UInt64(bytes / Int(BUS_COUNTERS_BYTES_PER_ROW) - 1), at: 40, width: 4)
    memory.put(UInt64(bytes / Int(BUS_COUNTERS_BYTES_PER_HISTOGRAM)), at: 44, width: 4)
    try memory.seal(seals)
  }

  /// Writes a sound row of a reading, in use from now on.
  func row(_ number: Int) {
    let at = Self.rows + number * Int(BUS_COUNTERS_ROW_BYTES)
    memory.put(1, at: at + 4, width: 4)
    for (place, value) in [UInt64(2), 1, 0, 1].enumerated() {
      memory.put(value, at: at + 8 + place, width: 1)
    }
    memory.put(3, at: at + 14, width: 1)
    memory.put(Array("abc".utf8), at: at + 40)
    memory.put(1, at: at, width: 4)
    memory.put(UInt64(number + 1), at: Int(BUS_COUNTERS_USED))
  }
}

/// A blob as a hostile maker makes it.
struct RawBlob: Sendable {
  let memory: RawMemory
  let token: BusUUID
  let payload: Int

  init(
    token: BusUUID, payload: Int, segmentBytes: Int? = nil,
    says: [(UInt64, at: Int, width: Int)] = [],
    seals: RawMemory.Seals = .whole, pages: RawMemory.Pages = .all
  ) throws {
    let size = segmentBytes ?? Int(BUS_BLOB_PAYLOAD_OFFSET) + (payload + 4095) & ~4095
    memory = try RawMemory(bytes: size, pages: pages)
    self.token = token
    self.payload = payload
    memory.put(UInt64(BUS_BLOB_MAGIC), at: 0, width: 4)
    memory.put(UInt64(BUS_LAYOUT_VERSION), at: 4, width: 2)
    memory.put(UInt64(size), at: 8)
    memory.put(UInt64(payload), at: 16)
    memory.put(token.bytes, at: 24)
    for byte in 0..<min(payload, 64) {
      memory.put(UInt64(byte + 1), at: Int(BUS_BLOB_PAYLOAD_OFFSET) + byte, width: 1)
    }
    for (value, at, width) in says { memory.put(value, at: at, width: width) }
    try memory.seal(seals)
  }
}
