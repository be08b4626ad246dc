import BusTestSupport
import BusWire
import Testing

/// Checks the byte walks against definitions: sets of topics over a small alphabet.
///
/// No pattern uses the token `z`, and topics go two tokens deeper than patterns, so a relation
/// that fails anywhere fails on one of these topics.
@Suite("Topic patterns against their meaning")
struct TopicsRelationsTests {
  private static let topics = words(["a", "ab", "bcs", "z"], upTo: 5)
  private static let patterns = words(["a", "ab", "bcs", "*", ">"], upTo: 3).filter {
    !$0.dropLast().contains(">")
  }

  private static func words(_ alphabet: [String], upTo length: Int) -> [[String]] {
    var all: [[String]] = []
    var layer: [[String]] = [[]]
    for _ in 0..<length {
      layer = layer.flatMap { word in alphabet.map { word + [$0] } }
      all += layer
    }
    return all
  }

  private static func naive(_ pattern: ArraySlice<String>, _ topic: ArraySlice<String>) -> Bool {
    guard let first = pattern.first else { return topic.isEmpty }
    guard let token = topic.first else { return false }
    if first == ">" { return true }
    return (first == "*" || first == token) && naive(pattern.dropFirst(), topic.dropFirst())
  }

  private static func meaning(_ pattern: [String]) -> Set<Int> {
    let isOpen = pattern[0] == "*" || pattern[0] == ">"
    return Set(
      topics.indices.filter {
        naive(pattern[...], topics[$0][...]) && !(isOpen && topics[$0][0] == "bcs")
      })
  }

  @Test("matches, covers and overlaps agree with sets of topics for every small pattern")
  func relations() throws {
    let topics = try Self.topics.map { try Topic($0.joined(separator: ".")) }
    let patterns = try Self.patterns.map { try TopicPattern($0.joined(separator: ".")) }
    let meanings = Self.patterns.map(Self.meaning)
    #expect(patterns.count == 5 + 4 * 5 + 4 * 4 * 5)
    for (pattern, meaning) in zip(patterns, meanings) {
      let matched = Set(topics.indices.filter { pattern.matches(topics[$0]) })
      #expect(matched == meaning, "\(pattern)")
    }
    for left in patterns.indices {
      for right in patterns.indices {
        let (first, second) = (patterns[left], patterns[right])
        #expect(
          first.covers(second) == meanings[right].isSubset(of: meanings[left]),
          "\(first) covers \(second)")
        #expect(
          first.overlaps(second) == !meanings[left].isDisjoint(with: meanings[right]),
          "\(first) overlaps \(second)")
      }
    }
  }

  @Test("couldMatchChannel and ChannelMap.reaches agree with sets of topics")
  func channels() throws {
    let names = Self.words(["a", "ab", "bcs"], upTo: 3)
    var map = ChannelMap()
    for name in ["a.ab", "ab.a.a", "bcs.a"] { map.declare(try Topic(name)) }
    for words in Self.patterns {
      let pattern = try TopicPattern(words.joined(separator: "."))
      let meaning = Self.meaning(words).map { Self.topics[$0] }
      for name in names {
        let channel = try Topic(name.joined(separator: "."))
        let below = meaning.filter { $0.starts(with: name) }
        #expect(
          pattern.couldMatchChannel(channel) == !below.isEmpty, "\(pattern) in \(channel)")
        guard map.isChannel(channel) else { continue }
        let own = try below.filter {
          try map.channel(of: Topic($0.joined(separator: "."))) == channel
        }
        #expect(
          map.reaches(pattern, channel: channel) == !own.isEmpty, "\(pattern) reaches \(channel)")
      }
    }
  }

  @Test("Any bytes are judged without a trap, and only topics are accepted")
  func hostileBytes() throws {
    var random = Seed.announced(for: "hostile topic bytes").generator()
    let alphabet = Array("ab.*>. \u{301}é\u{200b}\u{0}bcs".utf8) + [0xFF, 0xC3, 0x80]
    let pattern = try TopicPattern("*.b.>")
    var accepted = 0
    for _ in 0..<20_000 {
      let bytes = (0..<Int.random(in: 0...12, using: &random)).map { _ in
        alphabet[Int.random(in: 0..<alphabet.count, using: &random)]
      }
      _ = pattern.matches(utf8: bytes.span)
      if let topic = try? Topic(utf8: bytes.span) {
        accepted += 1
        #expect(Array(topic.text.utf8) == bytes)
        #expect(try TopicPattern(utf8: bytes.span).isLiteral)
      } else if let open = try? TopicPattern(utf8: bytes.span) {
        #expect(!open.isLiteral && open.covers(open) && open.overlaps(open))
      }
    }
    #expect(accepted > 100)
  }
}
