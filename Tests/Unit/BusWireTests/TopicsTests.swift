import BusWire
import Testing

@Suite("Topics")
struct TopicsTests {
  @Test(
    "A topic is tokens of printable ASCII, letters, digits and marks, joined by dots",
    arguments: [
      "a", "alerts.disk", "A.b.C", "user-1.x_y:z/@+#$%=~", "größe.日本.हिन्दी", "a.\u{301}b", "1.2.3",
      "<x]{y}(!)?", String(repeating: "x", count: 127),
      "a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p",
    ])
  func accepts(text: String) throws {
    let topic = try Topic(text)
    #expect(topic.text == text)
    #expect(topic.tokenCount == text.unicodeScalars.split(separator: ".").count)
    #expect(try Topic(utf8: Array(text.utf8).span) == topic)
    #expect(try TopicPattern(text).matches(topic))
    #expect(try TopicPattern(text).literalPrefix == topic)
  }

  @Test(
    "What is no topic is refused with the reason and the place",
    arguments: [
      ("", TopicError.empty), (".", .emptyToken(position: 1)), ("a.", .emptyToken(position: 2)),
      ("a..b", .emptyToken(position: 2)), (".a", .emptyToken(position: 1)),
      ("a b", .badCharacter(" ", position: 1)),
      ("a.\u{1b}[2J", .badCharacter("\u{1b}", position: 2)),
      ("a.b\u{7f}", .badCharacter("\u{7f}", position: 2)),
      ("a\0", .badCharacter("\0", position: 1)),
      ("x.a\u{202e}b", .badCharacter("\u{202e}", position: 2)),
      ("a\u{200b}", .badCharacter("\u{200b}", position: 1)),
      ("a\u{a0}b", .badCharacter("\u{a0}", position: 1)),
      ("a.😀", .badCharacter("😀", position: 2)), ("a.*", .wildcardInTopic(position: 2)),
      (">", .wildcardInTopic(position: 1)), ("a>b", .wildcardInTopic(position: 1)),
      (String(repeating: "x", count: 128), .tooLong(bytes: 128)),
      (String(repeating: "é", count: 64), .tooLong(bytes: 128)),
      ("a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q", .tooManyTokens(tokens: 17)),
    ])
  func refuses(text: String, error: TopicError) {
    #expect(throws: error) { try Topic(text) }
    #expect(error.description.contains(":") && error.description.hasSuffix("."))
    #expect(!error.description.unicodeScalars.contains { $0.value < 0x20 || $0.value == 0x7f })
  }

  @Test(
    "A wildcard is a whole token, and > the last",
    arguments: [
      ("a*", TopicError.wildcardNotAlone(position: 1)), ("x.**", .wildcardNotAlone(position: 2)),
      ("a.>b", .wildcardNotAlone(position: 2)), (">>", .wildcardNotAlone(position: 1)),
      (">.a", .restNotLast(position: 1)), ("a.>.>", .restNotLast(position: 2)),
      ("*.", .emptyToken(position: 2)),
    ])
  func refusesPatterns(text: String, error: TopicError) {
    #expect(throws: error) { try TopicPattern(text) }
  }

  @Test("Bytes that are not UTF-8 are refused, and long ones before they are copied")
  func refusesBytes() {
    #expect(throws: TopicError.notUTF8) { try Topic(utf8: [0x61, 0xC3] as [UInt8]) }
    #expect(throws: TopicError.notUTF8) { try TopicPattern(utf8: [0xC0, 0x80] as [UInt8]) }
    let long = [UInt8](repeating: 0xFF, count: 1 << 20)
    #expect(throws: TopicError.tooLong(bytes: 1 << 20)) { try Topic(utf8: long) }
  }

  @Test("Spellings that only look alike are different topics")
  func comparesBytes() throws {
    let composed = try Topic("caf\u{e9}")
    let decomposed = try Topic("cafe\u{301}")
    #expect(composed != decomposed)
    #expect(Set([composed, decomposed]).count == 2)
    #expect(try !TopicPattern("caf\u{e9}").matches(decomposed))
    #expect(try TopicPattern("caf\u{e9}") != TopicPattern("cafe\u{301}"))
  }

  @Test("Prefixes end at a dot")
  func prefixes() throws {
    let topic = try Topic("alerts.disk.sda")
    #expect(topic.isWithin(topic))
    #expect(try topic.isWithin(Topic("alerts.disk")))
    #expect(try !topic.isWithin(Topic("alerts.di")))
    #expect(try !topic.isWithin(Topic("alerts.disk.sda.x")))
    #expect(try topic.prefix(tokens: 2) == Topic("alerts.disk"))
    #expect(try topic.prefix(tokens: 0) == Topic("alerts"))
    #expect(topic.prefix(tokens: 9) == topic)
    #expect(try Topic("a.\u{301}b").prefix(tokens: 1) == Topic("a"))
  }

  @Test(
    "The first token bcs is reserved, in that spelling only",
    arguments: [
      ("bcs", true), ("bcs.x", true), ("bcsx", false), ("BCS.x", false), ("bc", false),
      ("x.bcs", false),
    ])
  func reserved(text: String, isReserved: Bool) throws {
    #expect(try Topic(text).isReserved == isReserved)
    #expect(try TopicPattern(">").matches(Topic(text)) == !isReserved)
  }

  @Test(
    "A pattern's literal prefix ends before its first wildcard",
    arguments: [
      ("a.b.>", "a.b"), ("a.*.c", "a"), ("*.a", nil), (">", nil), ("a.b", "a.b"),
      ("größe.x.*", "größe.x"),
    ])
  func literalPrefix(text: String, prefix: String?) throws {
    #expect(try TopicPattern(text).literalPrefix?.text == prefix)
    #expect(try TopicPattern(text).firstTokenIsWildcard == (prefix == nil))
  }

  @Test("A topic belongs to the longest declared prefix, else to its first token")
  func channels() throws {
    var map = ChannelMap()
    for name in ["alerts.disk", "alerts.disk.sda.smart"] { map.declare(try Topic(name)) }
    let homes = [
      "alerts": "alerts", "alerts.cpu.0": "alerts", "alerts.disk": "alerts.disk",
      "alerts.disks": "alerts", "alerts.disk.sda": "alerts.disk",
      "alerts.disk.sda.smart.x": "alerts.disk.sda.smart", "bcs.broadcast.x": "bcs.broadcast",
      "bcs.other": "bcs", "x.y.z": "x",
    ]
    for (topic, home) in homes {
      #expect(try map.channel(of: Topic(topic)) == Topic(home))
    }
    #expect(
      map.channels.map(\.text) == ["alerts.disk", "alerts.disk.sda.smart", "bcs.broadcast"])
    #expect(try map.reaches(TopicPattern("alerts.>"), channel: Topic("alerts.disk")))
    #expect(try !map.reaches(TopicPattern("alerts.disk.>"), channel: Topic("alerts")))
    #expect(try !map.reaches(TopicPattern("*.disk.x"), channel: Topic("alerts")))
    #expect(try map.reaches(TopicPattern("*.*.x"), channel: Topic("alerts")))
    #expect(try !map.reaches(TopicPattern(">"), channel: ChannelMap.broadcast))
  }
}

extension Topic {
  fileprivate init(utf8 bytes: [UInt8]) throws(TopicError) { try self.init(utf8: bytes.span) }
}

extension TopicPattern {
  fileprivate init(utf8 bytes: [UInt8]) throws(TopicError) { try self.init(utf8: bytes.span) }
}
