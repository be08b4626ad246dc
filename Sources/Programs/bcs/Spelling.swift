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

  /// The first option that the command does not have, as far as its help tells.
  static func unknownOption(
    in arguments: [String], of command: any ParsableCommand.Type
  ) -> String? {
    let help = command.helpMessage(includeHidden: true)
    let known = Set(help.split { !$0.isLetter && !$0.isNumber && $0 != "-" })
    return arguments.prefix { $0 != "--" }.lazy
      .filter { $0.hasPrefix("--") }.map { $0.prefix { $0 != "=" } }
      .first { !known.contains($0) }.map(String.init)
  }

  /// The candidate with the fewest edits; nil when even that one is far.
  static func nearest(to word: String, among candidates: [String]) -> String? {
    let scored = candidates.map { (name: $0, edits: edits(word, $0)) }
    guard let best = scored.min(by: { $0.edits < $1.edits }) else { return nil }
    return best.edits <= max(1, word.count / 2) ? best.name : nil
  }

  /// Insertions, deletions, replacements and exchanges of neighbours that make one word of the
  /// other.
  static func edits(_ left: String, _ right: String) -> Int {
    let (left, right) = (Array(left), Array(right))
    var rows = [Array(0...right.count)]
    for line in left.indices {
      var row = [line + 1]
      for column in right.indices {
        let isSame = left[line] == right[column]
        var least = rows[line][column] + (isSame ? 0 : 1)
        least = min(least, rows[line][column + 1] + 1, row[column] + 1)
        let isExchanged =
          line > 0 && column > 0 && left[line] == right[column - 1]
          && left[line - 1] == right[column]
        if isExchanged { least = min(least, rows[line - 1][column - 1] + 1) }
        row.append(least)
      }
      rows.append(row)
    }
    return rows[left.count][right.count]
  }
}
