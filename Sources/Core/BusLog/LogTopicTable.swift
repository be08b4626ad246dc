import BusMemory
import CBusABI

/// The topic table of a peer's log: append-only, read entry by entry, hostile until checked.
public struct LogTopicTable: Sendable {
  private let segment: PeerSegment
  private let bytes: Int
  private let used: WatchedWord32

  /// The id that says: the topic did not fit the table and travels as an extension item.
  public static let inExtension = UInt64.max

  /// The table of the log that a reader reads.
  public init(of reader: borrowing LogReader) {
    segment = reader.segment
    bytes = Int(reader.identity.shape.topicsBytes)
    let hot = unsafe reader.segment.base + Int(reader.identity.hotOffset)
    used = unsafe WatchedWord32(at: hot + Int(BUS_HOT_TOPICS))
  }

  /// The topic that starts at a byte of the table, and where the next one starts.
  public func entry(at offset: Int) -> (text: String, next: Int)? {
    let filled = min(Int(used.loadAcquire()), bytes)  // SYNC: log.topics
    guard offset >= 0, offset + 2 <= filled else { return nil }
    let at = unsafe segment.base + Int(BUS_LOG_TOPICS_OFFSET) + offset
    let length = Int(unsafe at.loadUnaligned(as: UInt16.self))
    guard length > 0, length <= 127, offset + 2 + length <= filled else { return nil }
    let raw = unsafe UnsafeRawBufferPointer(start: at + 2, count: length)
    let copy = unsafe Array(raw)
    guard let text = String(validating: copy, as: UTF8.self) else { return nil }
    return (text, offset + 2 + length)
  }
}
