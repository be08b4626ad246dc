import BusTestSupport
import Foundation
import RegexBuilder
import Testing

/// The public declarations of the client library, one a line: `Type: declaration`, sorted.
///
/// What the package's own programs use alone is `package`, and not here.
func publicSymbols(_ files: some Sequence<SourceFile>) -> [String] {
  files.filter { $0.language == .swift }.flatMap(publicSymbols).sorted()
}

/// The head of a type or an extension that lies in no other.
private var containerHead: Regex<(Substring, Substring)> {
  let words = #/(?:@\w+(?:\([^)]*\))? |public |package |fileprivate |private |final |indirect )*/#
  let kind = #/(?:struct|class|enum|protocol|extension) /#
  return Regex {
    Anchor.startOfLine
    words
    kind
    Capture(#/[\w.]+/#)
  }
}

private func publicSymbols(_ file: SourceFile) -> [String] {
  let lines = file.lines.map(String.init)
  var container = ""
  var found: [String] = []
  for (index, line) in lines.enumerated() {
    if let match = line.firstMatch(of: containerHead) {
      container = String(match.1)
    }
    let text = line.drop { $0 == " " }
    guard let start = text.firstRange(of: #/^(?:@\w+(?:\([^)]*\))? )*public /#),
      !text[start.upperBound...].hasPrefix("import ")
    else { continue }
    found.append("\(container): \(head(lines[index...], from: start.upperBound, of: text))")
  }
  return found
}

/// A declaration up to its body or value, on one line.
private func head(_ lines: ArraySlice<String>, from start: String.Index, of first: Substring)
  -> String
{
  var all = ""
  var depth = 0
  for (number, line) in lines.enumerated() {
    let rest = number == 0 ? String(first[start...]) : line.drop { $0 == " " }.description
    for character in rest {
      if character == "{" && depth == 0 { return tidy(all) }
      if "([<".contains(character) { depth += 1 }
      if ")]>".contains(character), !all.hasSuffix("-") { depth -= 1 }
      all.append(character)
    }
    if depth == 0 { break }
    all.append(" ")
  }
  return tidy(all)
}

private func tidy(_ text: String) -> String {
  var one = text.split(separator: " ").joined(separator: " ")
  let hasParameters = one.contains("func ") || one.contains("init(") || one.contains("subscript(")
  if !hasParameters, let value = one.firstRange(of: " = ") {
    one = String(one[..<value.lowerBound])
  }
  return one.replacing("( ", with: "(").replacing(" )", with: ")")
}

@Suite("The public face of the client library")
struct PublicSymbolTests {
  private static let list = "Docs/public-symbols.txt"

  @Test("is the one that is listed")
  func listed() throws {
    let tree = SourceTree.repository
    let files = tree.files.filter { $0.path.hasPrefix("Sources/Client/BinaryComm/") }
    let found = publicSymbols(files)
    let place = "\(Programs.root)/\(Self.list)"
    if ProcessInfo.processInfo.environment["BCS_WRITE_SYMBOLS"] != nil {
      try (found.joined(separator: "\n") + "\n")
        .write(toFile: place, atomically: true, encoding: .utf8)
    }
    let text = try String(contentsOfFile: place, encoding: .utf8)
    let listed = text.split(separator: "\n").map(String.init)
    let gone = Set(listed).subtracting(found).sorted().joined(separator: "\n- ")
    let new = Set(found).subtracting(listed).sorted().joined(separator: "\n+ ")
    #expect(
      found == listed,
      """
      What users of the library see has changed. If that is meant, say so in CHANGELOG.md and \
      write the list anew: BCS_WRITE_SYMBOLS=1 swift test -c release --filter PublicSymbolTests
      - \(gone)
      + \(new)
      """)
  }

  @Test("is told from what is not public, with heads over several lines and without values")
  func control() {
    let file = SourceFile(
      "A.swift",
      """
      public import Core
      public struct A {
        public var b = 7
        package var c: Int
        public func d(
          _ e: Int, f: [Int] = []
        ) throws(E) -> Int { 1 }
        public init(g: Int = 1) {}
        public mutating func j(_ k: Int = 2) {}
      }
      extension A.Inner {
        @inlinable public static func h<T>(_ t: T) -> T { t }
      }
      func i() {}
      """)
    #expect(
      publicSymbols([file]) == [
        "A.Inner: static func h<T>(_ t: T) -> T",
        "A: func d(_ e: Int, f: [Int] = []) throws(E) -> Int",
        "A: init(g: Int = 1)", "A: mutating func j(_ k: Int = 2)", "A: struct A", "A: var b",
      ])
  }
}
