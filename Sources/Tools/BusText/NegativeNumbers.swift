/// Negative numbers among the arguments of a command.
public enum NegativeNumbers {
  /// The arguments with each negative number joined to the option before it.
  ///
  /// A parser takes one behind a space for an option of its own and says that a value is missing;
  /// `--runs=-1` lets it say what is wrong with the value.
  public static func joined(_ arguments: [String]) -> [String] {
    var joined: [String] = []
    for word in arguments {
      if let last = joined.last, last.hasPrefix("-"), !last.contains("="), word.hasPrefix("-"),
        Double(word) != nil
      {
        joined[joined.count - 1] = last + "=" + word
      } else {
        joined.append(word)
      }
    }
    return joined
  }
}
