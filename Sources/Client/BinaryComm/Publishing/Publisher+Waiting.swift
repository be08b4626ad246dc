import BusCounters
import BusLog
import BusMemory
import BusSystem
import BusWire
import Synchronization

// What happens when a message does not fit at once: waiting, growing, refusing.

extension Publisher {
  @usableFromInline @inline(never)
  mutating func appendWaiting(
    _ topic: TopicHandle, _ payload: RawSpan, _ timeout: Duration
  ) throws(BusError) {
    let end = Deadline(after: timeout)
    while true {
      try makeRoom(topic, payload.byteCount, deadline: end)
      if append(topic, payload, stamp: clock.unixNs()) { return }
    }
  }

  @usableFromInline @inline(never)
  mutating func appendWaiting(
    _ topic: TopicHandle, count: Int, _ timeout: Duration, _ body: (inout OutputRawSpan) -> Void
  ) throws(BusError) {
    let end = Deadline(after: timeout)
    while true {
      try makeRoom(topic, count, deadline: end)
      if append(topic, count: count, stamp: clock.unixNs(), body) { return }
    }
  }

  /// Publishes, waiting until the deadline; `check` throws, at most 20 ms later, what ends the
  /// wait.
  mutating func publish(
    _ name: String, _ payload: [UInt8], deadline: Deadline,
    check: () throws(BusError) -> Void
  ) throws(BusError) {
    let handle = try topic(name)
    writer.prepare()
    while !append(handle, payload.span.rawBytes, stamp: clock.unixNs()) {
      try check()
      try makeRoom(handle, payload.count, deadline: deadline)
    }
    writer.publish()
  }

  /// As `publish`, for a caller that tries again: what it throws counts as no failure.
  ///
  /// Whoever gives up tells ``noteFailure(_:)``.
  package mutating func attempt(
    _ topic: TopicHandle, _ payload: RawSpan, timeout: Duration
  ) throws(BusError) {
    let end = Deadline(after: timeout)
    writer.prepare()
    while !append(topic, payload, stamp: clock.unixNs()) {
      try waitForRoom(topic, payload.byteCount, deadline: end)
    }
    writer.publish()
  }

  /// Counts a message that is published no more, and why.
  package func noteFailure(_ error: BusError) {
    core.row.noteError()
    if error.code == .resourceExhausted { core.row.noteDrop(.queueFull) }
  }

  /// One look at why a message did not fit, without waiting.
  @usableFromInline @inline(never)
  mutating func roomOrThrow(_ bytes: Int) throws(BusError) {
    if isClosed { throw .closed("this publisher was closed") }
    if let ended = core.ended { throw ended }
    takeReadyLog()
    if !writer.fits(recordBytes: bytes) {
      let larger = try shape(toHold: bytes)
      if let refused = core.refusal(of: larger) { throw refused }
      core.ask(for: larger)
      throw .wouldBlock
    }
    writer.noteBlocked(recordBytes: bytes)
    noteFullWindow()
  }

  /// Waits for readers, or for a larger log; throws when it is too large or too late.
  private mutating func makeRoom(
    _ topic: TopicHandle, _ count: Int, deadline: Deadline
  ) throws(BusError) {
    do throws(BusError) {
      try waitForRoom(topic, count, deadline: deadline)
    } catch {
      noteFailure(error)
      throw error
    }
  }

  private mutating func waitForRoom(
    _ topic: TopicHandle, _ count: Int, deadline: Deadline
  ) throws(BusError) {
    let bytes = try checked(topic, count)
    if takeReadyLog() { return }
    let leftNs = deadline.leftNs
    if !writer.fits(recordBytes: bytes) {
      let larger = try shape(toHold: bytes)
      if let refused = core.refusal(of: larger) { throw refused }
      guard leftNs > 0 else {
        let connection = core.agent.connection
        guard connection.isUp else {
          throw .noRouter("a larger log is needed, and no router is in \(connection.directory)")
        }
        throw .timeout("no larger log was registered in time")
      }
      core.ask(for: larger)
      SystemThread.sleep(milliseconds: 1)
      return
    }
    guard leftNs > 0 else {
      throw .resourceExhausted(
        "the window of \(core.channel) stayed full: a lossless reader is too slow",
        cause: .slowReader)
    }
    noteFullWindow()
    writer.waitForRoom(recordBytes: bytes, timeoutNs: leftNs)
    // Now or never: where records fill the ring to its last line, a full window has no room for
    // saying where the stream goes on, and without a full window nobody looks for the larger log.
    takeReadyLog()
  }

  /// The bytes of the record; throws for what could never be published.
  @usableFromInline
  func checked(_ topic: TopicHandle, _ count: Int) throws(BusError) -> Int {
    if isClosed { throw .closed("this publisher was closed") }
    if let ended = core.ended { throw ended }
    guard topic.publisher == number else {
      throw .invalid("the topic was resolved by another publisher; resolve it with this one")
    }
    guard count >= 0 else { throw .invalid("a payload cannot have \(count) bytes") }
    let limit = payloadBytesMax
    guard count <= limit else { throw .payloadTooLarge(bytes: count, limit: limit) }
    return recordBytes(extension: topic.items?.count ?? 0, payload: count)
  }

  /// The smallest log that holds a record of `bytes`.
  private func shape(toHold bytes: Int) throws(BusError) -> LogShape {
    let bytes = UInt64(bytes)
    var capacity = writer.shape.capacity
    while LogShape.recordBytesMax(capacity: capacity) < bytes, capacity < growth.payloadMax {
      capacity *= 2
    }
    guard LogShape.recordBytesMax(capacity: capacity) >= bytes,
      let shape = LogShape(capacity: capacity, topicsBytes: topicsBytes(for: capacity))
    else { throw .payloadTooLarge(bytes: Int(bytes) - 64, limit: payloadBytesMax) }
    return shape
  }

  /// After some full windows the readers' pace is worth a larger log.
  private mutating func noteFullWindow() {
    fullWindows += 1
    core.row.noteBlocked()
    let capacity = writer.shape.capacity
    guard fullWindows % 4 == 0, capacity < growth.windowMax else { return }
    let next = min(capacity * 4, growth.windowMax)
    guard let shape = LogShape(capacity: next, topicsBytes: topicsBytes(for: next)),
      !core.isRefused(shape)
    else { return }
    core.ask(for: shape)
  }

  /// Larger logs have room for more topics, up to a point: the largest are for large payloads.
  private func topicsBytes(for capacity: UInt64) -> UInt32 {
    let most = UInt64(LogShape.topicsBytesMax / 8)
    return max(writer.shape.topicsBytes, UInt32(clamping: min(most, capacity / 32) & ~4095))
  }

  /// Goes over to a larger log when one is ready and the window has room for saying so.
  @discardableResult
  private mutating func takeReadyLog() -> Bool {
    guard let log = core.takeReady() else { return false }
    if let still = writer.rotate(to: log) {
      core.giveBack(still)
      return false
    }
    core.moved(to: writer.generation, at: writer.nextPosition)
    return true
  }
}
