/// What only some messages carry: the known items of a header extension, as values.
///
///     var items = MessageExtension()
///     items.topic = "alerts.disk"
///     items.deadlineNs = 5_000_000_000
///     header.extensionLength = UInt16(items.byteCount)
///     let bytes = try items.encoded()
///
/// It copies every text; where one item of many messages is wanted, use ``ExtensionReader``.
public struct MessageExtension: Equatable, Sendable {
  /// The full topic; when the log's topic table has no place for it, and on the way to a store
  /// or another host.
  public var topic: String?
  /// Nanoseconds that remained at the header's timestamp.
  public var deadlineNs: UInt64?
  /// What ties the messages of one conversation together.
  public var conversationId: BusUUID?
  /// Where the message stands in a distributed trace.
  public var traceContext: TraceContext?
  /// How the payload is encoded.
  public var contentType: String?
  /// What the payload is called.
  public var contentName: String?
  /// The checksum of the message; see ``MessageChecksum``.
  public var crc32c: UInt32?
  /// Bytes under which the router stores one message only.
  public var idempotencyKey: [UInt8]?

  /// An extension without items, of length 0.
  public init() {}

  /// Reads all items; throws on a known item that is malformed or occurs twice.
  public init(decoding bytes: RawSpan) throws(WireError) {
    guard bytes.byteCount <= WireLimit.extensionBytesMax, bytes.byteCount % 8 == 0 else {
      throw .extensionLength(bytes.byteCount)
    }
    var seen: UInt16 = 0
    var reader = ExtensionReader(bytes)
    while let item = try reader.next() {
      guard let kind = item.kind else { continue }
      let bit = UInt16(1) << kind.rawValue
      guard seen & bit == 0 else { throw .itemRepeated(kind: item.rawKind) }
      seen |= bit
      switch kind {
      case .topic: topic = try item.text()
      case .deadline: deadlineNs = try item.deadlineNs()
      case .conversation: conversationId = try item.conversationId()
      case .trace: traceContext = try item.traceContext()
      case .contentType: contentType = try item.text()
      case .contentName: contentName = try item.text()
      case .crc32c: crc32c = try item.crc32c()
      case .idempotencyKey: idempotencyKey = item.bytes()
      }
    }
  }

  /// Reads all items; throws on a known item that is malformed or occurs twice.
  public init(decoding bytes: [UInt8]) throws(WireError) {
    self = try bytes.withRawSpan { (span) throws(WireError) in
      try MessageExtension(decoding: span)
    }
  }

  /// Bytes that the items take, a multiple of 8; 0 without items.
  public var byteCount: Int {
    var bytes = 0
    for kind in ItemKind.allCases {
      if let length = length(of: kind) { bytes += (length + 4 + 7) & ~7 }
    }
    return bytes
  }

  /// Throws when a text or the key is empty, too long, or holds a NUL.
  public func check() throws(WireError) {
    for kind in ItemKind.allCases {
      guard let length = length(of: kind) else { continue }
      guard kind.lengths.contains(length) else {
        throw .itemLength(kind: kind.rawValue, length: length)
      }
    }
    if topic?.utf8.contains(0) == true { throw .textNotPadded(.topic) }
    if contentType?.utf8.contains(0) == true { throw .textNotPadded(.contentType) }
    if contentName?.utf8.contains(0) == true { throw .textNotPadded(.contentName) }
  }

  /// Appends the items in the order of their kinds; throws what ``check()`` throws, and `noRoom`.
  public func encode(into out: inout OutputRawSpan) throws(WireError) {
    try check()
    let bytes = byteCount
    guard out.freeCapacity >= bytes else {
      throw .noRoom(.extension, needed: bytes, present: out.freeCapacity)
    }
    write(into: &out)
  }

  /// The items in the order of their kinds; throws what ``check()`` throws.
  public func encoded() throws(WireError) -> [UInt8] {
    try check()
    return [UInt8](capacity: byteCount) { out in write(into: &out) }
  }

  private func length(of kind: ItemKind) -> Int? {
    switch kind {
    case .topic: topic?.utf8.count
    case .deadline: deadlineNs == nil ? nil : 8
    case .conversation: conversationId == nil ? nil : 16
    case .trace: traceContext == nil ? nil : 25
    case .contentType: contentType?.utf8.count
    case .contentName: contentName?.utf8.count
    case .crc32c: crc32c == nil ? nil : 4
    case .idempotencyKey: idempotencyKey?.count
    }
  }

  private func write(into out: inout OutputRawSpan) {
    for kind in ItemKind.allCases {
      guard let length = length(of: kind) else { continue }
      out.append(word: kind.rawValue)
      out.append(word: UInt16(truncatingIfNeeded: length))
      writeValue(of: kind, into: &out)
      out.append(zeros: ((length + 4 + 7) & ~7) - length - 4)
    }
  }

  private func writeValue(of kind: ItemKind, into out: inout OutputRawSpan) {
    switch kind {
    case .topic: out.append(copying: Array((topic ?? "").utf8))
    case .deadline: out.append(word: deadlineNs ?? 0)
    case .conversation: out.append(uuid: conversationId ?? .zero)
    case .trace:
      out.append(uuid: traceContext?.traceId ?? .zero)
      out.append(word: (traceContext?.parentId ?? 0).byteSwapped)
      out.append(traceContext?.flags ?? 0)
    case .contentType: out.append(copying: Array((contentType ?? "").utf8))
    case .contentName: out.append(copying: Array((contentName ?? "").utf8))
    case .crc32c: out.append(word: crc32c ?? 0)
    case .idempotencyKey: out.append(copying: idempotencyKey ?? [])
    }
  }
}

extension OutputRawSpan {
  /// Appends the 16 bytes of a UUID; the caller has checked that there is room.
  @_lifetime(self: copy self)
  fileprivate mutating func append(uuid: BusUUID) {
    append(word: uuid.word0)
    append(word: uuid.word1)
  }
}
