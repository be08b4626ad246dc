import BusLog
import BusWire
import CBusABI

/// A log that was copied out of another process, and how much of it was whole then.
struct LogCopy {
  let identity: LogIdentity
  let bytes: [UInt8]
  /// Every byte of the stream below it was a whole record before the copy.
  let commit: UInt64
  /// Every byte a ring below it may have been overwritten during the copy.
  let reserve: UInt64

  /// A record of a conversation.
  struct Entry {
    let words: HeaderWords
    /// Messages of the stream before it.
    let number: UInt64
    /// The first bytes of its payload.
    let start: [UInt8]
  }

  private var base: UInt64 { Self.number(bytes, 48, 8) }
  private var baseSequence: UInt64 { Self.number(bytes, 56, 8) }

  /// The records under a correlation id that are still whole, in their order.
  func entries(of correlation: UInt32) -> [Entry] {
    guard var (position, number) = start() else { return [] }
    var found: [Entry] = []
    while position < commit, let record = record(at: position) {
      position += UInt64(record.bytes)
      guard let words = record.words else { continue }
      if UInt32(truncatingIfNeeded: words.word7 >> 32) == correlation {
        let body = record.offset + 64 + Int(words.extensionLength)
        let end = min(body + min(Int(words.length), Self.startBytesMax), bytes.count)
        found.append(
          Entry(words: words, number: number, start: Array(bytes[body..<max(body, end)])))
      }
      number &+= 1
    }
    return found
  }

  /// The oldest start of a record that is surely whole: the first of the log, or one of its index.
  private func start() -> (position: UInt64, number: UInt64)? {
    let capacity = identity.shape.capacity
    let low = reserve > capacity ? reserve - capacity : 0
    var best: (position: UInt64, number: UInt64)?
    if base >= low { best = (base, baseSequence) }
    for entry in 0..<Int(BUS_LOG_INDEX_ENTRIES) {
      let at = Int(BUS_LOG_INDEX_OFFSET) + entry * 16
      let position = Self.number(bytes, at, 8)
      guard position >= max(low, base), position < commit, position % 64 == 0,
        best.map({ position < $0.position }) ?? true
      else { continue }
      best = (position, Self.number(bytes, at + 8, 8))
    }
    guard let best, base % 64 == 0, commit % 64 == 0, best.position % 64 == 0,
      best.position <= commit, commit - best.position <= capacity
    else { return nil }
    return best
  }

  /// The record at a position, without words when it is one of the log itself; nil: what lies
  /// there is none.
  private func record(at position: UInt64) -> (bytes: Int, offset: Int, words: HeaderWords?)? {
    let capacity = identity.shape.capacity
    let place = (position - base) & (capacity - 1)
    let offset = Int(identity.shape.ringOffset + place)
    let left = min(commit - position, capacity - place)
    func word(_ index: Int) -> UInt64 { Self.number(bytes, offset + index * 8, 8) }
    let words = HeaderWords(
      word(0), word(1), word(2), word(3), word(4), word(5), word(6), word(7))
    if words.isValid {
      let size = recordBytes(
        extension: Int(words.extensionLength), payload: Int(words.length))
      return UInt64(size) <= left ? (size, offset, words) : nil
    }
    let isPadding = Int32(words.typeBits) == BUS_RECORD_PADDING
    let size = 64 + UInt64(isPadding ? words.length : 0)
    guard words.magic == BUS_WIRE_MAGIC, isPadding, size % 64 == 0, size <= left else { return nil }
    return (Int(size), offset, nil)
  }

  /// The number in some bytes, the lowest first.
  static func number(_ bytes: [UInt8], _ offset: Int, _ count: Int) -> UInt64 {
    (0..<count).reduce(0) { $0 | UInt64(bytes[offset + $1]) << UInt64(8 * $1) }
  }

  private static let startBytesMax = 4100
}
