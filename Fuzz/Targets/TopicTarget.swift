import BusWire

/// A topic and two patterns, one a line: parsed and related as a slow oracle of tokens says.
final class TopicTarget: FuzzTarget {
  static let name = "topic"
  static let bytesMax = 160

  init() {}

  /// A text, what it was parsed to, and its tokens for the oracle.
  private struct Line {
    let bytes: [UInt8]
    let topic: Topic?
    let pattern: TopicPattern?
    let tokens: [TopicOracle.Token]

    init(_ bytes: [UInt8]) {
      self.bytes = bytes
      topic = try? Topic(utf8: bytes.span)
      pattern = try? TopicPattern(utf8: bytes.span)
      tokens = TopicOracle.tokens(bytes)
    }
  }

  func run(_ input: inout FuzzInput) throws(Broken) {
    let parts = input.rest().split(
      separator: 10, maxSplits: 2, omittingEmptySubsequences: false)
    let lines = parts.map { Line(Array($0)) }
    for line in lines {
      if let fits = TopicOracle.isTopic(line.bytes, line.tokens) {
        try claim(fits == (line.topic != nil), "\(line.bytes): is a topic, or not: \(fits)")
      }
      if let fits = TopicOracle.isPattern(line.bytes, line.tokens) {
        try claim(fits == (line.pattern != nil), "\(line.bytes): is a pattern, or not: \(fits)")
      }
      if let topic = line.topic { try alone(topic, line) }
    }
    for left in lines.indices {
      guard let pattern = lines[left].pattern else { continue }
      for right in lines.indices {
        if let topic = lines[right].topic { try relate(pattern, topic, lines[left], lines[right]) }
        // Each pair once: what holds one way is asked the other way there.
        if right > left, let other = lines[right].pattern {
          try relate(pattern, other, lines[left].tokens, lines[right].tokens)
          if let topic = lines[0].topic { try meet(pattern, other, topic) }
        }
      }
    }
  }

  private func alone(_ topic: Topic, _ line: Line) throws(Broken) {
    let tokens = line.tokens
    try claim(topic.text.utf8.elementsEqual(line.bytes), "\(topic): another text than was given")
    try claim(topic.tokenCount == tokens.count, "\(topic): \(topic.tokenCount) tokens")
    try claim(topic.isReserved == (tokens[0] == TopicOracle.bus), "\(topic): reserved, or not")
    try claim(TopicPattern(topic).matches(topic), "\(topic) does not match itself")
    let count = line.bytes.count % tokens.count + 1
    let prefix = topic.prefix(tokens: count)
    try claim(
      prefix.text.utf8.elementsEqual(tokens.prefix(count).joined(separator: [46])),
      "\(topic): \(prefix)")
    try claim(topic.isWithin(prefix), "\(topic) is not within \(prefix)")
    let isName = (try? AgentName.check(topic.text)) != nil
    try claim(!isName || !topic.isReserved, "\(topic) may be an agent's name")
    if let inbox = InboxChannel(topic.text) {
      try claim(inbox.name == topic.text, "\(topic): another spelling of \(inbox.name)")
    }
  }

  private func relate(
    _ pattern: TopicPattern, _ topic: Topic, _ left: Line, _ right: Line
  ) throws(Broken) {
    let matches = pattern.matches(topic)
    try claim(
      matches == TopicOracle.matches(left.tokens, right.tokens), "\(pattern) matches \(topic)?")
    try claim(
      pattern.couldMatchChannel(topic) == TopicOracle.reaches(left.tokens, right.tokens),
      "\(pattern) reaches into \(topic)?")
    // No seed is one: a wildcard in between, and the rest.
    Canary.sing(
      when: matches && left.tokens.count > 2 && left.tokens[1] == TopicOracle.one
        && left.tokens.last == TopicOracle.rest)
  }

  private func relate(
    _ pattern: TopicPattern, _ other: TopicPattern, _ left: [TopicOracle.Token],
    _ right: [TopicOracle.Token]
  ) throws(Broken) {
    let covers = pattern.covers(other)
    let overlaps = pattern.overlaps(other)
    try claim(covers == TopicOracle.covers(left, right), "\(pattern) covers \(other)?")
    try claim(
      other.covers(pattern) == TopicOracle.covers(right, left), "\(other) covers \(pattern)?")
    try claim(overlaps == TopicOracle.overlaps(left, right), "\(pattern) overlaps \(other)?")
    try claim(overlaps == other.overlaps(pattern), "\(pattern), \(other): overlap one way")
  }

  /// What two patterns say of each other holds for a topic.
  private func meet(
    _ pattern: TopicPattern, _ other: TopicPattern, _ topic: Topic
  ) throws(Broken) {
    let (first, second) = (pattern.matches(topic), other.matches(topic))
    try claim(!second || first || !pattern.covers(other), "\(pattern) covers \(other): \(topic)")
    try claim(!first || second || !other.covers(pattern), "\(other) covers \(pattern): \(topic)")
    try claim(!(first && second) || pattern.overlaps(other), "\(topic): \(pattern), \(other)")
  }

  static func seeds() -> [[UInt8]] {
    [
      "a\n*\n>", "alerts.disk.full\nalerts.*.full\nalerts.>", "a.b\na.b.>\na.*", "bcs.x\n>\n*.x",
      "bcs.broadcast.a\nbcs.broadcast.>\nbcs.*.a", "größe.x\n*.x\ngröße.>", "a..b\n>.a\na*",
      "a.b.c.d.e\n*.b.*.d.>\na.*.c.*.e", "bcs.inbox.12.urgent\nbcs.inbox.12.>\nbcs.>",
      "a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p\na.b.c.d.e.f.g.h.i.j.k.l.m.n.o.>\nq", "bcsx.a\n*\nbcs",
    ].map { Array($0.utf8) }
  }
}

/// The rules of topics and patterns once more, token by token, as the documents tell them.
enum TopicOracle {
  typealias Token = [UInt8]
  static let bus: Token = Array("bcs".utf8)
  static let one: Token = [42]
  static let rest: Token = [62]

  static func tokens(_ bytes: [UInt8]) -> [Token] {
    bytes.split(separator: 46, omittingEmptySubsequences: false).map(Array.init)
  }

  /// Nil where letters beyond ASCII would have to be judged.
  static func isTopic(_ bytes: [UInt8], _ tokens: [Token]) -> Bool? {
    guard bytes.allSatisfy({ $0 < 128 }) else { return nil }
    return hasShape(bytes, tokens) && !bytes.contains(42) && !bytes.contains(62)
  }

  static func isPattern(_ bytes: [UInt8], _ tokens: [Token]) -> Bool? {
    guard bytes.allSatisfy({ $0 < 128 }) else { return nil }
    guard hasShape(bytes, tokens) else { return false }
    for (place, token) in tokens.enumerated() where token.contains(42) || token.contains(62) {
      guard token == one || (token == rest && place == tokens.count - 1) else { return false }
    }
    return true
  }

  private static func hasShape(_ bytes: [UInt8], _ tokens: [Token]) -> Bool {
    return bytes.count <= 127 && tokens.count <= 16 && tokens.allSatisfy { !$0.isEmpty }
      && bytes.allSatisfy { $0 > 32 && $0 < 127 }
  }

  private static func isWild(_ pattern: [Token]) -> Bool { pattern[0] == one || pattern[0] == rest }

  static func matches(_ pattern: [Token], _ topic: [Token]) -> Bool {
    if isWild(pattern) && topic[0] == bus { return false }
    return walk(pattern[...], topic[...])
  }

  private static func walk(_ pattern: ArraySlice<Token>, _ topic: ArraySlice<Token>) -> Bool {
    guard let head = pattern.first else { return topic.isEmpty }
    guard let token = topic.first else { return false }
    if head == rest { return true }
    return (head == one || head == token) && walk(pattern.dropFirst(), topic.dropFirst())
  }

  static func covers(_ wide: [Token], _ narrow: [Token]) -> Bool {
    if isWild(wide) && narrow[0] == bus { return false }
    return cover(wide[...], narrow[...])
  }

  private static func cover(_ wide: ArraySlice<Token>, _ narrow: ArraySlice<Token>) -> Bool {
    guard let head = wide.first else { return narrow.isEmpty }
    guard let token = narrow.first else { return false }
    if head == rest { return true }
    if token == rest { return false }
    return (head == one || head == token) && cover(wide.dropFirst(), narrow.dropFirst())
  }

  static func overlaps(_ left: [Token], _ right: [Token]) -> Bool {
    if isWild(left) && right[0] == bus { return false }
    if isWild(right) && left[0] == bus { return false }
    return overlap(left[...], right[...])
  }

  private static func overlap(_ left: ArraySlice<Token>, _ right: ArraySlice<Token>) -> Bool {
    guard let mine = left.first, let theirs = right.first else {
      return left.isEmpty && right.isEmpty
    }
    if mine == rest || theirs == rest { return true }
    return (mine == theirs || mine == one || theirs == one)
      && overlap(left.dropFirst(), right.dropFirst())
  }

  /// Whether a topic at or below the channel could match.
  static func reaches(_ pattern: [Token], _ channel: [Token]) -> Bool {
    if isWild(pattern) && channel[0] == bus { return false }
    for (place, token) in channel.enumerated() {
      guard place < pattern.count else { return false }
      if pattern[place] == rest { return true }
      guard pattern[place] == one || pattern[place] == token else { return false }
    }
    return true
  }
}
