import BusLog
import BusMemory
import BusWire

/// What a reader of a hostile log must do, poll by poll.
struct LogLook: ~Copyable {
  let first: UInt64
  let mode: ReadMode
  let isRelay: Bool
  var generation = 0
  /// The mapping that is read now.
  var segment: PeerSegment?
  private var newest: UInt64 = 0
  private var sum: UInt8 = 0

  init(first: UInt64, mode: ReadMode, isRelay: Bool) {
    self.first = first
    self.mode = mode
    self.isRelay = isRelay
  }

  /// Polls and checks that the work is bounded by the ring, and each message by its log.
  mutating func poll(
    _ reader: inout LogReader, limit: Int, _ input: inout FuzzInput, _ pen: inout HostilePen
  ) throws(Broken) {
    let before = (taken: reader.takenSequence, lost: reader.gaps, bytes: reader.receivedBytes)
    let wasOver = reader.state != .open
    let hadLeftovers = reader.hasLeftovers
    var lent = 0
    var fault: Broken?
    let count = reader.poll(limit: limit) { record in
      lent += 1
      if fault != nil { return }
      do throws(Broken) { try check(record) } catch { fault = error }
      // The publisher goes on writing while its bytes are lent.
      if input.left > 0, input.byte() & 3 == 3 { pen.step(&input) }
    }
    if let fault { throw fault }
    try claim(lent <= limit, "\(lent) messages for a limit of \(limit)")
    try claim(count == lent || reader.state == .evicted, "\(count) returned, \(lent) lent")
    try claim(!wasOver || hadLeftovers || lent == 0, "messages of a log that is over")
    // Each record that was looked at takes a line of the ring, and a poll begins anew four times at
    // most: five walks round it.
    let lines = LogTarget.capacity / 64
    let walked = (reader.takenSequence &- before.taken) &- (reader.gaps &- before.lost)
    try claim(walked <= 5 * lines || walked > UInt64.max / 2, "\(walked) records in one poll")
    let bytes = reader.receivedBytes &- before.bytes
    try claim(bytes <= 5 * LogTarget.capacity, "\(bytes) payload bytes in one poll")
    try balance(reader)
    Canary.sing(when: mode == .lossy && reader.gaps > 0 && generation == 1 && lent > 0)
  }

  private mutating func check(_ record: borrowing Record) throws(Broken) {
    let header = record.header
    let isOwn = header.word3 == LogTarget.agent.word0 && header.word4 == LogTarget.agent.word1
    try claim(isOwn || isRelay, "a foreign source was handed over")
    try claim(header.isValid, "a header that breaks the format")
    let bytes = record.payload.byteCount + record.items.byteCount
    try claim(bytes <= Int(LogTarget.capacity) - 64, "a message larger than its ring: \(bytes)")
    try check(record.items)
    try check(record.payload)
    if mode != .latest {
      try claim(record.sequence >= newest, "message \(record.sequence) after \(newest)")
      newest = record.sequence &+ 1
    }
  }

  /// Touches the ends, so that bytes beyond the mapping are a fault.
  private mutating func check(_ span: RawSpan) throws(Broken) {
    guard span.byteCount > 0 else { return }
    sum &+= unsafe span.unsafeLoad(fromByteOffset: 0, as: UInt8.self)
    sum &+= unsafe span.unsafeLoad(fromByteOffset: span.byteCount - 1, as: UInt8.self)
    guard mode == .lossless, let segment else { return }
    let isInside = unsafe span.withUnsafeBytes { bytes in
      guard let start = bytes.baseAddress else { return true }
      return unsafe start >= segment.lentBase
        && start + bytes.count <= segment.lentBase + segment.bytes
    }
    try claim(isInside, "a message that does not lie in its log")
  }

  /// Every message of the stream is handed over, lost, refused or replaced: exactly one of them.
  func balance(_ reader: borrowing LogReader) throws(Broken) {
    let accounted = reader.received &+ reader.gaps &+ reader.forged &+ reader.superseded
    let expected = reader.settledSequence &- first
    try claim(accounted == expected, "\(expected) messages passed, \(accounted) accounted for")
  }

  /// Reads the topic table from the start to its end.
  func topics(of reader: borrowing LogReader) throws(Broken) {
    let table = LogTopicTable(of: reader)
    var offset = 0
    var count = 0
    while let (text, next) = table.entry(at: offset) {
      try claim(next > offset && next <= 4096, "entry \(offset) is followed by \(next)")
      try claim(!text.isEmpty && text.utf8.count <= Topic.bytesMax, "a topic of \(text.utf8.count)")
      offset = next
      count += 1
    }
    try claim(count <= 4096 / 3, "\(count) topics in a page")
  }
}
