import BusWire

/// A header, an extension and the payloads that have a form: what decodes is encoded again, alike.
final class HeaderTarget: FuzzTarget {
  static let name = "header"
  static let bytesMax = 640

  init() {}

  func run(_ input: inout FuzzInput) throws(Broken) {
    switch input.byte() & 3 {
    case 0: try header(input.rest())
    case 1: try items(input.rest())
    case 2: try payloads(input.rest())
    default:
      let bytes = input.rest()
      try header(Array(bytes.prefix(64)))
      try items(Array(bytes.dropFirst(64)))
    }
  }

  private func header(_ bytes: [UInt8]) throws(Broken) {
    guard let header = try? MessageHeader(decoding: bytes) else {
      let words = unsafe try? HeaderWords(reading: bytes.span.bytes)
      try claim(words?.isValid != true, "a valid header is refused")
      return
    }
    let again = try? header.encoded()
    try claim(again == Array(bytes.prefix(64)), "a header comes back different")
    let made = MessageHeader(
      type: header.type, length: header.length, priority: header.priority, hops: header.hops,
      extensionLength: header.extensionLength, timestamp: header.timestamp, source: header.source,
      destination: header.destination, flags: header.flags, correlationId: header.correlationId)
    try claim(made == header, "a header made of its fields is another")
  }

  private func items(_ bytes: [UInt8]) throws(Broken) {
    guard let found = try? MessageExtension(decoding: bytes) else { return }
    guard let again = try? found.encoded() else {
      throw Broken("an extension that decodes cannot be encoded")
    }
    try claim(again.count == found.byteCount, "\(again.count) bytes, \(found.byteCount) announced")
    try claim(again.count % 8 == 0, "\(again.count) bytes of items")
    try claim(
      (try? MessageExtension(decoding: again)) == found, "an extension comes back different")
    Canary.sing(when: found.deadlineNs != nil && found.conversationId != nil && found.topic != nil)
  }

  private func payloads(_ bytes: [UInt8]) throws(Broken) {
    if let found = try? EventPayload(decoding: bytes) {
      try claim((try? found.encoded()) == bytes, "an event comes back different")
    }
    if let found = try? RequestPayload(decoding: bytes) {
      try claim((try? found.encoded()) == bytes, "a request comes back different")
    }
    if let found = try? ResponsePayload(decoding: bytes) {
      try claim((try? found.encoded()) == bytes, "a response comes back different")
    }
    if let found = BlobReference(bytes) {
      try claim(found.encoded == bytes, "a blob's reference comes back different")
    }
  }

  static func seeds() -> [[UInt8]] {
    var seeds: [[UInt8]] = []
    for type in MessageType.allCases {
      let header = MessageHeader(
        type: type, length: 8, priority: .high, hops: 1, extensionLength: 16, timestamp: 7,
        source: BusUUID(word0: 1, word1: 2), destination: BusUUID(topicId: 3), flags: [.more],
        correlationId: 9)
      if let bytes = try? header.encoded() { seeds.append([0] + bytes) }
    }
    var items = MessageExtension()
    items.topic = "alerts.disk"
    items.crc32c = 5
    if let bytes = try? items.encoded() { seeds.append([1] + bytes) }
    items.topic = nil
    items.deadlineNs = 1
    items.conversationId = BusUUID(word0: 1, word1: 2)
    items.traceContext = TraceContext(traceId: BusUUID(word0: 1, word1: 2), parentId: 3, flags: 1)
    if let bytes = try? items.encoded() { seeds.append([1] + bytes) }
    items = MessageExtension()
    items.contentType = "text/plain"
    items.contentName = "grün"
    items.idempotencyKey = [1, 2, 3]
    if let bytes = try? items.encoded() { seeds.append([1] + bytes) }
    let event = try? EventPayload(eventType: "a", topic: "b", priority: .low, data: [1]).encoded()
    let request = try? RequestPayload(method: "add", timeoutMs: 3, params: [1]).encoded()
    let response = try? ResponsePayload(statusCode: 1, error: "no", result: [1]).encoded()
    for bytes in [event, request, response] { seeds.append([2] + (bytes ?? [])) }
    let blob = BlobReference(
      token: BusUUID(word0: 1, word1: 2), maker: Incarnation(3), byteCount: 4)
    return seeds + [[2] + blob.encoded]
  }
}
