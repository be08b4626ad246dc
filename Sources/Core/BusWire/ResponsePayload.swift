import CBusABI

/// The original's response, content type `bcs/response`.
///
///       0  status code, i32; 0 = success
///       4  reserved, u32, zero
///       8  error, 256 bytes, NUL-padded UTF-8
///     264  result, up to the end of the payload
public struct ResponsePayload: Equatable, Sendable {
  /// The content type that chooses this form.
  public static let contentType = BUS_CONTENT_RESPONSE
  /// Bytes before the result.
  public static let fixedBytes = 264

  /// 0 for success, else a code that both sides know.
  public var statusCode: Int32
  /// What went wrong, at most 255 bytes of UTF-8; empty for success.
  public var error: String
  /// The result, in a form that both sides know.
  public var result: [UInt8]

  /// A response of its fields.
  public init(statusCode: Int32 = 0, error: String = "", result: [UInt8] = []) {
    self.statusCode = statusCode
    self.error = error
    self.result = result
  }

  /// Reads a payload; throws the first field that is wrong.
  public init(decoding bytes: RawSpan) throws(WireError) {
    guard bytes.byteCount >= Self.fixedBytes else {
      throw .tooShort(.response, needed: Self.fixedBytes, present: bytes.byteCount)
    }
    try checkPayloadLength(fixed: 0, variable: bytes.byteCount)
    statusCode = bytes.load(0, as: Int32.self)
    let reserved = bytes.load(4, as: UInt32.self)
    guard reserved == 0 else { throw .reserved(.response, reserved) }
    error = try bytes.fixedText(.error, at: 8, size: 256)
    result = bytes.extracting(Self.fixedBytes..<bytes.byteCount).copied
  }

  /// Reads a payload; throws the first field that is wrong.
  public init(decoding bytes: [UInt8]) throws(WireError) {
    self = try bytes.withRawSpan { (span) throws(WireError) in
      try ResponsePayload(decoding: span)
    }
  }

  /// The payload's bytes; throws when the error text or the whole is too long.
  public func encoded() throws(WireError) -> [UInt8] {
    try checkFixedText(error, .error, size: 256)
    try checkPayloadLength(fixed: Self.fixedBytes, variable: result.count)
    return [UInt8](capacity: Self.fixedBytes + result.count) { out in
      out.append(word: statusCode)
      out.append(zeros: 4)
      out.append(fixedText: error, size: 256)
      out.append(copying: result)
    }
  }
}
