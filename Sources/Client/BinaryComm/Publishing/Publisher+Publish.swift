public import BusLog
public import BusMemory
import BusWire

// The ways to publish: copy or in place, waiting or not, one by one or in batches.

extension Publisher {
  /// Publishes a copy of the payload; throws `wouldBlock` when the window is full.
  @inlinable
  public mutating func tryPublish(
    _ topic: TopicHandle, _ payload: RawSpan
  ) throws(BusError) {
    guard append(topic, payload, stamp: clock.unixNs()) else {
      try roomOrThrow(checked(topic, payload.byteCount))
      guard append(topic, payload, stamp: clock.unixNs()) else { throw .wouldBlock }
      writer.publish()
      return
    }
    writer.publish()
  }

  /// Publishes a copy of the payload, waiting for readers up to `timeout`.
  ///
  /// Throws `resourceExhausted` when the window stayed full for that long.
  @inlinable
  public mutating func publish(
    _ topic: TopicHandle, _ payload: RawSpan, timeout: Duration = .seconds(5)
  ) throws(BusError) {
    writer.prepare()
    if _slowPath(!append(topic, payload, stamp: clock.unixNs())) {
      try appendWaiting(topic, payload, timeout)
    }
    writer.publish()
  }

  /// Publishes `count` bytes that `body` writes in place, in the shared memory itself.
  ///
  /// What `body` leaves unwritten is zero. Waits for readers up to `timeout`.
  @inlinable
  public mutating func publish(
    _ topic: TopicHandle, count: Int, timeout: Duration = .seconds(5),
    _ body: (inout OutputRawSpan) -> Void
  ) throws(BusError) {
    writer.prepare()
    if _slowPath(!append(topic, count: count, stamp: clock.unixNs(), body)) {
      try appendWaiting(topic, count: count, timeout, body)
    }
    writer.publish()
  }

  /// Appends a message of a batch, which readers see at the next ``flush()``.
  ///
  /// A batch carries one timestamp. Waits for readers up to `timeout`.
  @inlinable
  public mutating func append(
    _ topic: TopicHandle, _ payload: RawSpan, timeout: Duration = .seconds(5)
  ) throws(BusError) {
    if batchStamp == 0 { batchStamp = clock.unixNs() }
    if _slowPath(!append(topic, payload, stamp: batchStamp)) {
      try appendWaiting(topic, payload, timeout)
    }
  }

  /// Appends a message of a batch that `body` writes in place; see the other `append`.
  @inlinable
  public mutating func append(
    _ topic: TopicHandle, count: Int, timeout: Duration = .seconds(5),
    _ body: (inout OutputRawSpan) -> Void
  ) throws(BusError) {
    if batchStamp == 0 { batchStamp = clock.unixNs() }
    if _slowPath(!append(topic, count: count, stamp: batchStamp, body)) {
      try appendWaiting(topic, count: count, timeout, body)
    }
  }

  /// Shows readers everything appended since the last flush.
  @inlinable
  public mutating func flush() {
    batchStamp = 0
    writer.publish()
  }

  /// Publishes bytes to a topic by its name; throws `wouldBlock` when the window is full.
  public mutating func tryPublish(_ topic: String, _ payload: [UInt8]) throws(BusError) {
    try tryPublish(self.topic(topic), payload.span.rawBytes)
  }

  /// Publishes bytes to a topic by its name, waiting for readers up to `timeout`.
  public mutating func publish(
    _ topic: String, _ payload: [UInt8], timeout: Duration = .seconds(5)
  ) throws(BusError) {
    try publish(self.topic(topic), payload.span.rawBytes, timeout: timeout)
  }

  // MARK: One attempt

  /// The same for a message without an extension.
  mutating func offer(
    _ head: LogWriter.Head, _ payload: RawSpan, stamp: UInt64
  ) throws(BusError) -> Bool {
    if writer.append(head, stamp: stamp, payload: payload) { return true }
    do throws(BusError) {
      try roomOrThrow(recordBytes(extension: 0, payload: payload.byteCount))
    } catch {
      guard error.code == .wouldBlock else { throw error }
      return false
    }
    return writer.append(head, stamp: stamp, payload: payload)
  }

  /// Writes a message to an inbox log; false when there is no room now.
  ///
  /// A larger log is asked for where that helps. Not shown before ``flush()``.
  mutating func offer(
    _ head: LogWriter.Head, _ items: RawSpan, _ payload: RawSpan, stamp: UInt64
  ) throws(BusError) -> Bool {
    if writer.append(head, stamp: stamp, extension: items, payload: payload) { return true }
    do throws(BusError) {
      try roomOrThrow(recordBytes(extension: items.byteCount, payload: payload.byteCount))
    } catch {
      guard error.code == .wouldBlock else { throw error }
      return false
    }
    return writer.append(head, stamp: stamp, extension: items, payload: payload)
  }

  @inlinable @inline(__always)
  mutating func append(_ topic: TopicHandle, _ payload: RawSpan, stamp: UInt64) -> Bool {
    guard _fastPath(topic.plainPublisher == number) else {
      return appendNamed(topic, payload, stamp: stamp)
    }
    return writer.append(topic.head, stamp: stamp, payload: payload)
  }

  @usableFromInline
  mutating func appendNamed(_ topic: TopicHandle, _ payload: RawSpan, stamp: UInt64) -> Bool {
    // Another publisher's topic is refused where it is said why a message does not fit.
    guard topic.publisher == number, let items = topic.items else { return false }
    return writer.append(
      topic.head, stamp: stamp, extension: items.span.rawBytes, payload: payload)
  }

  @inlinable @inline(__always)
  mutating func append(
    _ topic: TopicHandle, count: Int, stamp: UInt64, _ body: (inout OutputRawSpan) -> Void
  ) -> Bool {
    guard _fastPath(topic.plainPublisher == number) else {
      return appendNamed(topic, count: count, stamp: stamp, body)
    }
    return writer.append(topic.head, stamp: stamp, count: count, body)
  }

  @usableFromInline
  mutating func appendNamed(
    _ topic: TopicHandle, count: Int, stamp: UInt64, _ body: (inout OutputRawSpan) -> Void
  ) -> Bool {
    guard topic.publisher == number, count >= 0, count <= payloadBytesMax else { return false }
    let bytes = [UInt8](unwritten: count, body)
    return appendNamed(topic, bytes.span.rawBytes, stamp: stamp)
  }
}
