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
  public static func line(_ fields: [(String, JSONValue)]) -> String {
    JSONValue.object(fields.map(JSONField.init)).rendered
  }

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

private func quoted(_ text: String) -> String {
  var out = "\""
  for scalar in text.unicodeScalars {
    switch scalar {
    case "\"": out += "\\\""
    case "\\": out += "\\\\"
    case "\n": out += "\\n"
    case "\t": out += "\\t"
    case "\r": out += "\\r"
    // Beyond what JSON asks for, those that move a terminal's cursor.
    case _ where scalar.properties.generalCategory == .control:
      let digits = String(scalar.value, radix: 16)
      out += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
    default: out.unicodeScalars.append(scalar)
    }
  }
  return out + "\""
}
