import BusJSON
import BusTestSupport
import BusText
import Foundation
import Testing

@Suite("Text from elsewhere on its way to a terminal")
struct TerminalTextTests {
  private static var all: [Unicode.Scalar] {
    (UInt32(0)...0x10FFFF).compactMap(Unicode.Scalar.init)
  }

  private static func isHarmful(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .control, .format, .lineSeparator, .paragraphSeparator: true
    default: false
    }
  }

  @Test("every character of Unicode is escaped when a terminal would obey it, and kept otherwise")
  func everyCharacter() {
    for scalar in Self.all {
      let shown = SafeText.printable("a\(scalar)z")
      let hex = String(scalar.value, radix: 16)
      let expected = Self.isHarmful(scalar) ? "a\\u{\(hex)}z" : "a\(scalar)z"
      guard shown.utf8.elementsEqual(expected.utf8) else {
        Issue.record("U+\(hex) became \(shown)")
        return
      }
    }
  }

  @Test("JSON holds nothing that a terminal would obey, and says the same text")
  func everyCharacterInJSON() throws {
    var (harmful, count) = ("", 0)
    for scalar in Self.all where Self.isHarmful(scalar) || "\"\\".unicodeScalars.contains(scalar) {
      harmful.unicodeScalars.append(scalar)
      count += 1
    }
    #expect(count > 200)
    let line = JSONValue.line([("text", .text(harmful)), (harmful, .null)])
    #expect(!line.description.unicodeScalars.contains(where: Self.isHarmful))
    let read = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
    #expect((read?["text"] as? String)?.utf8.elementsEqual(harmful.utf8) == true)
    #expect(read?.keys.contains(harmful) == true)
  }

  @Test("what is interpolated is escaped, literals and harmless text are not")
  func interpolation() {
    let name = "evil\u{1B}[2J\nerror: forged"
    let bold: TerminalText = "\u{1B}[1m\(name)\u{1B}[0m"
    #expect(bold.description == "\u{1B}[1mevil\\u{1b}[2J\\u{a}error: forged\u{1B}[0m")
    let line: TerminalText = "[\(bold)] \(3) \([name])"
    #expect(line.description.hasPrefix("[\u{1B}[1mevil\\u{1b}[2J"))
    #expect(line.description.count { $0 == "\u{1B}" } == 2)
  }

  @Test("the further lines of an entry are indented, so that none looks like a line of ours")
  func entries() {
    let text = "one\nerror: two\r\n\n\u{1B}[0mthree\tfour\n\n"
    #expect(
      TerminalText.entry(text, indent: 2).description
        == "one\n  error: two\\u{d}\n  \n  \\u{1b}[0mthree\tfour")
    #expect(TerminalText.block("a\n\tb\u{9B}\n").description == "a\n\tb\\u{9b}\n")
    let oneLine = "a\n\tb"
    #expect(TerminalText(oneLine).description == "a\\u{a}\\u{9}b")
  }
}
