import Yams

/// A value of the file that knows where it stands, so that every error can say so.
struct YAMLValue {
  let file: String
  /// What a person would call the place, for example `agents[2].read`.
  let place: String
  let line: Int
  private let node: Node

  /// Parses a text that has to hold one document.
  static func root(of text: String, file: String) throws(PolicyFileError) -> YAMLValue {
    let node: Node?
    do {
      node = try compose(yaml: text, .default, .default, .utf8)
    } catch let error as YamlError {
      throw PolicyFileError(file: file, error)
    } catch {
      throw PolicyFileError(file: file, .syntax("\(error)"))
    }
    guard let node, !Self.isNothing(node) else { throw PolicyFileError(file: file, .empty) }
    return YAMLValue(file: file, place: "the policy", line: node.mark?.line ?? 1, node: node)
  }

  func error(_ problem: PolicyFileError.Problem) -> PolicyFileError {
    PolicyFileError(file: file, line: line, problem)
  }

  /// The values of a mapping whose keys are known; of keys without effect it is said what to do.
  func fields(
    _ allowed: [String], withoutEffect: [String: String] = [:]
  ) throws(PolicyFileError) -> [String: YAMLValue] {
    guard case .mapping(let mapping) = node else {
      throw error(.wrongType(place, expected: "keys and values (\(Self.listed(allowed)))"))
    }
    var fields: [String: YAMLValue] = [:]
    for (key, value) in mapping {
      let line = key.mark?.line ?? line
      guard case .scalar(let scalar) = key, allowed.contains(scalar.string) else {
        let name = key.scalar?.string ?? "a list or mapping"
        if let advice = withoutEffect[name] {
          throw PolicyFileError(file: file, line: line, .keyWithoutEffect(name, advice: advice))
        }
        throw PolicyFileError(file: file, line: line, .unknownKey(name, allowed: allowed))
      }
      // Yams compares keys with their tags, so "a" and !x "a" would both pass.
      guard fields[scalar.string] == nil else {
        throw PolicyFileError(file: file, line: line, .duplicateKey(scalar.string))
      }
      let inner = place == "the policy" ? scalar.string : "\(place).\(scalar.string)"
      // An empty value has the place of what follows it; the key's line is what one looks for.
      let at = Self.isNothing(value) ? line : value.mark?.line ?? line
      fields[scalar.string] = YAMLValue(file: file, place: inner, line: at, node: value)
    }
    return fields
  }

  /// The values of a list.
  func items(of what: String) throws(PolicyFileError) -> [YAMLValue] {
    guard case .sequence(let sequence) = node else {
      throw error(.wrongType(place, expected: "a list of \(what), or [] for none"))
    }
    return sequence.enumerated().map { index, node in
      YAMLValue(
        file: file, place: "\(place)[\(index + 1)]", line: node.mark?.line ?? line, node: node)
    }
  }

  /// A text, number or word as it is written.
  func text(_ expected: String) throws(PolicyFileError) -> String {
    guard case .scalar(let scalar) = node, !Self.isNothing(node) else {
      throw error(.wrongType(place, expected: expected))
    }
    // A bare > starts a folded text in YAML, and swallows what follows it.
    guard scalar.style != .folded && scalar.style != .literal else {
      throw error(.wrongType(place, expected: expected + ", and \">\" with its quotes"))
    }
    return scalar.string
  }

  var isMapping: Bool { node.mapping != nil }

  private static func isNothing(_ node: Node) -> Bool {
    guard case .scalar(let scalar) = node, scalar.style == .plain || scalar.style == .any else {
      return false
    }
    return scalar.string.isEmpty || scalar.string == "~" || scalar.string == "null"
  }

  private static func listed(_ words: [String]) -> String { words.joined(separator: ", ") }
}

extension PolicyFileError {
  fileprivate init(file: String, _ error: YamlError) {
    switch error {
    case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
      .composer(_, let problem, let mark, _):
      self.init(file: file, line: mark.line, .syntax(problem))
    case .reader(let problem, _, _, _):
      self.init(file: file, .syntax(problem))
    case .duplicatedKeysInMapping(let keys, let context):
      let key = keys.joined(separator: ", ")
      self.init(file: file, line: context.mark.line, .duplicateKey(key))
    default:
      self.init(file: file, .syntax("\(error)"))
    }
  }
}
