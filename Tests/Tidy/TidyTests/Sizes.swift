/// Lines too long, files too long, functions too long.
func sizeFindings(_ file: SourceFile) -> [Finding] {
  guard file.isCode else { return [] }
  var found: [Finding] = []
  let lines = file.text.hasSuffix("\n") ? file.lines.dropLast() : file.lines[...]
  if lines.count > Law.fileLines {
    found.append(
      Finding(file.path, lines.count, "\(lines.count) lines; the law is \(Law.fileLines)"))
  }
  if Law.wideFiles[file.path] == nil {
    for (index, line) in lines.enumerated() where line.count > Law.columns {
      let what = "\(line.count) columns; the law is \(Law.columns)"
      found.append(Finding(file.path, index + 1, what))
    }
  }
  for function in functions(file) where function.lines > Law.functionLines {
    let what = "'\(function.name)' has \(function.lines) lines; the law is \(Law.functionLines)"
    found.append(Finding(file.path, function.line, what))
  }
  return found
}

/// A function, initialiser, subscript or computed property with a body.
struct FunctionExtent: Equatable {
  let name: String
  let line: Int
  let lines: Int
}

/// Every function with a body in a Swift or C file, nested ones included.
func functions(_ file: SourceFile) -> [FunctionExtent] {
  switch file.language {
  case .swift: swiftFunctions(CodeText(file))
  case .c: cFunctions(CodeText(file))
  case .shell, .makefile, .markdown, .other: []
  }
}

private func swiftFunctions(_ code: CodeText) -> [FunctionExtent] {
  let words = code.words
  var found: [FunctionExtent] = []
  for (index, word) in words.enumerated() {
    let body: Int?
    switch word.text {
    case "func", "init", "deinit", "subscript":
      if let before = code.byte(before: word.offset), ".`".utf8.contains(before) { continue }
      body = openingBrace(code, after: word.offset + word.text.utf8.count)
    case "var":
      body = computedBody(code, after: word.offset + 3)
    default: continue
    }
    guard let open = body, let close = code.closing(open) else { continue }
    let isNamed = word.text == "func" || word.text == "var"
    let name = isNamed && index + 1 < words.count ? words[index + 1].text : word.text
    let line = code.line(of: word.offset)
    found.append(
      FunctionExtent(name: name, line: line, lines: code.line(of: close) - line + 1))
  }
  return found
}

/// Words that begin the next declaration: a requirement of a protocol has no body.
private let declarations: Set<String> = [
  "func", "init", "deinit", "subscript", "var", "let", "case", "static", "public", "package",
  "internal", "private", "fileprivate", "mutating", "nonmutating", "associatedtype", "typealias",
  "struct", "class", "enum", "extension", "protocol", "import", "override", "final",
]

private func openingBrace(_ code: CodeText, after start: Int) -> Int? {
  var place = start
  while place < code.bytes.count {
    switch code.bytes[place] {
    case UInt8(ascii: "("), UInt8(ascii: "["):
      guard let close = code.closing(place) else { return nil }
      place = close
    case UInt8(ascii: "{"): return place
    case UInt8(ascii: "}"), UInt8(ascii: ")"), UInt8(ascii: "]"), UInt8(ascii: ";"): return nil
    case 0x0A:
      let rest = code.bytes[place...].drop { $0.isSpace }
      let word = String(decoding: rest.prefix { $0.isWordByte }, as: UTF8.self)
      if declarations.contains(word) || rest.first == UInt8(ascii: "@") { return nil }
    default: break
    }
    place += 1
  }
  return nil
}

/// The brace of `var name: Type {`; a stored property has none or an `=` before it.
private func computedBody(_ code: CodeText, after start: Int) -> Int? {
  for place in start..<code.bytes.count {
    switch code.bytes[place] {
    case UInt8(ascii: "{"): return place
    case UInt8(ascii: "="), 0x0A, UInt8(ascii: "}"), UInt8(ascii: ";"): return nil
    default: break
    }
  }
  return nil
}

private func cFunctions(_ code: CodeText) -> [FunctionExtent] {
  var found: [FunctionExtent] = []
  var head = 0
  var place = 0
  while place < code.bytes.count {
    let byte = code.bytes[place]
    if byte == UInt8(ascii: ";") || byte == UInt8(ascii: "#") { head = place + 1 }
    if byte == UInt8(ascii: "{"), let close = code.closing(place) {
      if code.byte(before: place) == UInt8(ascii: ")") {
        found.append(cFunction(code, head: head, open: place, close: close))
      }
      place = close
      head = close + 1
    }
    place += 1
  }
  return found
}

private func cFunction(_ code: CodeText, head: Int, open: Int, close: Int) -> FunctionExtent {
  let parameters = code.bytes[head..<open].firstIndex(of: UInt8(ascii: "(")) ?? open
  let before = code.bytes[head..<parameters].reversed().drop { $0.isSpace }
  let name = before.prefix { $0.isWordByte }.reversed()
  let line = code.line(of: parameters)
  return FunctionExtent(
    name: String(decoding: Array(name), as: UTF8.self), line: line,
    lines: code.line(of: close) - line + 1)
}
