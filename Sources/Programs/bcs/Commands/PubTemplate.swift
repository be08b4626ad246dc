/// A body with places to fill in, as in the nats command line.
///
/// These are `{{count}}`, `{{time}}`, `{{unix_ns}}` and `{{random N}}`. Only the argument of a
/// command is ever one, and only when the user asks for it: what comes from a file or a pipe is
/// data.
struct PubTemplate {
  private enum Part {
    case literal([UInt8])
    case count
    case time
    case unixNs
    case random(Int)
  }

  /// Most bytes of one `{{random N}}`.
  static let randomMax = 1 << 20

  private let parts: [Part]

  /// Whether every message has the same bytes.
  var isConstant: Bool {
    parts.allSatisfy { if case .literal = $0 { true } else { false } }
  }

  /// The body as it is, braces included.
  init(literal bytes: [UInt8]) { parts = [.literal(bytes)] }

  /// Reads the places of a body; bytes that are no template stay as they are.
  ///
  /// - Throws: `Failure` with exit code 64 for a place of unknown name.
  init(_ body: [UInt8]) throws {
    var parts: [Part] = []
    var rest = body[...]
    while let start = Self.pair(UInt8(ascii: "{"), in: rest),
      let end = Self.pair(UInt8(ascii: "}"), in: rest[(start + 2)...])
    {
      let name = String(decoding: rest[(start + 2)..<end], as: UTF8.self)
      parts.append(.literal(Array(rest[..<start])))
      parts.append(try Self.place(name))
      rest = rest[(end + 2)...]
    }
    self.parts = parts + [.literal(Array(rest))]
  }

  /// Whether a text looks as if it had places to fill in.
  static func isIn(_ text: String) -> Bool {
    let bytes = Array(text.utf8)
    guard let start = pair(UInt8(ascii: "{"), in: bytes[...]),
      let end = pair(UInt8(ascii: "}"), in: bytes[(start + 2)...])
    else { return false }
    return (try? place(String(decoding: bytes[(start + 2)..<end], as: UTF8.self))) != nil
  }

  /// Where a byte stands twice first.
  private static func pair(_ byte: UInt8, in bytes: ArraySlice<UInt8>) -> Int? {
    var rest = bytes
    while let first = rest.firstIndex(of: byte) {
      guard first + 1 < rest.endIndex else { return nil }
      if rest[first + 1] == byte { return first }
      rest = rest[(first + 2)...]
    }
    return nil
  }

  /// The body of one message, the `count`-th, from 1.
  func filled(count: Int) -> [UInt8] {
    var body: [UInt8] = []
    for part in parts {
      switch part {
      case .literal(let bytes): body += bytes
      case .count: body += Array(String(count).utf8)
      case .time: body += Array(System.iso(System.unixNs).utf8)
      case .unixNs: body += Array(String(System.unixNs).utf8)
      case .random(let count): body += Self.letters(count)
      }
    }
    return body
  }

  private static func place(_ name: String) throws -> Part {
    let words = name.split(separator: " ")
    switch (words.first, words.count) {
    case ("count", 1): return .count
    case ("time", 1): return .time
    case ("unix_ns", 1): return .unixNs
    case ("random", 2):
      guard let count = Int(words[1]), count > 0, count <= randomMax else { break }
      return .random(count)
    default: break
    }
    throw Failure.usage(
      "'{{\(name.printable)}}' is no place that can be filled in.",
      remedy: "Use {{count}}, {{time}}, {{unix_ns}} or {{random N}} with N from 1 to "
        + "\(randomMax); without --template the body is sent as it is.")
  }

  private static func letters(_ count: Int) -> [UInt8] {
    let alphabet = Array("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789".utf8)
    return (0..<count).map { _ in alphabet[Int.random(in: 0..<alphabet.count)] }
  }
}
