import BusLog
import BusMemory
import BusWire

/// What the service thread tells the reading thread.
enum ReaderEvent: Sendable {
  case opened(OpenedStream)
  case log(AttachmentID, UInt32, PeerSegment)
  case ended(AttachmentID, UInt64)
  case evicted(AttachmentID, String)
  case refused(StreamProblem)
  /// So many more problems, whose texts were not kept.
  case refusedMore(UInt64)
  case closed(BusError)
}

/// What waits for the reading thread.
///
/// Streams are bounded by what the router lets an agent read; the problems of those that were never
/// read are not, and the thread may stand still: the first ones are kept, and the newest, which may
/// speak for many; the others are counted.
struct ReaderInbox: Sendable {
  private var events: [ReaderEvent] = []
  private var problems = 0
  private var newest: ReaderEvent?
  private var more: UInt64 = 0

  /// Problems whose texts are kept.
  static var problemsMax: Int { 64 }

  mutating func append(_ event: ReaderEvent) {
    if case .refused = event {
      problems += 1
      guard problems < Self.problemsMax else {
        if newest != nil { more += 1 }
        newest = event
        return
      }
    }
    events.append(event)
  }

  mutating func drain() -> [ReaderEvent] {
    defer { (events, problems, newest, more) = ([], 0, nil, 0) }
    if let newest { events.append(newest) }
    if more > 0 { events.append(.refusedMore(more)) }
    return events
  }
}
