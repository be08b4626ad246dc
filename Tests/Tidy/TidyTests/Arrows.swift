/// The room of a path: the longest folder of the table that fits.
func room(of path: String) -> Law.Room? {
  Law.rooms.filter { path.hasPrefix($0.folder) }.max { $0.folder.count < $1.folder.count }
}

/// The room of every module of the tree: `Sources/<layer>/<module>/…` and, in the Contract layer,
/// the header names of each target.
struct ModuleMap {
  private(set) var rooms: [String: Law.Room] = [:]
  private(set) var headers: [String: String] = [:]

  init(paths: some Sequence<String>) {
    for path in paths {
      let parts = path.split(separator: "/")
      guard parts.count > 3, parts[0] == "Sources", let room = room(of: path) else { continue }
      rooms[String(parts[2])] = room
      if room.name == "Contract", path.hasSuffix(".h"), let name = parts.last {
        headers[String(name)] = headers[String(name)] ?? String(parts[2])
      }
    }
  }
}

/// Imports against the arrows, heavy modules outside their keeper, and includes across Contract
/// targets.
func arrowFindings(_ file: SourceFile, _ modules: ModuleMap) -> [Finding] {
  switch file.language {
  case .swift: swiftArrows(file, modules)
  case .c: cArrows(file, modules)
  case .shell, .makefile, .markdown, .other: []
  }
}

private func swiftArrows(_ file: SourceFile, _ modules: ModuleMap) -> [Finding] {
  var found: [Finding] = []
  for (line, module, isTestable) in imports(file) {
    if isTestable {
      found.append(Finding(file.path, line, "@testable import: tests use the release build"))
    }
    guard let here = room(of: file.path) else { continue }
    if let there = modules.rooms[module] {
      if !here.uses.contains(there.name) && file.target != module {
        let what = "\(here.name) must not import \(module) of \(there.name)"
        found.append(Finding(file.path, line, what))
      }
    } else if let outside = here.outside, !outside.contains(module) {
      found.append(Finding(file.path, line, "\(here.name) must not import \(module)"))
    }
    if let keepers = Law.keepers[module], let target = file.target, !keepers.contains(target) {
      let what = "only \(keepers.sorted().joined(separator: ", ")) may import \(module)"
      found.append(Finding(file.path, line, what))
    }
  }
  return found
}

/// Every import of a Swift file: its line, the module, and whether it is `@testable`.
func imports(_ file: SourceFile) -> [(line: Int, module: String, isTestable: Bool)] {
  let code = CodeText(file)
  let kinds: Set = ["struct", "class", "enum", "protocol", "func", "var", "let", "typealias"]
  let words = code.words
  var found: [(Int, String, Bool)] = []
  for (index, word) in words.enumerated() where word.text == "import" {
    guard var next = words[index...].dropFirst().first else { continue }
    if kinds.contains(next.text), index + 2 < words.count { next = words[index + 2] }
    let isTestable = index > 0 && words[index - 1].text == "testable"
    found.append((code.line(of: word.offset), next.text, isTestable))
  }
  return found
}

private func cArrows(_ file: SourceFile, _ modules: ModuleMap) -> [Finding] {
  guard let target = file.target else { return [] }
  var found: [Finding] = []
  for (index, line) in file.lines.enumerated() where line.hasPrefix("#include \"") {
    let path = line.dropFirst("#include \"".count).prefix { $0 != "\"" }
    let name = path.split(separator: "/").last.map(String.init) ?? ""
    guard let owner = modules.headers[name] else {
      found.append(Finding(file.path, index + 1, "no Contract target has '\(name)'"))
      continue
    }
    if owner != target && Law.includes[target]?.contains(owner) != true {
      found.append(Finding(file.path, index + 1, "\(target) must not include \(name) of \(owner)"))
    }
  }
  return found
}
