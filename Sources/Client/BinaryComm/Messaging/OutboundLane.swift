import BasicContainers
import BusLog
import BusMemory
import BusWire

/// What this agent writes to one lane of one peer's inbox.
struct OutboundLane: ~Copyable {
  var state = LaneState()
  /// The log's publisher, if there is one.
  // Not an optional: of one whose value cannot be copied each look moves all of it out and back.
  private var publisher = UniqueArray<Publisher>()
  /// The stream that is written now.
  private(set) var stream: PublisherShared?
  /// Which of all logs to peers its log is.
  private(set) var number: UInt64 = 0
  /// Written to and not shown yet.
  private(set) var isDirty = false
  /// The ids of names in this log's table, by recipient; nil: not looked up.
  private var topicIds: [UInt64?] = []

  /// Ends the log: whoever reads it is told when it has read all of it.
  mutating func close() {
    state.closed()
    stream = nil
    guard var last = publisher.popLast() else { return }
    last.close()
  }

  /// Takes over a log that was made for it.
  mutating func open(_ made: consuming Publisher, _ number: UInt64) {
    self.number = number
    stream = made.core
    publisher = UniqueArray(minimumCapacity: 1)
    publisher.append(made)
    // Those of a log before this one are not those of its table.
    topicIds = []
    isDirty = false
    state.opened()
  }

  /// The id of a recipient's name in the log's table, as far as it was looked up.
  @inline(__always)
  func knownTopicId(of recipient: Int) -> UInt64? {
    recipient < topicIds.count ? topicIds[recipient] : nil
  }

  /// Looks a recipient's name up in the log's table, or adds it.
  mutating func topicId(of recipient: Int, named name: String) -> UInt64 {
    guard !publisher.isEmpty, let id = publisher[0].writer.topic(name) else {
      return LogTopicTable.inExtension
    }
    let missing = recipient + 1 - topicIds.count
    if missing > 0 { topicIds.append(contentsOf: repeatElement(nil, count: missing)) }
    topicIds[recipient] = UInt64(id)
    return UInt64(id)
  }

  /// Writes a message without an extension; returns its number in the log, nil: no room now.
  @inline(__always)
  mutating func write(
    _ head: LogWriter.Head, _ payload: RawSpan, stamp: UInt64
  ) throws(BusError) -> UInt64? {
    guard !publisher.isEmpty else { return nil }
    if !isDirty { publisher[0].writer.prepare() }
    let number = publisher[0].published
    return try publisher[0].offer(head, payload, stamp: stamp) ? number : nil
  }

  /// Writes a message with an extension; returns its number in the log, nil: no room now.
  @inline(__always)
  mutating func write(
    _ head: LogWriter.Head, _ items: RawSpan, _ payload: RawSpan, stamp: UInt64
  ) throws(BusError) -> UInt64? {
    guard !publisher.isEmpty else { return nil }
    if !isDirty { publisher[0].writer.prepare() }
    let number = publisher[0].published
    return try publisher[0].offer(head, items, payload, stamp: stamp) ? number : nil
  }

  /// Notes that something was written; false when that is known.
  @inline(__always)
  mutating func markDirty() -> Bool {
    guard !isDirty else { return false }
    isDirty = true
    return true
  }

  /// Shows what was written.
  mutating func show() {
    isDirty = false
    if !publisher.isEmpty { publisher[0].flush() }
  }
}
