/// Why bytes are not a message, or a message cannot become bytes: the field and its value.
public enum WireError: Error, Equatable, Sendable {
  /// Fewer bytes than the field needs.
  case tooShort(WireField, needed: Int, present: Int)
  /// The place to write to is too small.
  case noRoom(WireField, needed: Int, present: Int)
  /// The first four bytes are not the magic number.
  case magic(UInt32)
  /// A version of the header that this program does not know.
  case version(UInt16)
  /// Not exactly one of the known type bits.
  case type(UInt16)
  /// The payload is longer than the limit.
  case payloadLength(Int)
  /// Neither 0 (not set) nor 1 + a level from 0 to 5.
  case priority(UInt32)
  /// The extension's length is not a multiple of 8 or over the limit.
  case extensionLength(Int)
  /// An extension item reaches over the end of the extension.
  case itemOverrun(kind: UInt16, needed: Int, present: Int)
  /// The value of an extension item has a length its kind does not allow.
  case itemLength(kind: UInt16, length: Int)
  /// A known extension item occurs twice.
  case itemRepeated(kind: UInt16)
  /// A text is longer than its field.
  case textTooLong(WireField, bytes: Int, limit: Int)
  /// A text in a field of fixed size does not end with a NUL byte.
  case textNotTerminated(WireField)
  /// A text is followed by something else than NUL bytes, or holds a NUL itself.
  case textNotPadded(WireField)
  /// A text is not UTF-8.
  case textNotUTF8(WireField)
  /// A reserved word is not zero.
  case reserved(WireField, UInt32)
  /// The checksum in the message is not that of its bytes.
  case checksum(stated: UInt32, computed: UInt32)
  /// The message must carry a checksum and has none.
  case checksumMissing
}

/// The parts of a message that a ``WireError`` can name.
public enum WireField: String, Sendable, CaseIterable {
  /// The fixed 64 bytes.
  case header
  /// The items between header and payload.
  case `extension`
  /// A UUID, 16 bytes.
  case uuid
  /// The extension item with the topic, and the event's field of that name.
  case topic
  /// The extension item with the content type.
  case contentType = "content type"
  /// The extension item with the content name.
  case contentName = "content name"
  /// The payload `bcs/request`.
  case request
  /// The request's method.
  case method
  /// The payload `bcs/response`.
  case response
  /// The response's error text.
  case error
  /// The payload `bcs/event`.
  case event
  /// The event's type.
  case eventType = "event type"
}

extension WireError: CustomStringConvertible {
  /// The error as a sentence that names the field, its value and what would be right.
  public var description: String {
    switch self {
    case .tooShort(let field, let needed, let present):
      "\(field.rawValue): \(present) bytes are too few, \(needed) are needed"
    case .noRoom(let field, let needed, let present):
      "\(field.rawValue): \(needed) bytes do not fit into \(present); give it more room"
    case .magic(let value):
      "magic is 0x\(hexText(value)), not 0xaf42cafe: these bytes are not a message"
    case .version(let value):
      "version \(value) is unknown, this program speaks version 1; update the older side"
    case .type(let value):
      "type 0x\(hexText(value)) is not one of 0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40"
    case .payloadLength(let value):
      "length \(value) is over the limit of \(WireLimit.payloadBytesMax) bytes; split the payload"
    case .priority(let value):
      "priority byte \(value) is neither 0 (not set) nor 1 + a level from 0 to 5"
    case .extensionLength(let value):
      "extension length \(value) is not a multiple of 8 up to \(WireLimit.extensionBytesMax)"
    case .checksum(let stated, let computed):
      "CRC32C is 0x\(hexText(computed)), the message says 0x\(hexText(stated)): it was damaged"
    case .checksumMissing:
      "the message carries no CRC32C; durable and remote messages must"
    default:
      textOfPart
    }
  }

  private var textOfPart: String {
    switch self {
    case .itemOverrun(let kind, let needed, let present):
      "extension item \(kind) needs \(needed) bytes, the extension has \(present) left"
    case .itemLength(let kind, let length):
      "extension item \(kind) cannot be \(length) bytes long"
    case .itemRepeated(let kind):
      "extension item \(kind) occurs twice; send it once"
    case .textTooLong(let field, let bytes, let limit):
      "\(field.rawValue) has \(bytes) bytes, at most \(limit) fit; shorten it"
    case .textNotTerminated(let field):
      "\(field.rawValue) does not end with a NUL byte"
    case .textNotPadded(let field):
      "\(field.rawValue) holds a NUL byte before its end"
    case .textNotUTF8(let field):
      "\(field.rawValue) is not UTF-8"
    case .reserved(let field, let value):
      "\(field.rawValue): the reserved word is \(value), it must be 0"
    default:
      "the message is malformed"
    }
  }
}

/// An unsigned integer as lower-case hexadecimal digits, all of them.
func hexText<T: FixedWidthInteger & UnsignedInteger>(_ value: T) -> String {
  let digits = String(value, radix: 16)
  return String(repeating: "0", count: T.bitWidth / 4 - digits.count) + digits
}
