import BinaryComm

extension Publisher {
  /// Publishes the bytes of an array under a topic that was resolved before.
  mutating func publish(
    _ topic: TopicHandle, bytes: [UInt8], timeout: Duration
  ) throws(BusError) {
    try publish(topic, unsafe bytes.span.bytes, timeout: timeout)
  }

  /// One try of several to publish them.
  mutating func attempt(
    _ topic: TopicHandle, bytes: [UInt8], timeout: Duration
  ) throws(BusError) {
    try attempt(topic, unsafe bytes.span.bytes, timeout: timeout)
  }

  /// As `publish`, without waiting.
  mutating func tryPublish(_ topic: TopicHandle, bytes: [UInt8]) throws(BusError) {
    try tryPublish(topic, unsafe bytes.span.bytes)
  }
}
