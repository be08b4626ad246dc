/// Relative links of a Markdown file that lead nowhere.
///
/// `exists` answers for paths from the root.
func linkFindings(_ file: SourceFile, exists: (String) -> Bool) -> [Finding] {
  guard file.language == .markdown else { return [] }
  var found: [Finding] = []
  var isFenced = false
  for (index, line) in file.lines.enumerated() {
    if line.hasPrefix("```") { isFenced.toggle() }
    if isFenced { continue }
    for match in line.matches(of: #/\]\(([^)\s]+)\)/#) {
      let target = match.1.prefix { $0 != "#" }
      if target.isEmpty || target.contains(":") { continue }
      let path = resolve(String(target), from: file.path)
      if !exists(path) {
        found.append(Finding(file.path, index + 1, "the link to '\(target)' leads nowhere"))
      }
    }
  }
  return found
}

private func resolve(_ target: String, from file: String) -> String {
  var parts = file.split(separator: "/").dropLast().map(String.init)
  for part in target.split(separator: "/") where part != "." {
    if part == ".." { _ = parts.popLast() } else { parts.append(String(part)) }
  }
  return parts.joined(separator: "/")
}

/// The form of Keep a Changelog: a title, `[Unreleased]` first, versions downwards with a date,
/// and only the six kinds of change.
func changelogFindings(_ file: SourceFile) -> [Finding] {
  var found: [Finding] = []
  var heads: [String] = []
  func report(_ index: Int, _ what: String) { found.append(Finding(file.path, index + 1, what)) }
  if file.lines.first != "# Changelog" { report(0, "the first line is '# Changelog'") }
  for (index, line) in file.lines.enumerated() {
    if line.hasPrefix("### ") {
      let kind = String(line.dropFirst(4))
      if !Law.changeKinds.contains(kind) { report(index, "'\(kind)' is no kind of change") }
      if heads.isEmpty { report(index, "a kind of change outside a version") }
    } else if line.hasPrefix("## ") {
      let head = String(line.dropFirst(3))
      if head != "[Unreleased]" && head.wholeMatch(of: versionHead) == nil {
        report(index, "'\(head)' is neither [Unreleased] nor [x.y.z] - YYYY-MM-DD")
      }
      heads.append(head)
    }
  }
  if heads.first != "[Unreleased]" { report(0, "[Unreleased] comes first") }
  let versions = heads.dropFirst().compactMap(version)
  for (newer, older) in zip(versions, versions.dropFirst())
  where !older.lexicographicallyPrecedes(newer) {
    report(0, "the newest version comes first: \(newer) before \(older)")
  }
  return found
}

private var versionHead: Regex<(Substring, Substring, Substring, Substring)> {
  #/\[(\d+)\.(\d+)\.(\d+)\] - \d{4}-\d{2}-\d{2}/#
}

private func version(_ head: String) -> [Int]? {
  guard let match = head.wholeMatch(of: versionHead) else { return nil }
  return [match.1, match.2, match.3].compactMap { Int($0) }
}

/// Each `// SYNC: name` has two ends in the sources, and the table of the document (rows that begin
/// with the name in backquotes) lists exactly the names of the code, each once.
func syncFindings(_ sources: [SourceFile], document: SourceFile?) -> [Finding] {
  var ends: [String: [Finding]] = [:]
  for file in sources where file.language == .swift || file.language == .c {
    for (index, line) in file.lines.enumerated() {
      guard let mark = line.firstRange(of: "// SYNC:") else { continue }
      let rest = line[mark.upperBound...].drop { $0 == " " }
      let name = String(rest.prefix { $0.isLetter || $0.isNumber || "._-".contains($0) })
      ends[name, default: []].append(Finding(file.path, index + 1, name))
    }
  }
  var found = ends.values.filter { $0.count < 2 }.flatMap { $0 }.map { end in
    Finding(end.path, end.line, "SYNC \(end.what) has one end: name its other end so, too")
  }
  let rows = document.map(syncNames) ?? []
  let listed = Set(rows)
  for name in listed where rows.count(where: { $0 == name }) > 1 {
    let what = "SYNC \(name) has more than one row: keep the true one"
    found.append(Finding(Law.syncPoints, 0, what))
  }
  for (name, places) in ends where !listed.contains(name) {
    let what = "SYNC \(name) is not listed in \(Law.syncPoints)"
    found.append(Finding(places[0].path, places[0].line, what))
  }
  for name in listed where ends[name] == nil {
    found.append(Finding(Law.syncPoints, 0, "no code has SYNC \(name)"))
  }
  return found.sorted { $0.description < $1.description }
}

private func syncNames(_ document: SourceFile) -> [String] {
  document.lines.compactMap { $0.prefixMatch(of: #/\|\s*`([\w.-]+)`\s*\|/#).map { String($0.1) } }
}
