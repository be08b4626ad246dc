// Texts in fields of fixed size, as the payloads of the original have them.

extension RawSpan {
  /// The text of a field: UTF-8 up to its first NUL, and NULs from there to its end.
  ///
  /// The caller has checked that the field's bytes are there.
  func fixedText(_ field: WireField, at offset: Int, size: Int) throws(WireError) -> String {
    let whole = extracting(offset..<offset + size)
    var length = 0
    while length < size, whole.load(length, as: UInt8.self) != 0 { length += 1 }
    guard length < size else { throw .textNotTerminated(field) }
    for rest in length..<size where whole.load(rest, as: UInt8.self) != 0 {
      throw .textNotPadded(field)
    }
    guard let text = whole.extracting(0..<length).text else { throw .textNotUTF8(field) }
    return text
  }
}

extension OutputRawSpan {
  /// Appends a checked text and fills its field up with NULs.
  @_lifetime(self: copy self)
  mutating func append(fixedText text: String, size: Int) {
    let bytes = Array(text.utf8)
    append(copying: bytes)
    append(zeros: size - bytes.count)
  }
}

/// Throws when a text does not fit, with a NUL behind it, into a field of `size` bytes.
func checkFixedText(_ text: String, _ field: WireField, size: Int) throws(WireError) {
  let bytes = text.utf8.count
  guard bytes < size else { throw .textTooLong(field, bytes: bytes, limit: size - 1) }
  guard !text.utf8.contains(0) else { throw .textNotPadded(field) }
}

/// Throws when a payload of fixed fields and variable bytes is over the limit.
func checkPayloadLength(fixed: Int, variable: Int) throws(WireError) {
  guard fixed + variable <= WireLimit.payloadBytesMax else {
    throw .payloadLength(fixed + variable)
  }
}
