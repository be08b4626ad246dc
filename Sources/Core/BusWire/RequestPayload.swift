import CBusABI

/// The original's request, content type `bcs/request`.
///
///      0  method, 64 bytes, NUL-padded UTF-8
///     64  timeout in milliseconds, u32; 0 = none
///     68  reserved, u32, zero
///     72  params, up to the end of the payload
public struct RequestPayload: Equatable, Sendable {
  /// The content type that chooses this form.
  public static let contentType = BUS_CONTENT_REQUEST
  /// Bytes before the params.
  public static let fixedBytes = 72

  /// What is asked for, at most 63 bytes of UTF-8.
  public var method: String
  /// Milliseconds the requester waits; 0 = as long as it takes.
  public var timeoutMs: UInt32
  /// The arguments, in a form that both sides know.
  public var params: [UInt8]

  /// A request of its fields.
  public init(method: String, timeoutMs: UInt32 = 0, params: [UInt8] = []) {
    self.method = method
    self.timeoutMs = timeoutMs
    self.params = params
  }

  /// Reads a payload; throws the first field that is wrong.
  public init(decoding bytes: RawSpan) throws(WireError) {
    guard bytes.byteCount >= Self.fixedBytes else {
      throw .tooShort(.request, needed: Self.fixedBytes, present: bytes.byteCount)
    }
    try checkPayloadLength(fixed: 0, variable: bytes.byteCount)
    method = try bytes.fixedText(.method, at: 0, size: 64)
    timeoutMs = bytes.load(64, as: UInt32.self)
    let reserved = bytes.load(68, as: UInt32.self)
    guard reserved == 0 else { throw .reserved(.request, reserved) }
    params = bytes.extracting(Self.fixedBytes..<bytes.byteCount).copied
  }

  /// Reads a payload; throws the first field that is wrong.
  public init(decoding bytes: [UInt8]) throws(WireError) {
    self = try bytes.withRawSpan { (span) throws(WireError) in
      try RequestPayload(decoding: span)
    }
  }

  /// The payload's bytes; throws when the method or the whole is too long.
  public func encoded() throws(WireError) -> [UInt8] {
    try checkFixedText(method, .method, size: 64)
    try checkPayloadLength(fixed: Self.fixedBytes, variable: params.count)
    return [UInt8](capacity: Self.fixedBytes + params.count) { out in
      out.append(fixedText: method, size: 64)
      out.append(word: timeoutMs)
      out.append(zeros: 4)
      out.append(copying: params)
    }
  }
}
