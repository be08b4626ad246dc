extension TopicPattern {
  /// Whether every topic that `other` matches is matched by this pattern; allocates nothing.
  ///
  /// Never true when it is not so. It may be false where only the limits on length and tokens
  /// make it so, as for `>` at the last possible token.
  public func covers(_ other: TopicPattern) -> Bool {
    let wide = text.utf8.span
    let narrow = other.text.utf8.span
    if firstTokenIsWildcard && Topic.isReserved(narrow) { return false }
    var place = 0
    for index in wide.indices {
      let byte = wide[index]
      if byte == TopicGrammar.rest { return place < narrow.count }
      guard place < narrow.count else { return false }
      if byte == TopicGrammar.one {
        guard narrow[place] != TopicGrammar.rest else { return false }
        place = Self.tokenEnd(narrow, from: place)
      } else {
        // A literal byte differs from every wildcard, so a wildcard of `other` ends it here.
        guard narrow[place] == byte else { return false }
        place += 1
      }
    }
    return place == narrow.count
  }

  /// Whether some topic is matched by both; allocates nothing.
  ///
  /// Never false when there is one. It may be true where the only topics that both match would be
  /// longer than `Topic.bytesMax`.
  public func overlaps(_ other: TopicPattern) -> Bool {
    let left = text.utf8.span
    let right = other.text.utf8.span
    if firstTokenIsWildcard && Topic.isReserved(right) { return false }
    if other.firstTokenIsWildcard && Topic.isReserved(left) { return false }
    var (leftPlace, rightPlace) = (0, 0)
    while leftPlace < left.count, rightPlace < right.count {
      let (leftByte, rightByte) = (left[leftPlace], right[rightPlace])
      if leftByte == TopicGrammar.rest || rightByte == TopicGrammar.rest { return true }
      if leftByte == TopicGrammar.one || rightByte == TopicGrammar.one {
        leftPlace = Self.tokenEnd(left, from: leftPlace)
        rightPlace = Self.tokenEnd(right, from: rightPlace)
      } else {
        guard leftByte == rightByte else { return false }
        leftPlace += 1
        rightPlace += 1
      }
    }
    return leftPlace == left.count && rightPlace == right.count
  }

  /// Whether some topic within a channel (its name, or below it) could match; allocates nothing.
  ///
  /// Channels declared below this one are not looked at, so the answer is about the prefix only.
  public func couldMatchChannel(_ channel: Topic) -> Bool {
    let pattern = text.utf8.span
    let prefix = channel.text.utf8.span
    if firstTokenIsWildcard && Topic.isReserved(prefix) { return false }
    var place = 0
    for index in pattern.indices {
      let byte = pattern[index]
      if byte == TopicGrammar.rest { return true }
      // The channel's name is used up: what the pattern still asks for has to lie below it.
      guard place < prefix.count else { return byte == TopicGrammar.dot }
      if byte == TopicGrammar.one {
        place = Self.tokenEnd(prefix, from: place)
      } else {
        guard prefix[place] == byte else { return false }
        place += 1
      }
    }
    return place == prefix.count
  }

  private static func tokenEnd(_ bytes: Span<UInt8>, from start: Int) -> Int {
    var place = start
    while place < bytes.count, bytes[place] != TopicGrammar.dot { place += 1 }
    return place
  }
}
