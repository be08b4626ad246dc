import ArgumentParser

/// Finds what a mistyped word was meant to be.
enum Spelling {
  /// A word that stands where a command is wanted and is none.
  struct Unknown {
    let word: String
    /// The command whose subcommand it would be.
    let call: String
    /// What it may have been meant to be.
    let hint: String?
    /// The commands that there are.
    let known: [String]
  }

  /// The first word that should be a command and is none.
  static func unknownCommand(
    in arguments: [String], of root: any ParsableCommand.Type
  ) -> Unknown? {
    var command = root
    var call = "bcs"
    for word in arguments {
      let all = command.configuration.subcommands
      guard !all.isEmpty, !word.hasPrefix("-"), word != "help" else { return nil }
      if let next = all.first(where: { $0._commandName == word }) {
        command = next
        call += " \(word)"
        continue
      }
      let known = all.filter { $0.configuration.shouldDisplay }.map { $0._commandName }
      let alias = Self.aliases[word, default: []].first { known.contains($0) || $0.hasPrefix("-") }
      return Unknown(
        word: word, call: call, hint: alias ?? nearest(to: word, among: known), known: known)
    }
    return nil
  }

  /// What users of other buses call our commands.
  private static let aliases: [String: [String]] = [
    "publish": ["pub"], "subscribe": ["sub"], "psubscribe": ["sub"], "request": ["req"],
    "call": ["req"], "respond": ["reply"], "serve": ["reply"], "send": ["tell"],
    "ls": ["list", "agent"], "ps": ["agent"], "agents": ["agent"], "who": ["agent"],
    "clients": ["agent"], "topics": ["channel"], "topic": ["channel"], "channels": ["channel"],
    "monitor": ["top"], "ping": ["doctor"], "health": ["doctor"], "version": ["--version"],
    "start": ["up"], "server": ["up"], "run": ["up"], "status": ["stat"], "stats": ["stat"],
    "info": ["show", "stat"], "get": ["show"], "describe": ["show"], "benchmark": ["bench"],
    "error": ["errors"], "completion": ["completions"],
  ]

  /// What users of other buses call our options.
  private static let optionAliases = [
    "--wait": "--timeout", "--last": "--latest",
    "--verbose": "--log-level", "--number": "--count", "--socket": "--dir",
  ]

  /// The options of a command, long and short, and those of the one it stands for by default.
  static func options(of command: any ParsableCommand.Type) -> Set<String> {
    let both = [command] + [command.configuration.defaultSubcommand].compactMap { $0 }
    let words = both.flatMap { one in
      one.helpMessage(includeHidden: true).split { !$0.isLetter && !$0.isNumber && $0 != "-" }
    }
    return Set(words.map(String.init).filter { $0.hasPrefix("-") })
  }

  /// The first option that is not known; numbers below zero are none.
  static func unknownOption(in arguments: [String], _ known: Set<String>) -> String? {
    arguments.prefix { $0 != "--" && $0 != "--exec" }.lazy
      .filter { word in
        let isShort = word.count == 2 && word.first == "-" && word.last?.isLetter == true
        return word.hasPrefix("--") || isShort
      }
      .map { String($0.prefix { $0 != "=" }) }
      .first { !known.contains($0) }
  }

  /// The option that an unknown one was meant to be.
  static func option(near word: String, _ known: Set<String>) -> String? {
    if let alias = optionAliases[word], known.contains(alias) { return alias }
    let bare = String(word.dropFirst(2))
    let names = known.filter { $0.hasPrefix("--") }.map { String($0.dropFirst(2)) }.sorted()
    return nearest(to: bare, among: names).map { "--" + $0 }
  }

  /// The candidate with the fewest edits; nil when it takes more than a third of the letters.
  static func nearest(to word: String, among candidates: [String]) -> String? {
    let scored = candidates.map { (name: $0, edits: edits(word, $0)) }
    guard let best = scored.min(by: { $0.edits < $1.edits }) else { return nil }
    return best.edits <= max(1, word.count / 3) ? best.name : nil
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
