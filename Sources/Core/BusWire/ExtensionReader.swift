import CBusABI

/// The kinds of extension items that have a meaning; others are skipped.
public enum ItemKind: UInt16, Sendable, CaseIterable {
  /// The full topic, as text.
  case topic = 1
  /// Nanoseconds that remained at the header's timestamp.
  case deadline = 2
  /// 16 bytes that tie messages of one conversation together.
  case conversation = 3
  /// W3C trace context, 25 bytes.
  case trace = 4
  /// How the payload is encoded, as text.
  case contentType = 5
  /// What the payload is called, as text.
  case contentName = 6
  /// The checksum of the whole message.
  case crc32c = 7
  /// Bytes under which the router stores one message only.
  case idempotencyKey = 8

  /// The lengths, in bytes, that a value of this kind may have.
  public var lengths: ClosedRange<Int> {
    switch self {
    case .topic: 1...WireLimit.topicBytesMax
    case .deadline: 8...8
    case .conversation: 16...16
    case .trace: 25...25
    case .contentType: 1...WireLimit.contentTypeBytesMax
    case .contentName: 1...WireLimit.contentNameBytesMax
    case .crc32c: 4...4
    case .idempotencyKey: 1...WireLimit.idempotencyKeyBytesMax
    }
  }
}

/// One item of a header extension, read in place.
///
/// The typed accessors trap on nothing: they throw when the value is not of their form. Read
/// the one that belongs to ``kind``.
public struct ExtensionItem: ~Escapable {
  /// The kind as it stands in the bytes.
  public let rawKind: UInt16
  /// Where the value starts, in bytes from the start of the extension.
  public let valueOffset: Int
  /// The value.
  public let value: RawSpan

  @_lifetime(copy value)
  init(rawKind: UInt16, valueOffset: Int, value: RawSpan) {
    self.rawKind = rawKind
    self.valueOffset = valueOffset
    self.value = value
  }

  /// The kind, nil when this program does not know it.
  public var kind: ItemKind? { ItemKind(rawValue: rawKind) }

  /// The value of a topic, content type or content name: UTF-8 without a NUL.
  public func text() throws(WireError) -> String {
    let field: WireField =
      switch kind {
      case .topic: .topic
      case .contentType: .contentType
      default: .contentName
      }
    guard !value.contains(0) else { throw .textNotPadded(field) }
    guard let text = value.text else { throw .textNotUTF8(field) }
    return text
  }

  /// The value of a deadline, in nanoseconds.
  public func deadlineNs() throws(WireError) -> UInt64 {
    try expect(8)
    return value.load(0, as: UInt64.self)
  }

  /// The value of a conversation id.
  public func conversationId() throws(WireError) -> BusUUID {
    try expect(16)
    return try BusUUID(decoding: value)
  }

  /// The value of a trace context.
  public func traceContext() throws(WireError) -> TraceContext {
    try expect(25)
    return TraceContext(
      traceId: try BusUUID(decoding: value),
      parentId: value.load(16, as: UInt64.self).byteSwapped,
      flags: value.load(24, as: UInt8.self))
  }

  /// The value of a checksum.
  public func crc32c() throws(WireError) -> UInt32 {
    try expect(4)
    return value.load(0, as: UInt32.self)
  }

  /// A copy of the value.
  public func bytes() -> [UInt8] { value.copied }

  private func expect(_ length: Int) throws(WireError) {
    guard value.byteCount == length else {
      throw .itemLength(kind: rawKind, length: value.byteCount)
    }
  }
}

/// Walks over the items of a header extension in place, without a copy or an allocation.
///
///     var reader = ExtensionReader(extensionBytes)
///     while let item = try reader.next() {
///       if item.kind == .deadline { deadline = try item.deadlineNs() }
///     }
///
/// It knows lengths of known kinds but not their repetition; ``MessageExtension`` checks that.
public struct ExtensionReader: ~Escapable {
  private let bytes: RawSpan
  private var offset = 0

  /// A reader at the first item.
  @_lifetime(copy bytes)
  public init(_ bytes: RawSpan) { self.bytes = bytes }

  /// The next item, nil at the end; unknown kinds come with `kind == nil`, fillers not at all.
  @_lifetime(copy self)
  public mutating func next() throws(WireError) -> ExtensionItem? {
    while offset < bytes.byteCount {
      let left = bytes.byteCount - offset
      guard left >= 4 else { throw .itemOverrun(kind: 0, needed: 4, present: left) }
      let rawKind = bytes.load(offset, as: UInt16.self)
      let length = Int(bytes.load(offset + 2, as: UInt16.self))
      let whole = (length + 4 + 7) & ~7
      guard whole <= left else {
        throw .itemOverrun(kind: rawKind, needed: whole, present: left)
      }
      let start = offset + 4
      offset += whole
      if rawKind == 0 { continue }
      if let kind = ItemKind(rawValue: rawKind), !kind.lengths.contains(length) {
        throw .itemLength(kind: rawKind, length: length)
      }
      return ExtensionItem(
        rawKind: rawKind, valueOffset: start, value: bytes.extracting(start..<start + length))
    }
    return nil
  }

  /// The first item of a kind, nil when there is none; what follows it is not looked at.
  @_lifetime(copy bytes)
  public static func first(
    _ kind: ItemKind, in bytes: RawSpan
  ) throws(WireError) -> ExtensionItem? {
    var reader = ExtensionReader(bytes)
    while let item = try reader.next() {
      if item.rawKind == kind.rawValue { return item }
    }
    return nil
  }
}
