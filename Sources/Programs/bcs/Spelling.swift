import ArgumentParser

/// Finds what a mistyped word was meant to be.
enum Spelling {
  /// The name of the command that an unknown word in its place is nearest to, if any is near.
  static func hint(for arguments: [String], in root: any ParsableCommand.Type) -> String? {
    var command = root
    for word in arguments {
      let names = command.configuration.subcommands.map { $0._commandName }
      guard !names.isEmpty, !word.hasPrefix("-") else { return nil }
      if let index = names.firstIndex(of: word) {
        command = command.configuration.subcommands[index]
        continue
      }
      return nearest(to: word, among: names)
    }
    return nil
  }

  /// The candidate with the fewest edits; nil when even that one is far.
  static func nearest(to word: String, among candidates: [String]) -> String? {
    let scored = candidates.map { (name: $0, edits: edits(word, $0)) }
    guard let best = scored.min(by: { $0.edits < $1.edits }) else { return nil }
    return best.edits <= max(1, word.count / 2) ? best.name : nil
  }

  /// Insertions, deletions and replacements that make one word of the other.
  static func edits(_ left: String, _ right: String) -> Int {
    let right = Array(right)
    var row = Array(0...right.count)
    for (line, character) in left.enumerated() {
      var diagonal = row[0]
      row[0] = line + 1
      for (column, other) in right.enumerated() {
        let replaced = diagonal + (character == other ? 0 : 1)
        diagonal = row[column + 1]
        row[column + 1] = min(replaced, row[column] + 1, row[column + 1] + 1)
      }
    }
    return row[right.count]
  }
}
