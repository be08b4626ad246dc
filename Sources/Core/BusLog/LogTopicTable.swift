import BusMemory
import CBusABI

/// The topic table of a peer's log: append-only, read entry by entry, hostile until checked.
public struct LogTopicTable: Sendable {
  private let segment: PeerSegment
  private let bytes: Int
  private let used: WatchedWord32?

  /// The id that says: the topic did not fit the table and travels as an extension item.
  public static let inExtension = UInt64.max

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
}
