// Reasons come as sentences of others, with a period or without.

extension StringProtocol {
  /// The text with one period at its end; nothing stays nothing.
  public var endedByPeriod: String { isEmpty || hasSuffix(".") ? String(self) : self + "." }

  /// The text without a period at its end, to go on after it.
  public var withoutPeriod: String { hasSuffix(".") ? String(dropLast()) : String(self) }
}
