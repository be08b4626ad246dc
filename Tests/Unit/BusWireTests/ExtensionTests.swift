import BusWire
import CBusABI
import Testing

@Suite("The header extension")
struct ExtensionTests {
  @Test("every golden extension decodes to its items and its items encode to its bytes")
  func golden() throws {
    for vector in try GoldenVector.group("extension") {
      let items = try expected(vector)
      #expect(try items.encoded() == vector.bytes, "\(vector.name)")
      #expect(items.byteCount == vector.bytes.count)
      #expect(try MessageExtension(decoding: vector.bytes) == items, "\(vector.name)")
    }
  }

  @Test("unknown items and fillers are skipped")
  func unknownItems() throws {
    for vector in try GoldenVector.group("extensionwithunknown") {
      let items = try expected(vector)
      #expect(try MessageExtension(decoding: vector.bytes) == items)
      #expect(try kinds(of: vector.bytes) == [0x7FFF, 1])
    }
    #expect(try MessageExtension(decoding: [UInt8](repeating: 0, count: 64)) == MessageExtension())
  }

  @Test("a reader finds the first item of a kind in place")
  func firstOfKind() throws {
    let vector = try #require(try GoldenVector.group("extension").first)
    try unsafe vector.bytes.withUnsafeBytes { buffer in
      let bytes = unsafe RawSpan(_unsafeBytes: buffer)
      guard let deadline = try ExtensionReader.first(.deadline, in: bytes) else {
        Issue.record("the deadline is there")
        return
      }
      #expect(try deadline.deadlineNs() == 5_000_000_000)
      // Asked for another form than it has, an item throws.
      #expect(throws: WireError.itemLength(kind: 2, length: 8)) { try crcOfDeadline(bytes) }
    }
  }

  private func crcOfDeadline(_ bytes: RawSpan) throws -> UInt32? {
    try ExtensionReader.first(.deadline, in: bytes)?.crc32c()
  }

  @Test("each malformed extension gives the error that names it")
  func malformed() {
    func error(_ bytes: [UInt8]) -> WireError? {
      do throws(WireError) {
        _ = try MessageExtension(decoding: bytes)
        return nil
      } catch {
        return error
      }
    }
    #expect(error([1, 0, 1, 0]) == .extensionLength(4))
    #expect(error([UInt8](repeating: 0, count: 65_536)) == .extensionLength(65_536))
    #expect(error([UInt8](repeating: 0, count: 65_528)) == nil)
    let overrun = WireError.itemOverrun(kind: 1, needed: 16, present: 8)
    #expect(error([1, 0, 5, 0, 97, 97, 97, 97]) == overrun)
    #expect(error([1, 0, 0, 0, 0, 0, 0, 0]) == .itemLength(kind: 1, length: 0))
    #expect(error([2, 0, 4, 0, 1, 1, 1, 1]) == .itemLength(kind: 2, length: 4))
    #expect(error([7, 0, 3, 0, 1, 1, 1, 0]) == .itemLength(kind: 7, length: 3))
    let crc: [UInt8] = [7, 0, 4, 0, 1, 1, 1, 1]
    #expect(error(crc + crc) == .itemRepeated(kind: 7))
    #expect(error([1, 0, 2, 0, 0xC3, 0x28, 0, 0]) == .textNotUTF8(.topic))
    #expect(error([5, 0, 2, 0, 97, 0, 0, 0]) == .textNotPadded(.contentType))
    #expect(error([6, 0, 1, 0, 0xFF, 0, 0, 0]) == .textNotUTF8(.contentName))
  }

  @Test("values are legal up to their limits and not one further")
  func limits() throws {
    var items = MessageExtension()
    items.topic = String(repeating: "t", count: WireLimit.topicBytesMax)
    items.contentType = String(repeating: "c", count: WireLimit.contentTypeBytesMax)
    items.contentName = String(repeating: "n", count: WireLimit.contentNameBytesMax)
    items.idempotencyKey = [UInt8](repeating: 7, count: WireLimit.idempotencyKeyBytesMax)
    #expect(try MessageExtension(decoding: items.encoded()) == items)
    let whole = items
    items.topic?.append("t")
    #expect(throws: WireError.itemLength(kind: 1, length: 128)) { try items.encoded() }
    items = whole
    items.contentType?.append("c")
    #expect(throws: WireError.itemLength(kind: 5, length: 128)) { try items.encoded() }
    items = whole
    items.contentName?.append("n")
    #expect(throws: WireError.itemLength(kind: 6, length: 256)) { try items.encoded() }
    items = whole
    items.idempotencyKey = []
    #expect(throws: WireError.itemLength(kind: 8, length: 0)) { try items.encoded() }
    items = whole
    items.topic = "a\0b"
    #expect(throws: WireError.textNotPadded(.topic)) { try items.encoded() }
  }

  @Test("item numbers are those of the C header")
  func constants() {
    let numbers = [
      BUS_ITEM_TOPIC, BUS_ITEM_DEADLINE, BUS_ITEM_CONVERSATION, BUS_ITEM_TRACE,
      BUS_ITEM_CONTENT_TYPE, BUS_ITEM_CONTENT_NAME, BUS_ITEM_CRC32C, BUS_ITEM_IDEMPOTENCY_KEY,
    ]
    #expect(ItemKind.allCases.map { Int32($0.rawValue) } == numbers)
    #expect(numbers.count + 1 == Int(BUS_ITEM_KINDS))
    #expect(ItemKind.deadline.lengths == Int(BUS_DEADLINE_BYTES)...Int(BUS_DEADLINE_BYTES))
    #expect(ItemKind.trace.lengths == Int(BUS_TRACE_BYTES)...Int(BUS_TRACE_BYTES))
    #expect(ItemKind.crc32c.lengths == Int(BUS_CRC32C_BYTES)...Int(BUS_CRC32C_BYTES))
    let conversation = Int(BUS_CONVERSATION_BYTES)
    #expect(ItemKind.conversation.lengths == conversation...conversation)
  }

  @Test("a traceparent is taken in its one form only")
  func traceparent() {
    let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    #expect(TraceContext(traceparent: good)?.traceparent == good)
    let zeros = String(repeating: "0", count: 32)
    for bad in [
      "", "01" + good.dropFirst(2), good + "-00", good.uppercased(), String(good.dropLast()),
      "00-\(zeros)-00f067aa0ba902b7-01", "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
      good.replacing("4bf9", with: "4bg9"),
    ] {
      #expect(TraceContext(traceparent: bad) == nil, "\(bad)")
    }
  }

  private func kinds(of bytes: [UInt8]) throws -> [UInt16] {
    try unsafe bytes.withUnsafeBytes { buffer in
      var reader = unsafe ExtensionReader(RawSpan(_unsafeBytes: buffer))
      var kinds: [UInt16] = []
      while let item = try reader.next() { kinds.append(item.rawKind) }
      return kinds
    }
  }

  private func expected(_ vector: GoldenVector) throws -> MessageExtension {
    var items = MessageExtension()
    for field in vector.fields.keys {
      switch field {
      case "topic": items.topic = try vector.text(field)
      case "deadlineNs": items.deadlineNs = try vector.number(field)
      case "conversationId": items.conversationId = try vector.uuid(field)
      case "traceparent":
        items.traceContext = TraceContext(traceparent: try vector.text(field))
        #expect(items.traceContext != nil)
      case "contentType": items.contentType = try vector.text(field)
      case "contentName": items.contentName = try vector.text(field)
      case "crc32c": items.crc32c = try vector.number(field)
      case "idempotencyKey": items.idempotencyKey = try vector.hex(field)
      default: Issue.record("\(vector.name) has an item that this test does not know: \(field)")
      }
    }
    return items
  }
}
