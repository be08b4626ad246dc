/// `lentBase` where the table does not allow it.
func lentFindings(_ file: SourceFile) -> [Finding] {
  guard file.language == .swift, file.path.hasPrefix("Sources/"),
    Law.lentPlaces[file.path] == nil
  else { return [] }
  let code = CodeText(file)
  return code.words.filter { $0.text == "lentBase" }.map { word in
    let what = "copy a peer's bytes out, or load a word: Law.lentPlaces does not name this file"
    return Finding(file.path, code.line(of: word.offset), what)
  }
}

/// `unsafe` where the table does not allow it.
func unsafeFindings(_ file: SourceFile) -> [Finding] {
  guard file.language == .swift, file.path != "Package.swift" else { return [] }
  let allowed = Law.unsafePlaces.contains { $0.allows(file.path) }
  guard !allowed else { return [] }
  let code = CodeText(file)
  return code.words.filter { $0.text == "unsafe" }.map { word in
    let what = "'unsafe' does not belong here: move it to a file Law.unsafePlaces names"
    return Finding(file.path, code.line(of: word.offset), what)
  }
}

/// Clocks, locks, threads and memory in a state machine that is to be pure.
func pureFindings(_ file: SourceFile) -> [Finding] {
  guard Law.pureFiles.contains(file.path) else { return [] }
  let code = CodeText(file)
  let wrong = imports(file).filter { !Law.pureImports.contains($0.module) }.map { found in
    Finding(file.path, found.line, "pure state does not import \(found.module)")
  }
  return wrong
    + code.words.filter { Law.impureWords.contains($0.text) }.map { word in
      let what = "'\(word.text)' in pure state: take it as an argument, or leave it to the caller"
      return Finding(file.path, code.line(of: word.offset), what)
    }
}

/// Ways to print that go past the one form which makes text from elsewhere harmless.
func printFindings(_ file: SourceFile) -> [Finding] {
  guard file.language == .swift, file.path.hasPrefix("Sources/") else { return [] }
  guard Law.printPlaces[file.path] == nil else { return [] }
  let code = CodeText(file)
  let words = code.words.filter { Law.printWords.contains($0.text) }
  return words.filter { !isSaying($0.text, code.line(of: $0.offset), file) }.map { word in
    let what = "'\(word.text)' prints past TerminalText: use the program's Output"
    return Finding(file.path, code.line(of: word.offset), what)
  }
}

/// Whether a word writes a text of that form: it stands right behind the head of a `say`.
private func isSaying(_ word: String, _ line: Int, _ file: SourceFile) -> Bool {
  Law.sayFolders.contains { file.path.hasPrefix($0) } && word == Law.sayWord
    && file.lines.indices.contains(line - 2) && file.lines[line - 2].hasSuffix(Law.sayHead)
}

/// Words that say "later", and paths of somebody's machine.
func wordFindings(_ file: SourceFile) -> [Finding] {
  var found: [Finding] = []
  for (index, line) in file.lines.enumerated() {
    for word in Law.bannedWords where containsWord(line, word) {
      found.append(Finding(file.path, index + 1, "'\(word)': do it or leave it out"))
    }
    for start in Law.machinePaths where containsPath(line, start) {
      found.append(Finding(file.path, index + 1, "'\(start)' is a path of one machine"))
    }
  }
  return found
}

/// A folder with a name that would take anything.
func folderFindings(_ path: String) -> [Finding] {
  path.split(separator: "/").dropLast().filter { Law.bannedFolders.contains(String($0)) }.map {
    Finding(path, 0, "folder '\($0)': name it after what it holds")
  }
}

/// Scripts are executable, and nothing else is.
func modeFindings(_ file: SourceFile, isExecutable: Bool) -> [Finding] {
  let isScript = file.text.hasPrefix("#!")
  if isScript && !isExecutable { return [Finding(file.path, 1, "a script must be executable")] }
  if !isScript && isExecutable {
    return [Finding(file.path, 1, "executable, but it does not begin with #!")]
  }
  return []
}

private func containsWord(_ line: Substring, _ word: String) -> Bool {
  line.contains(word)
    && line.split { !($0.isLetter || $0.isNumber || $0 == "_") }.contains { $0 == word }
}

/// True when the line has an absolute path that begins so; `a/b/…` and `$X/…` are relative to
/// something else.
private func containsPath(_ line: Substring, _ start: String) -> Bool {
  var rest = line
  while let range = rest.firstRange(of: start) {
    let isAbsolute =
      range.lowerBound == line.startIndex
      || !"/.$}-_~".contains(line[line.index(before: range.lowerBound)])
        && !line[line.index(before: range.lowerBound)].isLetter
        && !line[line.index(before: range.lowerBound)].isNumber
    let goesOn = range.upperBound < line.endIndex && !line[range.upperBound].isWhitespace
    if isAbsolute && goesOn { return true }
    rest = rest[range.upperBound...]
  }
  return false
}
