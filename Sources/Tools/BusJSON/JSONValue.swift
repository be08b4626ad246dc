public import BusText

/// A value of a JSON text: keys keep their order, what was not measured is null.
public indirect enum JSONValue: Equatable, Sendable {
  case null
  case boolean(Bool)
  case integer(Int)
  case unsigned(UInt64)
  case number(Double)
  case text(String)
  case list([JSONValue])
  case object([JSONField])

  /// A number; null when there is none or it is not finite.
  public init(_ value: Double?) {
    guard let value, value.isFinite else {
      self = .null
      return
    }
    // Digits behind the third are noise in nanoseconds, and in rates all the more.
    let rounded = (value * 1000).rounded() / 1000
    self = .number(abs(value) < 1 ? value : rounded)
  }

  /// A count; null when there is none.
  public init(_ value: UInt64?) { self = value.map(JSONValue.unsigned) ?? .null }

  /// A text; null when there is none.
  public init(_ value: String?) { self = value.map(JSONValue.text) ?? .null }

  /// One object on one line, its fields in the order given.
  public static func line(_ fields: [(String, JSONValue)]) -> TerminalText {
    JSONValue.object(fields.map(JSONField.init)).text
  }

  /// The JSON text as the programs print it: it has nothing that a terminal would obey.
  public var text: TerminalText { TerminalText(rendered) }

  /// The JSON text, on one line.
  public var rendered: String {
    switch self {
    case .null: "null"
    case .boolean(let value): value ? "true" : "false"
    case .integer(let value): String(value)
    case .unsigned(let value): String(value)
    case .number(let value): value.isFinite ? String(value) : "null"
    case .text(let value): quoted(value)
    case .list(let values): "[" + values.map(\.rendered).joined(separator: ",") + "]"
    case .object(let fields):
      "{" + fields.map { quoted($0.key) + ":" + $0.value.rendered }.joined(separator: ",") + "}"
    }
  }
}

/// One key of a JSON object with its value.
public struct JSONField: Equatable, Sendable {
  /// The key.
  public let key: String
  /// The value.
  public let value: JSONValue

  /// A key with its value.
  public init(_ key: String, _ value: JSONValue) {
    self.key = key
    self.value = value
  }
}

/// Under which first bytes a string has something to be escaped: quotes, backslashes, and, beyond
/// what JSON asks for, what a terminal would obey.
private let looked: [Bool] = {
  var looked = SafeText.oneLine
  looked[Int(UInt8(ascii: "\""))] = true
  looked[Int(UInt8(ascii: "\\"))] = true
  return looked
}()

private func quoted(_ text: String) -> String {
  let inner = SafeText.escaped(text, looked: looked) { scalar in
    switch scalar {
    case "\"": "\\\""
    case "\\": "\\\\"
    case "\n": "\\n"
    case "\t": "\\t"
    case "\r": "\\r"
    case _ where SafeText.isUnsafe(scalar):
      // Beyond the first 65,536 characters, JSON takes two halves, as UTF-16 has them.
      String(scalar).utf16.map { unit in
        let digits = String(unit, radix: 16)
        return "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      }.joined()
    default: nil
    }
  }
  return "\"\(inner)\""
}
