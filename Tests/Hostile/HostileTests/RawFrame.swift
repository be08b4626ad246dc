import BusWire

/// Bytes of a control frame, written field by field as `control-protocol.md` says; what is written
/// need not be a frame at all.
struct RawFrame: Sendable {
  private(set) var bytes: [UInt8] = []

  init(
    kind: UInt16, request: UInt32 = 1, magic: UInt32 = 0x4353_4342, version: UInt16 = 2,
    reserved: UInt32 = 0
  ) {
    number(UInt64(magic), 4)
    number(UInt64(version), 2)
    number(UInt64(kind), 2)
    number(UInt64(request), 4)
    number(UInt64(reserved), 4)
  }

  /// A frame of a table's fields.
  init(_ shape: FrameShape, request: UInt32 = 1) {
    self.init(kind: shape.kind, request: request)
    for field in shape.fields { put(field) }
  }

  mutating func number(_ value: UInt64, _ width: Int) {
    for place in 0..<width { bytes.append(UInt8(truncatingIfNeeded: value >> UInt64(8 * place))) }
  }

  mutating func text(_ text: [UInt8], saying length: Int? = nil) {
    number(UInt64(length ?? text.count), 2)
    bytes += text
  }

  mutating func put(_ field: FrameField) {
    switch field.value {
    case .number(let value, let width): number(value, width)
    case .text(let text): self.text(text)
    case .bytes(let raw): bytes += raw
    }
  }

  /// The frame up to a byte.
  func prefix(_ count: Int) -> [UInt8] { Array(bytes.prefix(count)) }
}

/// One field of a frame, with a value that is sound.
struct FrameField: Sendable {
  enum Value: Sendable {
    case number(UInt64, width: Int)
    case text([UInt8])
    case bytes([UInt8])
  }

  let name: String
  var value: Value
  /// Numbers from here on have no meaning; nil: every number is one.
  var meanings: UInt64?

  static func number(_ name: String, _ value: UInt64, _ width: Int, below most: UInt64? = nil)
    -> FrameField
  {
    FrameField(name: name, value: .number(value, width: width), meanings: most)
  }
  static func flag(_ name: String) -> FrameField { number(name, 0, 1, below: 2) }
  static func text(_ name: String, _ text: String) -> FrameField {
    FrameField(name: name, value: .text(Array(text.utf8)))
  }
  static func bytes(_ name: String, _ bytes: [UInt8]) -> FrameField {
    FrameField(name: name, value: .bytes(bytes))
  }
}

/// What a kind of frame consists of; a new kind only adds a row to the tables below.
struct FrameShape: Sendable {
  let kind: UInt16
  let name: String
  let fields: [FrameField]
  /// How many descriptors belong to it.
  var descriptors = 0

  init(_ kind: UInt16, _ name: String, descriptors: Int = 0, _ fields: [FrameField] = []) {
    self.kind = kind
    self.name = name
    self.descriptors = descriptors
    self.fields = fields
  }

  private static let uuid = BusUUID.random().bytes

  private static let subscribing: [FrameField] = [
    .number("subscription", 77, 4), .text("pattern", "nobody.>"),
    FrameField(name: "mode", value: .number(2, width: 1), meanings: 4), .flag("sleeps"),
    .number("epoch", 0, 2),
  ]

  /// Every kind that an agent may send.
  static let fromAgents: [FrameShape] = [
    FrameShape(
      1, "hello",
      [.number("layoutVersion", UInt64(ControlFormat.layoutVersion), 2), .text("program", "kit")]),
    FrameShape(
      2, "register", descriptors: 1,
      [.text("name", "kit"), .text("category", ""), .bytes("agent", uuid)]),
    FrameShape(
      3, "addLog", descriptors: 1,
      [
        .number("stream", 0, 8), .text("channel", "kit"), .number("generation", 0, 4),
        .number("capacity", 16384, 8), .number("segmentBytes", 24576, 8),
      ]),
    FrameShape(4, "retireLog", [.number("stream", 5, 8), .number("generation", 0, 4)]),
    FrameShape(5, "closeStream", [.number("stream", 5, 8)]),
    FrameShape(6, "subscribe", subscribing),
    FrameShape(7, "unsubscribe", [.number("subscription", 9, 4)]),
    FrameShape(8, "attach", [.number("attachment", 5, 8), .number("slot", 0, 2)]),
    FrameShape(9, "detach", [.number("attachment", 5, 8)]),
    FrameShape(10, "released", [.number("attachment", 5, 8), .number("generation", 0, 4)]),
    FrameShape(
      11, "joined",
      [
        .number("attachment", 5, 8), .number("generation", 0, 4), .number("startPosition", 0, 8),
        .number("startSequence", 0, 8), .number("departed", 0, 8),
      ]),
    FrameShape(12, "joinRefused", [.number("attachment", 5, 8), .text("reason", "no")]),
    FrameShape(13, "evict", [.number("attachment", 5, 8), .text("reason", "no")]),
    FrameShape(
      14, "query", [FrameField(name: "what", value: .number(1, width: 1), meanings: 7)]),
    FrameShape(15, "goodbye"),
    FrameShape(
      16, "reattach", descriptors: 1,
      [
        .text("name", "kit"), .text("category", ""), .bytes("agent", uuid),
        .number("incarnation", 5, 8), .bytes("ticket", [UInt8](repeating: 7, count: 32)),
      ]),
    FrameShape(
      17, "restoreLog", descriptors: 1,
      [
        .number("stream", 5, 8), .text("channel", "kit"), .number("generation", 0, 4),
        .number("capacity", 16384, 8), .number("segmentBytes", 24576, 8), .flag("current"),
        .flag("retired"), .bytes("proof", [UInt8](repeating: 7, count: 32)),
      ]),
    FrameShape(
      18, "restoreReader",
      [.number("stream", 5, 8), .number("attachment", 5, 8), .number("readerIncarnation", 5, 8)]),
    FrameShape(19, "restoreSubscription", subscribing),
    FrameShape(
      20, "restoreAttachment",
      [
        .number("attachment", 5, 8), .number("subscription", 77, 4), .number("stream", 5, 8),
        .number("publisherIncarnation", 5, 8), .text("publisherName", "feed"),
        .bytes("publisher", uuid), .text("channel", "kit"), .number("slot", 0, 2),
        .flag("joined"),
      ]),
    FrameShape(21, "restoreDone"),
    FrameShape(
      22, "answer",
      [
        .text("name", "kit.answers"),
        FrameField(name: "group", value: .number(1, width: 1), meanings: 3), .flag("answers"),
      ]),
    FrameShape(
      23, "resolve",
      [
        .text("name", "kit.asks"),
        FrameField(name: "group", value: .number(1, width: 1), meanings: 3),
      ]),
    FrameShape(
      24, "forget",
      [
        .text("name", "kit.asks"),
        FrameField(name: "group", value: .number(1, width: 1), meanings: 3),
      ]),
    FrameShape(
      30, "addCounters", descriptors: 1,
      [.number("part", 0, 2), .number("segmentBytes", 24576, 8)]),
    FrameShape(31, "watch"),
    FrameShape(
      32, "addBlob", descriptors: 1,
      [
        .bytes("token", uuid), .number("segmentBytes", 8192, 8), .number("payloadBytes", 64, 8),
        .number("keepMs", 1000, 4),
      ]),
    FrameShape(33, "openBlob", [.bytes("token", uuid), .number("maker", 5, 8)]),
    FrameShape(34, "dropBlob", [.bytes("token", uuid), .flag("now")]),
    FrameShape(35, "unwatch"),
    FrameShape(36, "reannounce", [.number("subscription", 1, 4), .number("stream", 1, 8)]),
  ]
}

/// A frame that came back, taken apart by hand.
struct RawReply: Sendable {
  let kind: UInt16
  let request: UInt32
  let body: [UInt8]
  /// Owned by the peer that received it.
  let descriptors: [Int32]

  init?(_ bytes: [UInt8], _ descriptors: [Int32]) {
    guard bytes.count >= 16 else { return nil }
    kind = UInt16(Self.number(bytes, 6, 2))
    request = UInt32(Self.number(bytes, 8, 4))
    body = Array(bytes[16...])
    self.descriptors = descriptors
  }

  /// The little-endian number at an offset of the body; 0 beyond its end.
  func number(_ offset: Int, _ width: Int) -> UInt64 { Self.number(body, offset, width) }

  /// The text at an offset of the body, and where it ends.
  func text(_ offset: Int) -> (text: String, end: Int) {
    let start = offset + 2
    let end = min(start + Int(number(offset, 2)), body.count)
    guard start <= end else { return ("", body.count) }
    return (String(decoding: body[start..<end], as: UTF8.self), end)
  }

  /// The code of an error frame, nil in any other.
  var errorCode: BusErrorCode? {
    kind == Kind.error ? BusErrorCode(number: UInt16(number(0, 2))) : nil
  }

  private static func number(_ bytes: [UInt8], _ offset: Int, _ width: Int) -> UInt64 {
    guard offset + width <= bytes.count else { return 0 }
    return (0..<width).reduce(0) { $0 | UInt64(bytes[offset + $1]) << UInt64(8 * $1) }
  }

  /// The kinds of answers that rows name.
  enum Kind {
    static let welcome: UInt16 = 101
    static let registered: UInt16 = 102
    static let logAdded: UInt16 = 103
    static let subscribed: UInt16 = 104
    static let announce: UInt16 = 105
    static let join: UInt16 = 106
    static let joined: UInt16 = 107
    static let row: UInt16 = 114
    static let queryEnd: UInt16 = 115
    static let error: UInt16 = 116
    static let done: UInt16 = 117
    static let responders: UInt16 = 118
    static let blob: UInt16 = 132
  }
}
