extension HeaderWords {
  /// Reads the first 64 bytes without a check of their meaning; throws `tooShort`.
  ///
  /// These are plain loads, which the compiler may repeat. Where another process can write the
  /// bytes, load eight relaxed atomic words, give them to the memberwise initialiser, and check
  /// those.
  @inline(always)
  public init(reading bytes: RawSpan) throws(WireError) {
    guard bytes.byteCount >= 64 else {
      throw .tooShort(.header, needed: 64, present: bytes.byteCount)
    }
    self = bytes.loadHeaderWords()
  }
}

extension MessageHeader {
  /// Reads the first 64 bytes; throws the first field that is wrong.
  ///
  /// Not for memory that another process can write: see ``HeaderWords/init(reading:)``.
  @inline(always)
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
  @inline(always)
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
