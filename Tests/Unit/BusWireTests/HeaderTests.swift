import BusWire
import CBusABI
import Testing

@Suite("The 64-byte header")
struct HeaderTests {
  @Test("every golden header decodes to its fields and its fields encode to its bytes")
  func golden() throws {
    let vectors = try GoldenVector.group("header")
    for vector in vectors {
      let header = MessageHeader(
        type: try #require(MessageType(rawValue: try vector.number("type"))),
        length: try vector.number("length"),
        priority: Priority(rawValue: try vector.number("priority") as UInt8 &- 1),
        hops: try vector.number("hops"),
        extensionLength: try vector.number("extensionLength"),
        timestamp: try vector.number("timestamp"),
        source: try vector.uuid("source"), destination: try vector.uuid("destination"),
        flags: MessageFlags(rawValue: try vector.number("flags")),
        correlationId: try vector.number("correlationId"))
      #expect(try header.encoded() == vector.bytes, "\(vector.name)")
      let decoded = try MessageHeader(decoding: vector.bytes)
      #expect(decoded == header, "\(vector.name)")
      expectSameFields(decoded, header)
    }
    let types = try vectors.map { try MessageHeader(decoding: $0.bytes).type }
    #expect(Set(types) == Set(MessageType.allCases))
  }

  private func expectSameFields(_ one: MessageHeader, _ other: MessageHeader) {
    #expect(one.type == other.type)
    #expect(one.length == other.length)
    #expect(one.priority == other.priority)
    #expect(one.hops == other.hops)
    #expect(one.extensionLength == other.extensionLength)
    #expect(one.timestamp == other.timestamp)
    #expect(one.source == other.source)
    #expect(one.destination == other.destination)
    #expect(one.flags == other.flags)
    #expect(one.correlationId == other.correlationId)
  }

  @Test("the Swift header is the C struct: 64 bytes, the same words")
  func sameAsC() throws {
    #expect(MemoryLayout<MessageHeader>.size == MemoryLayout<bus_header_t>.size)
    let words = sampleHeader().words
    let bytes = try sampleHeader().encoded()
    for index in 0..<8 {
      let word = (0..<8).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64(bytes[index * 8 + $1]) }
      #expect(words.word(index) == word)
    }
    #expect(try MessageHeader(HeaderWords(sampleHeader())) == sampleHeader())
  }

  @Test("setting a field changes that field and no other")
  func setters() throws {
    var header = sampleHeader()
    header.type = .broadcast
    header.length = 0x00FF_FF00
    header.priority = .background
    header.hops = 0xFF
    header.extensionLength = 0xFFF8
    header.timestamp = .max
    header.source = BusUUID(high: 1, low: 2)
    header.destination = BusUUID(topicId: 3)
    header.flags = MessageFlags(rawValue: 0xF0F0_F0F0)
    header.correlationId = 0x0F0F_0F0F
    let same = MessageHeader(
      type: .broadcast, length: 0x00FF_FF00, priority: .background, hops: 0xFF,
      extensionLength: 0xFFF8, timestamp: .max, source: BusUUID(high: 1, low: 2),
      destination: BusUUID(topicId: 3), flags: MessageFlags(rawValue: 0xF0F0_F0F0),
      correlationId: 0x0F0F_0F0F)
    #expect(header == same)
    #expect(header.topicId == 3)
    header.priority = nil
    #expect(header.priority == nil)
    #expect(header.effectivePriority == .normal)
    #expect(header.words.priorityByte == 0)
  }

  @Test("each altered field gives the error that names it and its value")
  func mutations() throws {
    let good = try sampleHeader().encoded()
    func error(_ changes: [Int: UInt8]) -> WireError? {
      var bytes = good
      for (offset, value) in changes { bytes[offset] = value }
      do throws(WireError) {
        _ = try MessageHeader(decoding: bytes)
        return nil
      } catch {
        return error
      }
    }
    #expect(error([:]) == nil)
    #expect(error([0: 0xFF]) == .magic(0xAF42_CAFF))
    #expect(error([4: 2]) == .version(2))
    #expect(error([6: 0]) == .type(0))
    #expect(error([6: 3]) == .type(3))
    #expect(error([6: 0x80]) == .type(0x80))
    #expect(error([6: 0, 7: 0xFF]) == .type(0xFF00))
    #expect(error([8: 1, 11: 1]) == .payloadLength(0x0100_0001))
    #expect(error([12: 7]) == .priority(7))
    #expect(error([14: 4]) == .extensionLength(4))
    // Fields in which every value is legal.
    for offset in [13] + Array(16..<64) { #expect(error([offset: 0xA5]) == nil) }
  }

  @Test("the first wrong field is named when several are wrong")
  func order() {
    #expect(throws: WireError.magic(0)) {
      try MessageHeader(decoding: [UInt8](repeating: 0, count: 64))
    }
  }

  @Test("fewer than 64 bytes are refused, more are left alone")
  func lengths() throws {
    let good = try sampleHeader().encoded()
    for count in 0..<64 {
      #expect(throws: WireError.tooShort(.header, needed: 64, present: count)) {
        try MessageHeader(decoding: Array(good.prefix(count)))
      }
    }
    #expect(try MessageHeader(decoding: good + [1, 2, 3]) == sampleHeader())
  }

  @Test("lengths are legal up to their limits and not one further")
  func limits() throws {
    var header = sampleHeader()
    header.length = UInt32(WireLimit.payloadBytesMax)
    header.extensionLength = UInt16(WireLimit.extensionBytesMax)
    #expect(try MessageHeader(decoding: header.encoded()) == header)
    header.length += 1
    #expect(throws: WireError.payloadLength(WireLimit.payloadBytesMax + 1)) {
      try header.encoded()
    }
    header.length = 0
    header.extensionLength = 65_529
    #expect(throws: WireError.extensionLength(65_529)) { try header.encoded() }
  }

  @Test("a header is written in place, and refused where 64 bytes do not fit")
  func inPlace() throws {
    let header = sampleHeader()
    var room = [UInt8](repeating: 0, count: 100)
    try unsafe room.withUnsafeMutableBytes { buffer in
      var out = unsafe OutputRawSpan(buffer: buffer, initializedCount: 0)
      try header.encode(into: &out)
      #expect(out.byteCount == 64)
      do throws(WireError) {
        try header.encode(into: &out)
        Issue.record("the second header does not fit")
      } catch {
        #expect(error == .noRoom(.header, needed: 64, present: 36))
      }
    }
    #expect(Array(room.prefix(64)) == (try header.encoded()))
    #expect(room.dropFirst(64).allSatisfy { $0 == 0 })
  }

  @Test("priorities are levels 0 to 5, on the wire 1 to 6")
  func priorities() throws {
    #expect(Priority.allCases.map(\.rawValue) == [0, 1, 2, 3, 4, 5])
    #expect(Priority.allCases.count == Int(BUS_PRIORITY_LEVELS))
    #expect(UInt32(Priority.normal.rawValue) == BUS_PRIORITY_NORMAL)
    #expect(Priority.emergency < Priority.background)
    for priority in Priority.allCases {
      var header = sampleHeader()
      header.priority = priority
      #expect(try header.encoded()[12] == priority.rawValue + 1)
      #expect(try MessageHeader(decoding: header.encoded()).priority == priority)
    }
  }

  @Test("types and flags are those of the C header")
  func constants() {
    let types = [
      BUS_TYPE_REQUEST, BUS_TYPE_RESPONSE, BUS_TYPE_EVENT, BUS_TYPE_COMMAND, BUS_TYPE_HEARTBEAT,
      BUS_TYPE_ERROR, BUS_TYPE_BROADCAST,
    ]
    #expect(MessageType.allCases.map { Int32($0.rawValue) } == types)
    let flags: [MessageFlags] = [
      .redelivered, .more, .lastPart, .replyExpected, .compressed, .streamed, .cancel,
    ]
    #expect(flags.map(\.rawValue) == [1, 2, 4, 8, 16, 32, 64])
    #expect(MessageFlags(flags) == .known)
  }
}
