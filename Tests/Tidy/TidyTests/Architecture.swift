/// The table of layers of ARCHITECTURE.md against the targets of Package.swift.
///
/// A row names its layer in the first column and its modules, each in backquotes, in the second.
func layerFindings(_ document: SourceFile, package: SourceFile) -> [Finding] {
  let targets = layersOfTargets(package)
  var listed: [String: (layer: String, line: Int)] = [:]
  var found: [Finding] = []
  for (index, line) in document.lines.enumerated() {
    let columns = line.split(separator: "|").map { $0.trimmingCharacters() }
    guard columns.count >= 3, let layer = columns[0].wholeMatch(of: #/`(\w+)`/#)?.1,
      targets.values.contains(String(layer))
    else { continue }
    for module in columns[1].matches(of: #/`(\w+)`/#).map({ String($0.1) }) {
      listed[module] = (String(layer), index + 1)
      if targets[module] != String(layer) {
        let what = "\(module) is no target of the layer \(layer)"
        found.append(Finding(document.path, index + 1, what))
      }
    }
  }
  for module in targets.keys.sorted() where listed[module] == nil {
    let what = "the table of layers lacks \(module) of \(targets[module] ?? "")"
    found.append(Finding(document.path, 1, what))
  }
  return found
}

/// Libraries among the programs: what several of them share is a tool, what works for agents a
/// service.
func programFindings(_ package: SourceFile) -> [Finding] {
  package.text.matches(of: #/\bmodule\(\s*"Programs",\s*"(\w+)"/#).map { match in
    Finding(package.path, 1, "\(match.1) is a library: Sources/Programs holds executables only")
  }
}

/// The layer of each target that is built from `Sources/`.
private func layersOfTargets(_ package: SourceFile) -> [String: String] {
  var layers: [String: String] = [:]
  for match in package.text.matches(of: #/\bmodule\(\s*"(\w+)",\s*"(\w+)"/#) {
    layers[String(match.2)] = String(match.1)
  }
  for match in package.text.matches(of: #/\bprogram\("(\w+)"/#) {
    layers[String(match.1)] = "Programs"
  }
  for match in package.text.matches(of: #/\b(?:contract|system)\("(\w+)"/#) {
    layers[String(match.1)] = "Contract"
  }
  return layers
}

/// Terms of the glossary that name a type which the library does not have, or that come twice or
/// out of order; and public types of the messaging that no term names.
func glossaryFindings(_ document: SourceFile, publicTypes: Set<String>) -> [Finding] {
  var found: [Finding] = []
  var before = ""
  for (index, line) in document.lines.enumerated() where line.hasPrefix("| ") {
    let term = line.split(separator: "|")[0].trimmingCharacters()
    guard term != "Term" else { continue }
    for type in term.matches(of: #/`(\w+)`/#).map({ String($0.1) })
    where !publicTypes.contains(type) {
      found.append(Finding(document.path, index + 1, "no public type is called \(type)"))
    }
    if term.lowercased() <= before {
      found.append(Finding(document.path, index + 1, "'\(term)' is out of order, or comes twice"))
    }
    before = term.lowercased()
  }
  return found
}

/// The public types that a file declares.
func publicTypes(_ file: SourceFile) -> [String] {
  file.text.matches(
    of: #/public (?:final )?(?:struct|class|enum|protocol|typealias) (\w+)/#
  ).map { String($0.1) }
}

/// Names that were given up for those of the field.
func retiredFindings(_ file: SourceFile) -> [Finding] {
  guard file.language == .swift, file.path.hasPrefix("Sources/") else { return [] }
  let code = CodeText(file)
  return code.words.compactMap { word in
    Law.retiredNames[word.text].map { name in
      let what = "'\(word.text)' was given up for '\(name)'"
      return Finding(file.path, code.line(of: word.offset), what)
    }
  }
}

extension StringProtocol {
  /// Without the spaces around it.
  fileprivate func trimmingCharacters() -> String {
    String(drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
  }
}
