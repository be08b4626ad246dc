extension UInt64 {
  /// The sum; where it is too large the largest number, which stands for never.
  func addingSaturated(_ other: UInt64) -> UInt64 {
    let (sum, over) = addingReportingOverflow(other)
    return over ? .max : sum
  }
}
