/// Why bytes are not a frame of the control protocol.
public enum ControlError: Error, Equatable, Sendable, CustomStringConvertible {
  /// The frame ends before its last field.
  case tooShort
  /// The frame is larger than `ControlFormat.frameBytesMax`.
  case tooLong
  /// The frame does not start with the magic number, or its reserved field is not zero.
  case notAFrame
  /// The frame is of another protocol version.
  case version(UInt16)
  /// No frame of this kind exists in this direction.
  case unknownKind(UInt16)
  /// Bytes are left over behind the last field.
  case leftOver(Int)
  /// A string is not UTF-8.
  case notText
  /// A field holds a value that has no meaning.
  case value(UInt64)

  /// One sentence for logs and error answers.
  public var description: String {
    switch self {
    case .tooShort: "the frame ends before its last field"
    case .tooLong: "the frame is larger than \(ControlFormat.frameBytesMax) bytes"
    case .notAFrame: "the bytes are not a frame of this protocol"
    case .version(let theirs):
      "the other side speaks version \(theirs) of the control protocol, this side "
        + "\(ControlFormat.version)"
    case .unknownKind(let kind): "no frame of kind \(kind) goes in this direction"
    case .leftOver(let bytes): "\(bytes) bytes are left over behind the last field"
    case .notText: "a string is not UTF-8"
    case .value(let value): "a field holds \(value), which has no meaning"
    }
  }
}
