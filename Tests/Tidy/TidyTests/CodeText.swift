/// The code of a file without its comments and string contents: those become spaces, so that
/// offsets and line numbers stay.
struct CodeText {
  private(set) var bytes: [UInt8]

  init(_ file: SourceFile) {
    var scanner = CodeScanner(Array(file.text.utf8), isC: file.language == .c)
    scanner.blankAll()
    bytes = scanner.bytes
  }

  /// The line of an offset, counted from 1.
  func line(of offset: Int) -> Int {
    1 + bytes[..<offset].count { $0 == UInt8(ascii: "\n") }
  }

  /// Every identifier or keyword with its offset.
  var words: [(text: String, offset: Int)] {
    var found: [(String, Int)] = []
    var start: Int?
    for (index, byte) in (bytes + [0x20]).enumerated() {
      if byte.isWordByte {
        start = start ?? index
      } else if let from = start {
        found.append((String(decoding: bytes[from..<index], as: UTF8.self), from))
        start = nil
      }
    }
    return found
  }

  /// The last byte before the offset that is no white space.
  func byte(before offset: Int) -> UInt8? {
    bytes[..<offset].last { !$0.isSpace }
  }

  /// The offset of the bracket that closes the one at `open`.
  func closing(_ open: Int) -> Int? {
    var depth = 0
    for index in open..<bytes.count {
      switch bytes[index] {
      case UInt8(ascii: "{"), UInt8(ascii: "("), UInt8(ascii: "["): depth += 1
      case UInt8(ascii: "}"), UInt8(ascii: ")"), UInt8(ascii: "]"):
        depth -= 1
        if depth == 0 { return index }
      default: break
      }
    }
    return nil
  }
}

extension UInt8 {
  var isSpace: Bool { self == 0x20 || self == 0x0A || self == 0x09 || self == 0x0D }

  var isWordByte: Bool {
    (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(self)
      || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(self)
      || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(self) || self == UInt8(ascii: "_")
      || self >= 0x80
  }
}

/// Blanks comments and strings of Swift and C.
///
/// A Swift regex literal must be written `#/…/#`.
private struct CodeScanner {
  private(set) var bytes: [UInt8]
  private let isC: Bool
  private var at = 0

  init(_ bytes: [UInt8], isC: Bool) {
    self.bytes = bytes
    self.isC = isC
  }

  mutating func blankAll() {
    while at < bytes.count { step() }
  }

  /// Passes one byte of code or one whole comment or string.
  private mutating func step() {
    if has("//") {
      blank(to: bytes[at...].firstIndex(of: 0x0A) ?? bytes.count)
    } else if has("/*") {
      blank(to: endOfBlockComment())
    } else if isC && has("'") || has("\"") {
      blank(to: endOfString(hashes: 0))
    } else if !isC && has("#") {
      let hashes = bytes[at...].prefix { $0 == UInt8(ascii: "#") }.count
      let next = at + hashes < bytes.count ? bytes[at + hashes] : 0
      if next == UInt8(ascii: "\"") || next == UInt8(ascii: "/") {
        blank(to: endOfString(hashes: hashes))
      } else {
        at += hashes
      }
    } else {
      at += 1
    }
  }

  private func has(_ text: StaticString) -> Bool { has("\(text)", at: at) }

  private func has(_ text: String, at place: Int) -> Bool {
    bytes[place...].starts(with: text.utf8)
  }

  private mutating func blank(to end: Int) {
    for index in at..<end where bytes[index] != 0x0A { bytes[index] = 0x20 }
    at = end
  }

  private func endOfBlockComment() -> Int {
    var depth = 0
    var place = at
    while place < bytes.count {
      if has("/*", at: place) && (depth == 0 || !isC) {
        depth += 1
        place += 2
      } else if has("*/", at: place) {
        depth -= 1
        place += 2
        if depth == 0 { return place }
      } else {
        place += 1
      }
    }
    return bytes.count
  }

  /// The offset behind the string that starts, with its hashes, at `at`.
  private func endOfString(hashes: Int) -> Int { endOfString(from: at, hashes: hashes) }

  private func endOfString(from start: Int, hashes: Int) -> Int {
    let pounds = String(repeating: "#", count: hashes)
    let first = start + hashes
    let isLong = !isC && has("\"\"\"", at: first)
    let quote = isLong ? "\"\"\"" : String(decoding: [bytes[first]], as: UTF8.self)
    var place = first + quote.utf8.count
    while place < bytes.count {
      if has(quote + pounds, at: place) { return place + quote.utf8.count + hashes }
      if has("\\" + pounds + "(", at: place) && !isC {
        place = endOfInterpolation(from: place + 1 + hashes)
      } else if has("\\" + pounds, at: place) {
        place += 2 + hashes
      } else if bytes[place] == 0x0A && !isLong {
        return place
      } else {
        place += 1
      }
    }
    return bytes.count
  }

  /// The offset behind the parenthesis that closes the one at `open`; strings in it may nest.
  private func endOfInterpolation(from open: Int) -> Int {
    var depth = 0
    var place = open
    while place < bytes.count {
      switch bytes[place] {
      case UInt8(ascii: "("): depth += 1
      case UInt8(ascii: ")"):
        depth -= 1
        if depth == 0 { return place + 1 }
      case UInt8(ascii: "\""):
        place = endOfString(from: place, hashes: 0)
        continue
      default: break
      }
      place += 1
    }
    return bytes.count
  }
}
