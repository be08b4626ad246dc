/// The names that an agent answers, by numbers that stay theirs.
package struct ServedNames: Sendable {
  /// By number; the agent's own name is 0.
  private var names: [String]
  /// Of the names that are answered now.
  private var answered: [String: Int]
  /// Of every name that was ever answered.
  private var numbers: [String: Int]

  package init(own name: String) {
    names = [name]
    answered = [name: 0]
    numbers = answered
  }

  /// The agent's own name.
  package var own: String { names[0] }

  /// The number of a name that is answered now; nil: it is not.
  package func answered(_ name: String) -> Int? { answered[name] }

  /// The number of a name that is answered, or was; nil: it never was.
  package func number(of name: String) -> Int? { numbers[name] }

  /// Answers a name from now on; returns its number.
  package mutating func add(_ name: String) -> Int {
    let number = numbers[name] ?? names.count
    if number == names.count { names.append(name) }
    numbers[name] = number
    answered[name] = number
    return number
  }

  /// Answers a name no more, unless it is the agent's own.
  package mutating func remove(_ name: String) {
    if name != own { answered[name] = nil }
  }
}
