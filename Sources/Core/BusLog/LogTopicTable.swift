import BusMemory
import CBusABI

/// The topic table of a peer's log: append-only, read entry by entry, hostile until checked.
///
/// A topic is read when a message names it. Those before it are stepped over by their lengths: what
/// a publisher writes into its table costs a reader no memory, and little time.
public struct LogTopicTable: Sendable {
  private let segment: PeerSegment
  private let bytes: Int
  private let used: WatchedWord32?
  /// Where every 64th topic starts, as far as the table was walked.
  private var starts = [0]

  /// The id that says: the topic did not fit the table and travels as an extension item.
  public static let inExtension = UInt64.max
  /// Topics of a stream that have ids, 0 and up; those beyond travel as extension items.
  public static let topicsMax = UInt64(BUS_LOG_TOPICS_MAX)
  private static let stride = 64

  /// The table of the log that a reader reads.
  public init(of reader: borrowing LogReader) {
    segment = reader.segment
    bytes = Int(reader.identity.shape.topicsBytes)
    // Inside: the reader checked that all of the log is mapped.
    used = try? segment.word32(at: Int(reader.identity.hotOffset) + Int(BUS_HOT_TOPICS))
  }

  /// The topic that starts at a byte of the table, and where the next one starts.
  public func entry(at offset: Int) -> (text: String, next: Int)? {
    guard let used else { return nil }
    let filled = min(Int(used.loadAcquire()), bytes)  // SYNC: log.topics
    guard offset >= 0, offset <= filled - 2 else { return nil }
    let most = min(2 + 127, filled - offset)
    guard let copy = try? segment.copy(at: Int(BUS_LOG_TOPICS_OFFSET) + offset, count: most)
    else { return nil }
    let length = Int(copy[0]) | Int(copy[1]) << 8
    guard length > 0, length <= 127, length <= copy.count - 2,
      let text = String(validating: copy[2..<2 + length], as: UTF8.self)
    else { return nil }
    return (text, offset + 2 + length)
  }

  /// The topic with this id; nil when the table does not hold it.
  public mutating func topic(_ id: UInt64) -> String? {
    guard id < Self.topicsMax, let start = start(of: Int(id)) else { return nil }
    return entry(at: start)?.text
  }

  /// Where a topic starts, from the nearest one before it of which that is known.
  private mutating func start(of id: Int) -> Int? {
    var passed = min(id / Self.stride, starts.count - 1)
    var offset = starts[passed]
    passed *= Self.stride
    while passed < id {
      guard let length = length(at: offset) else { return nil }
      offset += 2 + length
      passed += 1
      if passed == starts.count * Self.stride { starts.append(offset) }
    }
    return offset
  }

  /// The length of the topic that starts at a byte of the table.
  private func length(at offset: Int) -> Int? {
    guard let used, offset <= min(Int(used.loadAcquire()), bytes) - 2,  // SYNC: log.topics
      let low = byte(at: offset), let high = byte(at: offset + 1)
    else { return nil }
    let length = Int(low) | Int(high) << 8
    return length > 0 && length <= 127 ? length : nil
  }

  private func byte(at offset: Int) -> UInt8? {
    let at = Int(BUS_LOG_TOPICS_OFFSET) + offset
    guard let word = try? segment.word32(at: at & ~3) else { return nil }
    return UInt8(truncatingIfNeeded: word.loadRelaxed() >> UInt32(8 * (at & 3)))
  }
}
