extension HeaderWords {
  /// Reads the first 64 bytes without a check of their meaning; throws `tooShort`.
  public init(reading bytes: RawSpan) throws(WireError) {
    guard bytes.byteCount >= 64 else {
      throw .tooShort(.header, needed: 64, present: bytes.byteCount)
    }
    self = bytes.loadHeaderWords()
  }
}

extension MessageHeader {
  /// Reads the first 64 bytes; throws the first field that is wrong.
  public init(decoding bytes: RawSpan) throws(WireError) {
    try self.init(try HeaderWords(reading: bytes))
  }

  /// Reads the first 64 bytes; throws the first field that is wrong.
  public init(decoding bytes: [UInt8]) throws(WireError) {
    self = try bytes.withRawSpan { (span) throws(WireError) in
      try MessageHeader(decoding: span)
    }
  }

  /// Appends the 64 bytes; throws when a length is over its limit or there is no room.
  public func encode(into out: inout OutputRawSpan) throws(WireError) {
    try storage.check()
    guard out.freeCapacity >= 64 else {
      throw .noRoom(.header, needed: 64, present: out.freeCapacity)
    }
    out.append(words: storage)
  }

  /// The 64 bytes; throws when a length is over its limit.
  public func encoded() throws(WireError) -> [UInt8] {
    try storage.check()
    return [UInt8](capacity: 64) { out in out.append(words: storage) }
  }
}
