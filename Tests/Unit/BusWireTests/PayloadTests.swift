import BusWire
import CBusABI
import Testing

@Suite("Payloads of the original")
struct PayloadTests {
  @Test("golden requests go both ways")
  func requests() throws {
    for vector in try GoldenVector.group("request") {
      let request = RequestPayload(
        method: try vector.text("method"), timeoutMs: try vector.number("timeoutMs"),
        params: try vector.hex("params"))
      #expect(try request.encoded() == vector.bytes, "\(vector.name)")
      #expect(try RequestPayload(decoding: vector.bytes) == request, "\(vector.name)")
    }
  }

  @Test("golden responses go both ways")
  func responses() throws {
    for vector in try GoldenVector.group("response") {
      let response = ResponsePayload(
        statusCode: try vector.number("statusCode"), error: try vector.text("error"),
        result: try vector.hex("result"))
      #expect(try response.encoded() == vector.bytes, "\(vector.name)")
      #expect(try ResponsePayload(decoding: vector.bytes) == response, "\(vector.name)")
    }
  }

  @Test("golden events go both ways")
  func events() throws {
    for vector in try GoldenVector.group("event") {
      let event = EventPayload(
        eventType: try vector.text("eventType"), topic: try vector.text("topic"),
        priority: Priority(rawValue: try vector.number("priority") as UInt8 &- 1),
        data: try vector.hex("data"))
      #expect(try event.encoded() == vector.bytes, "\(vector.name)")
      #expect(try EventPayload(decoding: vector.bytes) == event, "\(vector.name)")
    }
  }

  @Test("the fixed fields are those of the C header")
  func sizes() {
    #expect(RequestPayload.fixedBytes == MemoryLayout<bus_request_fixed_t>.size)
    #expect(ResponsePayload.fixedBytes == MemoryLayout<bus_response_fixed_t>.size)
    #expect(EventPayload.fixedBytes == MemoryLayout<bus_event_fixed_t>.size)
    #expect(RequestPayload.contentType == "bcs/request")
    #expect(ResponsePayload.contentType == "bcs/response")
    #expect(EventPayload.contentType == "bcs/event")
  }

  @Test("each altered field of a request gives its error")
  func badRequests() throws {
    let good = try RequestPayload(method: "analyze", timeoutMs: 5, params: [1]).encoded()
    func expect(_ error: WireError, _ change: (inout [UInt8]) -> Void) {
      var bytes = good
      change(&bytes)
      #expect(throws: error) { try RequestPayload(decoding: bytes) }
    }
    expect(.tooShort(.request, needed: 72, present: 71)) { $0.removeLast(2) }
    expect(.tooShort(.request, needed: 72, present: 0)) { $0.removeAll() }
    expect(.textNotTerminated(.method)) { for index in 0..<64 { $0[index] = 65 } }
    expect(.textNotPadded(.method)) { $0[63] = 1 }
    expect(.textNotUTF8(.method)) { $0[0] = 0xFF }
    expect(.reserved(.request, 1)) { $0[68] = 1 }
    #expect(throws: WireError.textTooLong(.method, bytes: 64, limit: 63)) {
      try RequestPayload(method: String(repeating: "m", count: 64)).encoded()
    }
    #expect(throws: WireError.textNotPadded(.method)) {
      try RequestPayload(method: "a\0b").encoded()
    }
  }

  @Test("each altered field of a response gives its error")
  func badResponses() throws {
    let good = try ResponsePayload(statusCode: 1, error: "x").encoded()
    func expect(_ error: WireError, _ change: (inout [UInt8]) -> Void) {
      var bytes = good
      change(&bytes)
      #expect(throws: error) { try ResponsePayload(decoding: bytes) }
    }
    expect(.tooShort(.response, needed: 264, present: 263)) { $0.removeLast() }
    expect(.reserved(.response, 0x0100_0000)) { $0[7] = 1 }
    expect(.textNotTerminated(.error)) { for index in 8..<264 { $0[index] = 65 } }
    expect(.textNotPadded(.error)) { $0[263] = 1 }
    expect(.textNotUTF8(.error)) { $0[8] = 0x80 }
    #expect(throws: WireError.textTooLong(.error, bytes: 256, limit: 255)) {
      try ResponsePayload(error: String(repeating: "e", count: 256)).encoded()
    }
  }

  @Test("each altered field of an event gives its error")
  func badEvents() throws {
    let good = try EventPayload(eventType: "e", topic: "t", priority: .low).encoded()
    func expect(_ error: WireError, _ change: (inout [UInt8]) -> Void) {
      var bytes = good
      change(&bytes)
      #expect(throws: error) { try EventPayload(decoding: bytes) }
    }
    expect(.tooShort(.event, needed: 200, present: 199)) { $0.removeLast() }
    expect(.textNotPadded(.eventType)) { $0[63] = 1 }
    expect(.textNotTerminated(.topic)) { for index in 64..<192 { $0[index] = 65 } }
    expect(.textNotUTF8(.topic)) { $0[64] = 0xC0 }
    expect(.priority(7)) { $0[192] = 7 }
    expect(.priority(0x0100_0001)) {
      $0[192] = 1
      $0[195] = 1
    }
    expect(.reserved(.event, 1)) { $0[196] = 1 }
    #expect(throws: WireError.textTooLong(.topic, bytes: 128, limit: 127)) {
      try EventPayload(eventType: "", topic: String(repeating: "t", count: 128)).encoded()
    }
  }

  @Test("a payload is legal up to the limit and not one byte further")
  func limit() throws {
    let most = WireLimit.payloadBytesMax - RequestPayload.fixedBytes
    var request = RequestPayload(method: "m", params: [UInt8](repeating: 1, count: most))
    let bytes = try request.encoded()
    #expect(bytes.count == WireLimit.payloadBytesMax)
    #expect(throws: WireError.payloadLength(WireLimit.payloadBytesMax + 1)) {
      try RequestPayload(decoding: bytes + [1])
    }
    request.params.append(1)
    #expect(throws: WireError.payloadLength(WireLimit.payloadBytesMax + 1)) {
      try request.encoded()
    }
  }

  @Test("every error is a sentence that names its value")
  func errorTexts() {
    let cases: [(WireError, [String])] = [
      (.tooShort(.header, needed: 64, present: 3), ["header", "64", "3"]),
      (.noRoom(.extension, needed: 16, present: 8), ["extension", "16", "8"]),
      (.magic(0x1234), ["00001234", "af42cafe"]), (.version(9), ["version 9"]),
      (.type(3), ["0x0003"]), (.payloadLength(20_000_000), ["20000000", "16777216"]),
      (.priority(7), ["7"]), (.extensionLength(4), ["4", "65528"]),
      (.itemOverrun(kind: 1, needed: 16, present: 8), ["item 1", "16", "8"]),
      (.itemLength(kind: 2, length: 4), ["item 2", "4"]), (.itemRepeated(kind: 7), ["item 7"]),
      (.textTooLong(.topic, bytes: 128, limit: 127), ["topic", "128", "127"]),
      (.textNotTerminated(.method), ["method"]), (.textNotPadded(.error), ["error"]),
      (.textNotUTF8(.contentName), ["content name"]), (.reserved(.event, 5), ["event", "5"]),
      (.checksum(stated: 1, computed: 2), ["00000001", "00000002"]),
      (.checksumMissing, ["CRC32C"]),
    ]
    for (error, words) in cases {
      for word in words { #expect(error.description.contains(word), "\(error)") }
    }
  }
}
